"""Reads tables of sequences and counts: .tsv, .csv, either gzipped, and .parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..alphabets import Alphabet
from ..errors import InputError
from .blocks import BLOCK_BYTES, Block, read_blocks
from .fields import (
    MAX_COUNT,
    FieldError,
    RowRule,
    SequenceRule,
    describe_separator,
    is_number,
    split_fields,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

SUFFIXES = (".tsv", ".tsv.gz", ".txt", ".txt.gz", ".csv", ".csv.gz", ".parquet")
MAX_ROWS = 1 << 31
_SEQUENCE = "sequence"
# First fields that announce a header line, whatever the fields behind them are.
_HEADER_WORDS = frozenset(
    {"", "#", "id", "index", "kmer", "name", "oligo", "peptide", "probe", "read"}
    | {"reads", "seq", "seqs", "sequence", "sequences", "#seq", "#sequence"}
)


@dataclass(frozen=True, eq=False)
class TableData:
    """A count table as it was read.

    Attributes:
        path: The file.
        dataframe: Sequences as index, one column of counts (int64) per round. Columns
            are named as in the header line, else 0, 1, ...
        header: Whether a header line (or the format) named the columns.
        sha256: The SHA-256 of the file.
        n_duplicates: The number of rows that were added to an earlier one with the
            same sequence.
        shortest: The number of letters of the shortest sequence.
        shortest_line: The line (row, in a Parquet file) of the first one as short.
    """

    path: Path
    dataframe: pd.DataFrame
    header: bool
    sha256: str
    n_duplicates: int
    shortest: int
    shortest_line: int


@dataclass
class _Part:
    """Parsed rows of one block."""

    frame: pl.DataFrame
    lines: Sequence[int]
    named: bool


def read_table(
    path: str | Path,
    alphabet: Alphabet,
    *,
    header: bool | None = None,
    columns: Sequence[int | str] | None = None,
    transliterate: Mapping[str, str] | None = None,
    degenerate: bool = False,
    block_bytes: int = BLOCK_BYTES,
) -> TableData:
    """Reads a count table.

    The first column holds sequences, each further one the reads of one round. Text
    files have one row per line; blank lines are skipped. Rows with equal sequences
    are summed. Lower case is folded where the alphabet has no lower-case letters;
    U and T are never exchanged.

    Args:
        path: The file; its suffix tells the format.
        alphabet: The letters of the sequences.
        header: Whether the first line names the columns; by default it is looked at.
        columns: The count columns to keep, by name or by number from 0; all by
            default.
        transliterate: Texts to replace in the sequences, in this order.
        degenerate: Whether codes for several but not all letters are accepted.
        block_bytes: How much text is read at once.

    Raises:
        InputError: The file cannot be read or a row is malformed; the message names
            the line and what was expected.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError("expected a regular file, not a folder or a pipe", path=path)
    rule = SequenceRule(alphabet, transliterate or {}, degenerate)
    kind = _kind(path)
    if kind == "parquet":
        parts = [_read_parquet(path, rule)]
    else:
        parts = list(_read_text(path, rule, kind, header, block_bytes))
    if not parts or not sum(len(part.frame) for part in parts):
        raise InputError("the table has no rows", path=path)
    shortest, line = min(
        (_shortest(part, alphabet) for part in parts if len(part.frame)),
        key=lambda found: found[0],
    )
    frame = _select(_join([part.frame for part in parts]), columns, path)
    merged, n_duplicates = _merge_duplicates(frame)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return TableData(
        path,
        _to_pandas(merged),
        parts[0].named,
        sha256,
        n_duplicates,
        shortest,
        line,
    )


def drop_column(table: TableData, place: int) -> TableData:
    """A table without one of its count columns; it is not changed itself.

    Args:
        table: The table.
        place: The number of the column, from 0.
    """
    frame = table.dataframe
    return replace(table, dataframe=frame.drop(columns=frame.columns[place]))


def _kind(path: Path) -> str:
    suffixes = path.suffixes[-2:] if path.suffix == ".gz" else path.suffixes[-1:]
    if suffixes and suffixes[0] in (".csv",):
        return ","
    if suffixes and suffixes[0] in (".tsv", ".txt"):
        return "\t"
    if suffixes == [".parquet"]:
        return "parquet"
    raise InputError(
        f"the name of a count table must end with one of {', '.join(SUFFIXES)}",
        path=path,
    )


# --- text ------------------------------------------------------------------------


def _read_text(
    path: Path,
    sequences: SequenceRule,
    separator: str,
    header: bool | None,
    block_bytes: int,
) -> Iterator[_Part]:
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


def _parse_in_bulk(block: Block, rule: RowRule) -> _Part | None:
    """Parses well-formed rows; returns None if there is anything else."""
    import polars as pl

    schema = {_SEQUENCE: pl.String} | {
        str(place): pl.Int64 for place in range(len(rule.names))
    }
    if not block.text:
        return _Part(_rename(pl.DataFrame(schema=schema), rule), range(0), rule.named)
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
    return _check_in_bulk(frame, rule, range(block.first_line, 1 << 62))


