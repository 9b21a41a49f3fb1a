"""A history of a fit that programs can read: one record a line, as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .records import Record


class JsonLinesHistory:
    """Appends each record to a file as one line of JSON.

    The file is complete after every record, also if the process is killed. A
    resumed fit appends a ``Resumed`` record; what the interrupted fit wrote after
    that point is then repeated.

    Args:
        path: The file; it is created if necessary.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __call__(self, record: Record) -> None:
        """Appends a record."""
        line = json.dumps(record.to_dict(), allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
