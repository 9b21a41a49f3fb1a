"""Writes tables of results part by part: text, gzipped or not, Parquet, or stdout."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ..checkpoint import write_atomically
from ..errors import InputError
from .table_writer import check_table_path

if TYPE_CHECKING:
    import polars as pl

Numbers: TypeAlias = npt.NDArray[np.float64]
Column: TypeAlias = list[str] | Numbers | list[Numbers]
Columns: TypeAlias = Mapping[str, Column]

DECIMALS = 8
"""Digits behind the point in text. In Parquet all digits are kept."""

_PART_BYTES = 1 << 25


class ResultWriter(ABC):
    """Takes the parts of a table one after the other."""

    @abstractmethod
    def write(self, columns: Columns) -> None:
        """Adds some rows.

        Args:
            columns: The values by the name of the column: texts, numbers, or rows of
                numbers. Each part has the same columns, and at least one row.
        """


@contextmanager
def open_results(
    path: str | Path | None, *, scientific: bool = False
) -> Iterator[ResultWriter]:
    """Opens a table that is written part by part.

    A file appears when all of it has been written; if anything fails it is as it was.

    Args:
        path: A file whose name ends in .tsv or .csv (either with .gz), or .parquet;
            None or ``-`` for the standard output, as tab-separated text.
        scientific: Whether text has numbers such as ``1.5e-3``, to keep small ones.

    Raises:
        InputError: The file cannot be written.
    """
    if path is None or str(path) == "-":
        yield _TextWriter(cast("IO[bytes]", sys.stdout.buffer), "\t", scientific)
        sys.stdout.buffer.flush()
        return
    path = Path(path)
    is_device = path.exists() and not path.is_file()
    if not is_device or path.is_dir():
        check_table_path(path)
    try:
        with _replaced_at_the_end(path) as temporary, ExitStack() as stack:
            yield _writer(path.name, temporary, stack, scientific)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(f"cannot be written ({error.strerror})", path=path) from None


@contextmanager
def _replaced_at_the_end(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of another one, or a device itself."""
    if path.exists() and not path.is_file():
        yield path
        return
    # Of the name of the target, so that what is left behind by a kill explains itself.
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary = folder / path.name
        yield temporary
        _move(temporary, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    def link(temporary: Path) -> None:
        source.replace(temporary)

    # It sets the permissions that new files have here.
    write_atomically(target, cast("Callable[[Path], None]", link))


def _writer(
    name: str, target: Path, stack: ExitStack, scientific: bool
) -> ResultWriter:
    if name.endswith(".parquet"):
        return stack.enter_context(_parquet_writer(target))
    separator = "," if name.removesuffix(".gz").endswith(".csv") else "\t"
    file: IO[bytes] = stack.enter_context(target.open("wb"))
    if name.endswith(".gz"):
        # Without name and time, so that equal tables are equal files.
        zipped: Any = gzip.GzipFile("", "wb", 4, file, mtime=0)
        file = stack.enter_context(zipped)
    return _TextWriter(file, separator, scientific)


class _TextWriter(ResultWriter):
    """Text with a header line."""

    def __init__(self, file: IO[bytes], separator: str, scientific: bool) -> None:
        self._file = file
        self._separator = separator
        self._number = f"%.{DECIMALS}e" if scientific else f"%.{DECIMALS}f"
        self._inner = ";" if separator == "," else ","
        self._is_first = True

    def write(self, columns: Columns) -> None:
        if self._is_first:
            header = self._separator.join(map(self._quoted, columns))
            self._file.write(header.encode() + b"\n")
            self._is_first = False
        fields = [self._fields(values) for values in columns.values()]
        formats = [
            self._number if isinstance(values, np.ndarray) else "%s"
            for values in columns.values()
        ]
        row = self._separator.join(formats) + "\n"
        text = "".join([row % values for values in zip(*fields, strict=True)])
        self._file.write(text.encode())

    def _fields(self, values: Column) -> list[Any]:
        if isinstance(values, np.ndarray):
            return list(values.tolist())
        if values and isinstance(values[0], np.ndarray):
            return [
                self._inner.join([self._number % number for number in row.tolist()])
                for row in values
            ]
        return [self._quoted(text) for text in cast("list[str]", values)]

    def _quoted(self, text: str) -> str:
        if self._separator == "," and any(letter in text for letter in ',"\n'):
            return '"' + text.replace('"', '""') + '"'
        return text


@contextmanager
def _parquet_writer(target: Path) -> Iterator[ResultWriter]:
    import polars as pl

    if target.exists() and not target.is_file():
        raise InputError("a Parquet table needs a file of its own", path=target)
    folder = target.with_name("parts")
    folder.mkdir()
    writer = _ParquetWriter(folder)
    yield writer
    writer.flush()
    if len(writer.parts) == 1:
        writer.parts[0].replace(target)
    else:
        pl.scan_parquet(writer.parts).sink_parquet(target)


class _ParquetWriter(ResultWriter):
    """Files of bounded size, which are joined at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames: list[pl.DataFrame] = []
        self._size = 0
        self.parts: list[Path] = []

    def write(self, columns: Columns) -> None:
        import polars as pl

        frame = pl.DataFrame([_series(*each) for each in columns.items()])
        self._frames.append(frame)
        self._size += int(frame.estimated_size())
        if self._size > _PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes the rows that are held."""
        import polars as pl

        if not self._frames:
            return
        path = self._folder / f"{len(self.parts):06}.parquet"
        pl.concat(self._frames).write_parquet(path)
        self.parts.append(path)
        self._frames, self._size = [], 0


def _series(name: str, values: Column) -> pl.Series:
    import polars as pl

    if isinstance(values, np.ndarray):
        return pl.Series(name, np.ascontiguousarray(values))
    if values and isinstance(values[0], np.ndarray):
        # Rows of equal length would become a type of their own.
        rows = [row.tolist() for row in values]
        return pl.Series(name, rows, pl.List(pl.Float64))
    return pl.Series(name, values, pl.String)
