"""Scores a file of sequences into a table of results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io.result_writer import Column, open_results
from ..io.sequences import OnInvalid, SequenceBlock, SequenceReader
from .opened import OpenedModel
from .scoring import BlockScores, ModelScorer, ScoringOptions

OnProgress = Callable[[int, int | None, int], None]
"""Told the bytes that were read, of how many (if known), and the sequences scored."""


@dataclass(frozen=True)
class ScoringResult:
    """What scoring a file came to.

    Attributes:
        n_scored: The number of sequences that were scored.
        n_skipped: The number of sequences that were left out.
        remarks: What the user should know, in sentences.
    """

    n_scored: int
    n_skipped: int
    remarks: tuple[str, ...]


def score_file(
    model: OpenedModel,
    sequences: str | Path,
    output: str | Path | None,
    options: ScoringOptions,
    *,
    column: str | int | None = None,
    on_invalid: OnInvalid = "error",
    with_sequence: bool = False,
    on_progress: OnProgress | None = None,
) -> ScoringResult:
    """Scores the sequences of a file; memory does not grow with the file.

    Args:
        model: The model.
        sequences: FASTA, FASTQ, text or a table, gzipped or not; ``-`` for the
            standard input. See ``io.sequences.SequenceReader``.
        output: The table, see ``io.result_writer.open_results``. Its first column
            holds the names of the sequences or, where they have none, the sequences.
        options: What is computed.
        column: The column of a table that holds the sequences.
        on_invalid: What to do about sequences that cannot be scored.
        with_sequence: Whether to write the sequences besides their names.
        on_progress: Told what has been done, after each block.

    Raises:
        InputError: The sequences or the options are wrong, or the table cannot be
            written.
    """
    scorer = ModelScorer(model, options)
    reader = SequenceReader(
        sequences, model.alphabet, column=column, on_invalid=on_invalid
    )
    n_scored = 0
    with open_results(output) as writer:
        for block in reader:
            scores = scorer.score(block)
            writer.write(_columns(block, scores, with_sequence))
            n_scored += len(block)
            if on_progress is not None and reader.stream is not None:
                stream = reader.stream
                on_progress(stream.consumed, stream.size, n_scored)
        if not n_scored:
            first = reader.first_skipped
            raise InputError(
                f"none of its {reader.n_skipped:,} sequences can be scored; the first"
                f" problem is: {first.message if first else ''}",
                path=reader.path,
                line=first.line if first else None,
            )
    return ScoringResult(n_scored, reader.n_skipped, _remarks(scorer, reader))


def _columns(
    block: SequenceBlock, scores: BlockScores, with_sequence: bool
) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    if block.names is not None:
        columns["name"] = block.names
    if block.names is None or with_sequence:
        columns["sequence"] = block.texts()
    return {**columns, **scores.values, **scores.profiles}


def _remarks(scorer: ModelScorer, reader: SequenceReader) -> tuple[str, ...]:
    remarks = list(scorer.remarks)
    if reader.first_skipped is not None:
        remarks.append(
            f"{reader.n_skipped:,} sequences were left out; the first one:"
            f" {reader.first_skipped}"
        )
    if scorer.n_approximated:
        remarks.append(
            f"the mean affinity of {scorer.n_approximated:,} windows with many unknown"
            " letters is approximate: each pair of letters was averaged by itself"
        )
    return tuple(remarks)
