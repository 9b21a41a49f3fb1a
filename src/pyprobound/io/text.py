"""Reads count tables from text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InputError
from .blocks import Block, read_blocks
from .fields import (
    FieldError,
    RowRule,
    SequenceRule,
    describe_separator,
    is_number,
    split_fields,
)
from .parts import SEQUENCE, Part, check_in_bulk, from_rows, rename

# First fields that announce a header line, whatever the fields behind them are.
_HEADER_WORDS = frozenset(
    {"", "#", "id", "index", "kmer", "name", "oligo", "peptide", "probe", "read"}
    | {"reads", "seq", "seqs", "sequence", "sequences", "#seq", "#sequence"}
)


def read_text(
    path: Path,
    sequences: SequenceRule,
    separator: str,
    header: bool | None,
    block_bytes: int,
) -> Iterator[Part]:
    """Reads the rows of a text file, block by block.

    Args:
        path: The file.
        sequences: The rule for sequences.
        separator: What stands between fields.
        header: Whether the first line names the columns; None to look at it.
        block_bytes: How much text is read at once.

    Raises:
        InputError: The file cannot be read or a row is malformed.
    """
    rule: RowRule | None = None
    for block in read_blocks(path, block_bytes):
        if rule is None:
            start = _skip_blank_lines(block)
            if start is None:
                continue
            rule, block = _first_rule(path, start, sequences, separator, header)
        part = _parse_in_bulk(block, rule)
        yield part if part is not None else _parse_lines(path, block, rule)
    if rule is None:
        raise InputError("the file holds nothing but blank lines", path=path)


def _skip_blank_lines(block: Block) -> Block | None:
    """The block from its first line that is not blank on."""
    text = block.text.lstrip()
    if not text:
        return None
    skipped = block.text[: len(block.text) - len(text)]
    # An indented first line keeps its blanks, which are a missing sequence.
    start = skipped.rfind(b"\n") + 1
    return Block(block.text[start:], block.first_line + skipped.count(b"\n"))


def _first_rule(
    path: Path,
    block: Block,
    sequences: SequenceRule,
    separator: str,
    header: bool | None,
) -> tuple[RowRule, Block]:
    """How rows are read, and the block without the header line."""
    first, _, rest = block.text.partition(b"\n")
    fields = split_fields(_decode(path, first, block.first_line), separator)
    if len(fields) < 2:
        raise InputError(
            "expected a sequence and at least one count, separated by"
            f" {describe_separator(separator)}, but found one column"
            f" ({fields[0][:40]!r})",
            path=path,
            line=block.first_line,
        )
    if header is None:
        header = _looks_like_header(fields, sequences)
    reference = f"line {block.first_line}"
    if not header:
        names = tuple(str(place) for place in range(len(fields) - 1))
        return RowRule(sequences, separator, names, False, reference), block
    names = tuple(name.strip() for name in fields[1:])
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise InputError(
            f"the header names more than one column {sorted(repeated)[0]!r}",
            path=path,
            line=block.first_line,
        )
    rule = RowRule(sequences, separator, names, True, f"the header in {reference}")
    return rule, Block(rest, block.first_line + 1)


def _looks_like_header(fields: Sequence[str], sequences: SequenceRule) -> bool:
    first = fields[0].strip()
    if first.lower() in _HEADER_WORDS:
        # A row whose sequence is missing is no header, unless it names its columns.
        return bool(first) or fields[1:] == [str(i) for i in range(len(fields) - 1)]
    if any(is_number(field) or not field.strip() for field in fields[1:]):
        return False
    try:
        sequences.apply(first)
    except FieldError:
        return True
    return False


def _decode(path: Path, text: bytes, line: int) -> str:
    try:
        return text.rstrip(b"\r\n").decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"expected UTF-8 text ({error.reason} at byte {error.start + 1})",
            path=path,
            line=line,
        ) from None


def _parse_in_bulk(block: Block, rule: RowRule) -> Part | None:
    """Parses well-formed rows; returns None if there is anything else."""
    import polars as pl

    schema = {SEQUENCE: pl.String} | {
        str(place): pl.Int64 for place in range(len(rule.names))
    }
    if not block.text:
        return Part(rename(pl.DataFrame(schema=schema), rule), range(0), rule.named)
    try:
        frame = pl.read_csv(
            block.text,
            has_header=False,
            separator=rule.separator,
            schema=schema,
            quote_char=None,
        )
    except pl.exceptions.PolarsError:
        return None
    return check_in_bulk(frame, rule, range(block.first_line, 1 << 62))


def _parse_lines(path: Path, block: Block, rule: RowRule) -> Part:
    """Parses one line after the other; raises an error at the first bad one."""
    rows: list[tuple[str, list[int]]] = []
    lines: list[int] = []
    for number, text in enumerate(block.text.split(b"\n"), block.first_line):
        if not text.strip():
            continue
        try:
            rows.append(rule.parse(_decode(path, text, number)))
        except FieldError as error:
            raise InputError(str(error), path=path, line=number) from None
        lines.append(number)
    return from_rows(rows, lines, rule)