def _check_in_bulk(
    frame: pl.DataFrame, rule: RowRule, lines: Sequence[int]
) -> _Part | None:
    import polars as pl

    if frame.height == 0 or any(frame.null_count().row(0)):
        return None
    counts = pl.exclude(_SEQUENCE)
    if not frame.select(
        pl.all_horizontal(counts.is_between(0, MAX_COUNT).all())
    ).item():
        return None
    text = pl.col(_SEQUENCE)
    if rule.sequences.folds_case:
        text = text.str.to_uppercase()
    for pattern, replacement in rule.sequences.replacements:
        text = text.str.replace_all(pattern, replacement, literal=True)
    frame = frame.with_columns(text)
    accepted = pl.col(_SEQUENCE).str.contains(rule.sequences.pattern).all()
    if not frame.select(accepted).item():
        return None
    return _Part(_rename(frame, rule), lines, rule.named)


def _rename(frame: pl.DataFrame, rule: RowRule) -> pl.DataFrame:
    # The sequence column is known by its place: a header may use its name again.
    frame.columns = ["", *(f"={name}" for name in rule.names)]
    return frame


def _parse_lines(path: Path, block: Block, rule: RowRule) -> _Part:
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
    return _from_rows(rows, lines, rule)


def _from_rows(
    rows: Sequence[tuple[str, list[int]]], lines: Sequence[int], rule: RowRule
) -> _Part:
    import polars as pl

    columns: dict[str, Any] = {
        _SEQUENCE: pl.Series([sequence for sequence, _ in rows], dtype=pl.String)
    }
    for place in range(len(rule.names)):
        values = [counts[place] for _, counts in rows]
        columns[str(place)] = pl.Series(values, dtype=pl.Int64)
    return _Part(_rename(pl.DataFrame(columns), rule), lines, rule.named)


# --- Parquet ---------------------------------------------------------------------


def _read_parquet(path: Path, sequences: SequenceRule) -> _Part:
    import polars as pl

    try:
        n_rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        if n_rows > MAX_ROWS:
            raise InputError(
                f"the table has {n_rows:,} rows, more than {MAX_ROWS:,}", path=path
            )
        frame = pl.read_parquet(path)
    except FileNotFoundError:
        raise InputError("there is no such file", path=path) from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"is no readable Parquet file ({reason})", path=path) from None
    texts = [
        name
        for name, kind in frame.schema.items()
        if kind in (pl.String, pl.Categorical)
    ]
    if len(texts) == 1:
        # An index that pandas stored stands behind the other columns.
        frame = frame.select(texts[0], pl.exclude(texts[0]))
    if frame.width < 2 or frame.dtypes[0] not in (pl.String, pl.Categorical):
        found = ", ".join(f"{name}: {kind}" for name, kind in frame.schema.items())
        raise InputError(
            "expected a first column of text, the sequences, and at least one column"
            f" of counts, but found {found}",
            path=path,
        )
    rule = RowRule(sequences, "\t", tuple(frame.columns[1:]), True, "the table")
    frame.columns = [_SEQUENCE, *(str(place) for place in range(frame.width - 1))]
    if all(kind.is_integer() for kind in frame.dtypes[1:]):
        plain = frame.cast({_SEQUENCE: pl.String, pl.selectors.integer(): pl.Int64})
        part = _check_in_bulk(plain, rule, range(1, 1 << 62))
        if part is not None:
            return part
    return _parse_rows(path, frame, rule)


def _parse_rows(path: Path, frame: pl.DataFrame, rule: RowRule) -> _Part:
    rows = []
    for number, row in enumerate(frame.iter_rows(), start=1):
        fields = ["" if value is None else str(value) for value in row]
        try:
            rows.append(rule.parse_fields(fields))
        except FieldError as error:
            raise InputError(str(error), path=path, line=number, unit="row") from None
    return _from_rows(rows, range(1, len(rows) + 1), rule)


# --- the whole table -------------------------------------------------------------


def _shortest(part: _Part, alphabet: Alphabet) -> tuple[int, int]:
    lengths = part.frame[""].str.len_chars()
    place = lengths.arg_min()
    assert place is not None  # noqa: S101 - the part is not empty
    return lengths[place] // alphabet.monomer_length, part.lines[place]


def _join(frames: list[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    return pl.concat(frames, rechunk=False)


def _select(
    frame: pl.DataFrame, columns: Sequence[int | str] | None, path: Path
) -> pl.DataFrame:
    if columns is None:
        return frame
    names = [name.removeprefix("=") for name in frame.columns[1:]]
    chosen = []
    for column in columns:
        if isinstance(column, str) and column in names:
            chosen.append(f"={column}")
        elif isinstance(column, int) and 0 <= column < len(names):
            chosen.append(f"={names[column]}")
        else:
            raise InputError(
                f"there is no count column {column!r}; the table has"
                f" {', '.join(f'{i}: {name!r}' for i, name in enumerate(names))}",
                path=path,
                key="columns",
            )
    if len(set(chosen)) < len(chosen):
        raise InputError("a column is chosen twice", path=path, key="columns")
    return frame.select("", *chosen)


def _merge_duplicates(frame: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    import polars as pl

    n_duplicates = frame.height - frame[""].n_unique()
    if not n_duplicates:
        return frame, 0
    merged = frame.group_by("", maintain_order=True).agg(pl.all().sum())
    return merged, n_duplicates


def _to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    import pandas as pd

    sequences, *columns = frame.get_columns()
    names: list[Any] = [column.name.removeprefix("=") for column in columns]
    if names == [str(place) for place in range(len(names))]:
        names = list(range(len(names)))
    data = {
        name: column.to_numpy() for name, column in zip(names, columns, strict=True)
    }
    return pd.DataFrame(data, index=pd.Index(sequences.to_list(), dtype="str"))
