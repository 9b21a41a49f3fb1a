"""Reading text files in blocks of whole lines."""

from __future__ import annotations

import gzip

import pytest

from pyprobound.errors import InputError
from pyprobound.io import blocks
from pyprobound.io.blocks import read_blocks


def read_all(path, **options):
    return [(block.first_line, block.text) for block in read_blocks(path, **options)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_blocks_of_any_size_hold_the_same_lines(tmp_path, size):
    text = b"".join(b"line %d\n" % number for number in range(1, 30)) + b"end"
    path = tmp_path / "a.txt"
    path.write_bytes(text)
    found = read_all(path, block_bytes=size)
    assert b"".join(block for _, block in found) == text
    for first, block in found:
        assert text.count(b"\n", 0, text.index(block)) == first - 1
    assert all(block.endswith(b"\n") for _, block in found[:-1])


def test_gzip_is_recognised_by_its_content(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(b"a\nb\n", mtime=0) + gzip.compress(b"c\n"))
    assert b"".join(text for _, text in read_all(path)) == b"a\nb\nc\n"


def test_byte_order_mark_is_no_letter(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfAC\n")
    assert read_all(path) == [(1, b"AC\n")]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"", "empty"),
        ("a.tsv.gz", b"", "empty"),
        ("a.tsv.gz", b"AC\t1\n", "no gzip file"),
        ("a.tsv.gz", gzip.compress(b"AC\t1\n" * 999, mtime=0)[:-9], "truncated"),
        ("a.tsv.gz", gzip.compress(b"AC\t1\n" * 999, mtime=0)[:12], "truncated"),
        ("a.tsv.gz", gzip.compress(b"AC\t1\n", mtime=0) + b"rest", "damaged"),
        ("a.txt", b"AC\t1\nA\0C\t1\n", "line 2: expected text"),
    ],
)
def test_damaged_files_are_named(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 2


def test_damage_inside_a_gzip_file_is_found(tmp_path):
    data = bytearray(gzip.compress(bytes(range(65, 85)) * 50 + b"\n"))
    data[len(data) // 2] ^= 0xFF
    path = tmp_path / "a.gz"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"damaged|truncated"):
        read_all(path)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_all(tmp_path / "a.txt")
    with pytest.raises(InputError, match="folder"):
        read_all(tmp_path)


def test_expanding_gzip_is_stopped_early(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MAX_LINE_BYTES", 1000)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"A" * 100_000, mtime=0))
    seen = []
    original = blocks._decompressed

    def count(*arguments):
        for chunk in original(*arguments):
            seen.append(len(chunk))
            yield chunk

    monkeypatch.setattr(blocks, "_decompressed", count)
    with pytest.raises(InputError, match="line 1: the line is longer than 1,000"):
        read_all(path, block_bytes=500)
    assert sum(seen) < 3000


def test_text_has_a_greatest_size(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"AC\t1\n" * 1000, mtime=0))
    with pytest.raises(InputError, match="larger than 1,000 bytes"):
        read_all(path, block_bytes=100, max_bytes=1000)
