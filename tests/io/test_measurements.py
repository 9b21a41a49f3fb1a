"""Tables of measured values, well-formed and not."""

import gzip
import hashlib
import re

import pytest

from pyprobound.alphabets import DNA, RNA
from pyprobound.errors import InputError
from pyprobound.io.measurements import Columns, read_measurements

PLAIN = "sequence\tddg\nACGT\t-1.5\nggtnca\t0\n"


@pytest.fixture
def read(tmp_path):
    """Writes a text to a file and reads it."""

    def call(text, *columns, name="a.tsv", alphabet=None, **options):
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        chosen = Columns(*columns) if columns else None
        return read_measurements(path, alphabet or DNA(), chosen, **options)

    return call


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (PLAIN, "a.tsv"),
        (PLAIN, "a.txt.gz"),
        (PLAIN.replace("\t", ","), "a.csv"),
        (PLAIN.replace("\t", ",").replace("\n", "\r\n"), "a.csv.gz"),
        ("\ufeff" + PLAIN.rstrip(), "a.tsv"),
        (PLAIN.replace("sequence\tddg\n", ""), "a.tsv"),
        ("sequence,ddg\r\n\n" + '"ACGT","-1.5"\n  \nGGTNCA, 0\n\n', "a.csv"),
    ],
)
def test_formats(read, text, name):
    found = read(text, name=name)
    assert found.sequences == ("ACGT", "GGTNCA")
    assert found.values.tolist() == [-1.5, 0.0]
    assert found.errors is None
    assert found.skipped == {}
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()


def test_columns_by_name_and_by_number(read):
    text = "id,Seq,kd,7,sd\n1,ACGT,2,3,0.5\n2,CCCC,4,5,0.25\n"
    found = read(text, None, "kd", "sd", name="a.csv")
    assert found.sequences == ("ACGT", "CCCC")
    assert found.values.tolist() == [2, 4]
    assert found.errors.tolist() == [0.5, 0.25]
    assert found.columns == Columns("Seq", "kd", "sd")
    # A name counts more than a number.
    assert read(text, "2", "7", name="a.csv", header=True).values.tolist() == [3, 5]
    assert read(text, "2", "3", name="a.csv", header=True).values.tolist() == [2, 4]
    bare = read("1\tACGT\t2\n2\tCCCC\t4\n", "2", "3")
    assert bare.values.tolist() == [2, 4]
    assert bare.columns == Columns("2", "3", None)
    assert read("A\tC\nG\t1\n", header=True).sequences == ("G",)


def test_lines_are_those_of_the_file_and_rows_without_values_are_counted(read):
    text = 'seq\tnote\tv\tsd\n\nAC\t"two\nlines"\t1\t1\nGT\t\tNA\t1\n\t\t3\t1\nCC\t\t4\t\nGG\t\t5\t2\n'
    found = read(text, "seq", "v", "sd")
    assert found.lines == (3, 8)
    assert found.values.tolist() == [1, 5]
    assert found.skipped == {"value": 1, "sequence": 1, "error": 1}


def test_sequences_are_folded_transliterated_and_may_repeat(read):
    found = read("acgu\t1\nACGU\t2\n", transliterate={"U": "T"})
    assert found.sequences == ("ACGT", "ACGT")
    assert read("acgu\t1\n", alphabet=RNA()).sequences == ("ACGU",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN + "ACGU\t1\n", "a.tsv, line 4: letter 'U' at position 4 .* T"),
        (PLAIN + "ACRT\t1\n", "line 4: .* stands for some of the letters"),
        (PLAIN + "ACGT\tx1\n", "line 4: the value is 'x1'; expected a number"),
        (PLAIN + "ACGT\t1_0\n", "line 4: the value is '1_0'; expected a number"),
        (PLAIN + "ACGT\t1,5\n", "line 4: the value is '1,5'; write a decimal point"),
        (PLAIN + "ACGT\t>10\n", "line 4: .* a bound is no measurement"),
        (PLAIN + "ACGT\tinf\n", "line 4: the value inf is not between"),
        (PLAIN + "ACGT\t1e-40\n", "line 4: the value 1e-40 .* another unit"),
        (PLAIN + "ACGT\n", "line 4: found 1 column, but the first line has 2"),
        (PLAIN + "ACGT\t1\t2\n", "line 4: found 3 columns"),
        (PLAIN + '"ACGT\t1\n', "line 4: the row cannot be split"),
        ("ACGT\n", "line 1: expected a column of sequences and one of values"),
        ("ACGT\t1\t2\n", "--value-column: say which .* 3 columns without names"),
        ("seq\tx\ty\nA\t1\t2\n", "--value-column: say which .* 2: 'x', 3: 'y'"),
        ("seq\tv\nACGT\tNA\n", "no measurements .1 without value"),
        ("seq\tv\n", "no measurements .no rows"),
        ("\n \n", "nothing but blank lines"),
        ("", "the file is empty"),
        (b"AC\t1\n\xff\t2\n", "line 2: expected UTF-8"),
        (b"AC\t1\n\0\t2\n", "line 2: expected text, but found binary"),
        ("A" * (1 << 21), "line 1: the line is longer"),
    ],
)
def test_bad_input_is_named_with_its_line(read, text, message):
    with pytest.raises(InputError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (("seq", "val", None), "--value-column: there is no column 'val'; did you"),
        (("seq", "9", None), "--value-column: there is no column '9'; the table has"),
        (("v", "value", None), "--sequence-column: there is no column 'v'"),
        (("seq", "twice", None), "--value-column: 2 columns are called 'twice'"),
        (("seq", "seq", None), "must be in different columns"),
        (("seq", "value", "bad"), "--error-column: there is no column 'bad'"),
        (("seq", "value", "5"), "line 2: the error is 0, but must be positive"),
    ],
)
def test_bad_columns(read, columns, message):
    text = "seq\tvalue\ttwice\ttwice\tsd\nACGT\t1\t2\t3\t0\n"
    with pytest.raises(InputError, match=message):
        read(text, *columns)


def test_bad_files(read, tmp_path):
    with pytest.raises(InputError, match="name of a table of measurements must end"):
        read(PLAIN, name="a.xlsx")
    with pytest.raises(InputError, match="there is no such file"):
        read_measurements(tmp_path / "none.tsv", DNA())
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(InputError, match="expected a regular file"):
        read_measurements(tmp_path / "folder.tsv", DNA())
    path = tmp_path / "cut.tsv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode() * 999)[:-20])
    with pytest.raises(InputError, match=re.escape("truncated")):
        read_measurements(path, DNA())


def test_a_bomb_stops_after_its_first_block(read):
    with pytest.raises(InputError, match="line 1: the line is longer"):
        read(b"A" * (1 << 26), name="bomb.tsv.gz")
