"""Reading sequences: FASTA, FASTQ, text, tables."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA, RNA, Alphabet, Codon, Protein
from pyprobound.errors import InputError
from pyprobound.io import sequences as module
from pyprobound.io.sequences import LetterTable, SequenceReader
from pyprobound.io.streams import open_stream

SEQUENCE = st.text("ACGTNacgtn", min_size=1, max_size=70)
NAME = st.text("abcXYZ_09.|>", max_size=8)
LINE_END = st.sampled_from(["\n", "\r\n", "\r"])


def read(path, alphabet=None, **options):
    """Names, sequences, lines, and the codes of each sequence."""
    reader = SequenceReader(path, alphabet or DNA(), **options)
    names, texts, lines, codes = [], [], [], []
    for block in reader:
        names += [None] * len(block) if block.names is None else block.names
        texts += block.texts()
        lines += block.lines.tolist()
        codes += np.split(block.codes, block.limits[1:-1])
    return names, texts, lines, codes


def error_of(path, alphabet=None, **options):
    with pytest.raises(InputError) as caught:
        read(path, alphabet, **options)
    return caught.value


@pytest.fixture
def write(tmp_path):
    def call(content, name="in.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return call


def assert_codes(codes, texts):
    for found, text in zip(codes, texts, strict=True):
        expected = DNA().translate(text.upper()).numpy()
        assert found.tolist() == expected.tolist()


@settings(deadline=None, max_examples=60)
@given(
    records=st.lists(st.tuples(NAME, SEQUENCE), min_size=1, max_size=12),
    width=st.integers(1, 80),
    end=LINE_END,
    final=st.booleans(),
    chunk=st.integers(1, 200),
    blanks=st.booleans(),
)
def test_fasta_of_any_shape(
    tmp_path_factory, records, width, end, final, chunk, blanks
):
    lines, numbers = [], []
    for name, sequence in records:
        numbers.append(len(lines) + 1)
        lines.append(f">{name} a description")
        lines += [sequence[i : i + width] for i in range(0, len(sequence), width)]
        lines += [" "] * blanks
    path = tmp_path_factory.mktemp("fasta") / "in.fa"
    path.write_bytes((end.join(lines) + end * final).encode())
    names, texts, found, codes = read(path, chunk_bytes=chunk)
    # A name of nothing but blanks is followed by the description.
    assert names == [name if name else "a" for name, _ in records]
    assert texts == [sequence for _, sequence in records]
    assert found == numbers
    assert_codes(codes, texts)


@settings(deadline=None, max_examples=60)
@given(
    records=st.lists(
        st.tuples(NAME, SEQUENCE, st.sampled_from("@+I>")), min_size=1, max_size=12
    ),
    end=LINE_END,
    chunk=st.integers(1, 200),
    final=st.sampled_from(["", "\n", "\n\n"]),
)
def test_fastq_with_awkward_qualities(tmp_path_factory, records, end, chunk, final):
    text = "\n".join(
        f"@{name}\n{sequence}\n+\n{quality * len(sequence)}"
        for name, sequence, quality in records
    )
    path = tmp_path_factory.mktemp("fastq") / "in.fq"
    path.write_bytes((text + final).replace("\n", end).encode())
    names, texts, lines, codes = read(path, chunk_bytes=chunk)
    assert names == [name for name, _, _ in records]
    assert texts == [sequence for _, sequence, _ in records]
    assert lines == [4 * i + 2 for i in range(len(records))]
    assert_codes(codes, texts)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.one_of(SEQUENCE, st.just("")), min_size=1, max_size=20),
    end=LINE_END,
    chunk=st.integers(1, 200),
)
def test_text_skips_blank_lines(tmp_path_factory, rows, end, chunk):
    rows = ["ACGT", *rows]
    path = tmp_path_factory.mktemp("text") / "in.txt"
    path.write_bytes(end.join(rows).encode())
    names, texts, lines, codes = read(path, chunk_bytes=chunk)
    assert set(names) == {None}
    assert texts == [row for row in rows if row]
    assert lines == [i for i, row in enumerate(rows, start=1) if row]
    assert_codes(codes, texts)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(st.text("xyz 1", max_size=4), SEQUENCE, st.text("uvw", max_size=4)),
        min_size=1,
        max_size=12,
    ),
    chunk=st.integers(1, 100),
    header=st.booleans(),
    separator=st.sampled_from("\t,"),
)
def test_a_column_of_a_table(tmp_path_factory, rows, chunk, header, separator):
    lines = [separator.join(("x" + a, b, c)) for a, b, c in rows]
    if header:
        lines.insert(0, separator.join(["id", "probe", "note"]))
    path = tmp_path_factory.mktemp("table") / "in.tsv"
    path.write_text("\n".join(lines))
    assert read(path, column=2, chunk_bytes=chunk)[1] == [b for _, b, _ in rows]
    if header:
        found = read(path, column="probe", chunk_bytes=chunk)
        assert found[1] == [b for _, b, _ in rows]
        assert found[2] == list(range(2, len(rows) + 2))


def test_tables_are_seen_by_their_content(write):
    assert read(write("ACGT\t3\nTTT\t5\n"))[1] == ["ACGT", "TTT"]
    assert read(write("sequence,count\nACGT,3\n"))[1] == ["ACGT"]
    assert read(write('x\t"ACGT"\ny\t TT \n'), column=2)[1] == ["ACGT", "TT"]
    assert read(write("\n\nx\tACGT\n\ny\tTT\n"), column=2)[2] == [3, 5]
    assert read(write("ACG\nTT\n"), column=1)[1] == ["ACG", "TT"]


def test_a_line_that_announces_sequences_is_no_sequence(write):
    assert read(write("Sequence\nACGT\n"))[1:3] == (["ACGT"], [2])


def test_names_end_at_the_first_blank(write):
    path = write(">one two\tthree\nAC\n>\nGT\n>  four\nAA\n")
    assert read(path)[0] == ["one", "", "four"]


def test_groups_of_letters_may_be_set_off_in_fasta(write):
    path = write(">a\nACGT ACGT\n AC\n>b\nGG\n")
    assert read(path)[1] == ["ACGTACGTAC", "GG"]
    assert "letter ' '" in str(error_of(write("ACGT ACGT\n")))


def test_gzip_pipes_and_standard_input(write, tmp_path, monkeypatch):
    content = b">a\nACGT\n>b\nTT\n"
    zipped = gzip.compress(content[:6]) + gzip.compress(content[6:])
    assert read(write(zipped, "in.fa.gz"))[1] == ["ACGT", "TT"]
    assert read(write(zipped, "in.fa"))[1] == ["ACGT", "TT"]
    for stream in (io.BufferedReader(io.BytesIO(zipped)), io.BytesIO(content)):
        monkeypatch.setattr(sys, "stdin", type("In", (), {"buffer": stream})())
        assert read("-")[1] == ["ACGT", "TT"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(zipped))
    writer.start()
    assert read(pipe)[1] == ["ACGT", "TT"]
    writer.join()


def test_the_stream_tells_how_much_was_read(write):
    path = write(gzip.compress(b"ACGT\n" * 10))
    reader = SequenceReader(path, DNA())
    list(reader)
    assert reader.stream.consumed == reader.stream.size == path.stat().st_size


def test_u_and_t_are_the_same_to_nucleic_acids_alone(write):
    assert read(write("ACGU\nacgt\n"))[3][0].tolist() == [0, 1, 2, 3]
    assert read(write("ACGT\n"), RNA())[3][0].tolist() == [0, 1, 2, 3]
    assert "letter 'U'" in str(error_of(write("MKU\n"), Protein()))


def test_degenerate_letters_are_known_and_gaps_are_not(write):
    assert read(write("ARN\n"))[3][0].tolist() == DNA().translate("ARN").tolist()
    assert "a gap has no affinity" in str(error_of(write("AC-T\n")))
    assert "letter '*'" in str(error_of(write("AC*T\n")))
    custom = Alphabet("ab")
    assert read(write("ab*\n"), custom)[3][0].tolist() == [0, 1, custom.wildcard_pad]
    assert "letter 'A'" in str(error_of(write("abA\n"), custom))


def test_letters_of_three_characters(write):
    path = write(">a\nATG\ncAT\n>b\nNNN\n")
    codes = read(path, Codon())[3]
    assert [part.tolist() for part in codes] == [
        Codon().translate("ATGCAT").tolist(),
        Codon().translate("NNN").tolist(),
    ]
    assert read(path, Codon())[1] == ["ATGcAT", "NNN"]
    error = error_of(write("ATGC\n"), Codon())
    assert "4 characters, which is not a multiple of 3" in str(error)
    error = error_of(write("ATG\nATGAXT\n"), Codon())
    assert (error.line, "letter 'AXT' at position 2" in str(error)) == (2, True)
    found = read(write("ATGA\nATG\nAXT\n"), Codon(), on_invalid="skip")
    assert found[1] == ["ATG"]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (">a\nAC\nGX\n>b\nA\n", 3, "letter 'X' at position 4 of the sequence"),
        (">a\nAC\n>b\n>c\nA\n", 3, "the sequence has no letters"),
        (">a\nAC\n>b\n", 3, "the sequence has no letters"),
        ("AC\n\nA\xe9\n", 3, "letter 'é' at position 2"),
        ("@a\nAC\n+\nII\n@b\n\n+\n\n", 6, "the sequence has no letters"),
        ("@a\nAC\n+\nI\n", 4, "the read has 2 letters, but 1 qualities"),
        ("@a\nAC\nGT\n+\nIIII\n", 3, "a line that begins with '+'"),
        ("@a\nAC\n+\nII\nb\nAC\n+\nII\n", 5, "begins with '@'"),
        ("@a\nAC\n+\nII\n@b\nAC\n", 6, "the file ends within a read"),
        ("x\tAC\ny\n", 2, "found 1 column separated by tabs"),
    ],
)
@pytest.mark.parametrize("chunk", [4, 1000])
def test_errors_name_the_line(write, content, line, message, chunk):
    column = 2 if "\t" in content else None
    error = error_of(write(content), column=column, chunk_bytes=chunk)
    assert (error.line, error.exit_code) == (line, 2)
    assert message in str(error)


def test_invalid_sequences_can_be_skipped(write):
    path = write(">a\nAC\n>b\n\n>c\nAZ\n>d\nGG\nT\n>e\n")
    reader = SequenceReader(path, DNA(), on_invalid="skip")
    blocks = list(reader)
    assert [name for block in blocks for name in block.names] == ["a", "d"]
    assert [text for block in blocks for text in block.texts()] == ["AC", "GGT"]
    assert reader.n_skipped == 3
    assert (reader.first_skipped.line, reader.first_skipped.path) == (3, path)


def test_a_named_column_must_exist(write):
    path = write("id\tprobe\nx\tAC\n")
    error = error_of(path, column="seq")
    assert "'id', 'probe'" in str(error)
    assert error.key == "--column"
    assert "there is no column 3" in str(error_of(path, column=3))


def test_files_without_sequences(write, tmp_path):
    assert "0 bytes" in str(error_of(write("")))
    assert "no sequences" in str(error_of(write("\n \n")))
    assert "no sequences" in str(error_of(write("id\tprobe\n"), column="probe"))
    assert "there is no such file" in str(error_of(tmp_path / "absent"))
    assert "a folder" in str(error_of(tmp_path))


def test_what_is_no_text(write):
    assert "binary data" in str(error_of(write(b">a\nAC\0GT\n")))
    assert "bzip2" in str(error_of(write(b"BZh91AY")))
    zipped = gzip.compress(b">a\nACGT\n" * 1000)
    assert "truncated" in str(error_of(write(zipped[:-9])))
    broken = bytearray(zipped)
    broken[20] ^= 255
    assert "gzip" in str(error_of(write(bytes(broken))))


def test_a_line_of_ten_megabytes_is_refused(write):
    for start in (b"", b">a\n"):
        error = error_of(write(start + b"A" * 10_000_000 + b"\n"))
        assert "the line is longer than" in str(error)
        assert error.line == start.count(b"\n") + 1


def test_bombs_are_refused_early(write, monkeypatch):
    assert "line is longer" in str(error_of(write(gzip.compress(b"A" * 30_000_000))))
    monkeypatch.setattr(module, "MAX_SEQUENCE_BYTES", 1 << 20)
    endless = gzip.compress(b">a\n" + b"ACGT\n" * 1_000_000)
    error = error_of(write(endless))
    assert "the record is longer" in str(error)
    assert error.line == 1
    with (
        open_stream(write("ACGT\n" * 10)) as stream,
        pytest.raises(InputError, match="larger than 20 bytes"),
    ):
        list(stream.chunks(5, max_bytes=20))


def test_memory_is_that_of_a_chunk(write):
    path = write(">a\n" + "ACGT\n" * 10 + ">b\nAC\n" * 40_000)
    sizes = [len(block.codes) for block in SequenceReader(path, DNA())]
    assert len(sizes) == 1 + path.stat().st_size // module.CHUNK_BYTES
    assert max(sizes) < module.CHUNK_BYTES


def test_texts_of_an_empty_block():
    table = LetterTable(DNA())
    codes, bad = table.translate(np.empty(0, np.uint8), np.empty(0, np.int64))
    assert len(codes) == len(bad) == 0
    assert not table.accepts("")
