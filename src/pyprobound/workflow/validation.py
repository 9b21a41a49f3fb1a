"""Compares a model with measured affinities."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..alphabets import Alphabet, UnknownLetterError
from ..checkpoint import write_atomically
from ..errors import InputError
from ..fitting import Fit, LogFit
from ..fitting.curves import (
    LINEAR_SCALE,
    Curve,
    CurveKind,
    fit_curve,
)
from ..fitting.measures import Measure
from ..io.measurements import Columns, Measurements, read_measurements
from ..plotting.style import FloatArray
from ..table import CountTable
from .open_model import open_model
from .opened import OpenedModel
from .validation_model import ChosenModel, choose_model
from .validation_result import Validation, ValidationOptions, errors_of

__all__ = ["Validation", "ValidationOptions", "run_validation", "validate_model"]

TABLE_NAME = "validation.tsv"
SUMMARY_NAME = "validation.json"
FIGURE_NAME = "validation.png"
FILE_NAMES = (TABLE_NAME, SUMMARY_NAME, FIGURE_NAME)

_DEFAULT_CURVES: dict[str, CurveKind] = {"intensity": "signal"}
_DPI = 200
_ROWS_AT_ONCE = 1 << 16


def validate_model(
    opened: OpenedModel, measurements: Measurements, options: ValidationOptions
) -> Validation:
    """Compares a model with measurements.

    Every sequence is scored over all of its windows on all strands, whatever its
    length, without position biases. The curve is fitted by least squares, weighted by
    the inverse squares of the errors if there are any; the model stays as it is.

    Args:
        opened: The model.
        measurements: The measurements.
        options: How they are compared.

    Raises:
        InputError: A value has no log, a sequence is too short, there are too few
            values, or the model has no such part.
    """
    measure = options.measure
    curve_kind = options.curve or _DEFAULT_CURVES.get(measure.kind, "offset")
    is_linear = curve_kind in LINEAR_SCALE
    if is_linear and measure.kind != "intensity":
        raise InputError(
            f"the curve {curve_kind!r} is for intensities; log affinities take"
            " 'offset', 'linear' or 'background'",
            key="--curve",
        )
    chosen = choose_model(opened, options.selection)
    observed = _observed(measurements, measure, is_linear)
    table = _make_table(chosen, measurements, options)
    fit = _make_fit(chosen, table, options, is_linear)
    log_z = _log_affinities(fit, table)
    _check_finite(log_z, measurements)
    errors = errors_of(measurements, measure, is_linear)
    try:
        curve = fit_curve(
            curve_kind, log_z, observed, None if errors is None else errors**-2
        )
    except ValueError as error:
        raise InputError(str(error), path=measurements.path) from None
    fit.prediction = _prediction(curve, measure, is_linear)
    return Validation(
        measurements, options, chosen, log_z, curve, observed, curve(log_z), fit
    )


def run_validation(
    model: str | Path,
    table: str | Path,
    output: str | Path,
    options: ValidationOptions,
    *,
    columns: Columns | None = None,
    header: bool | None = None,
    transliterate: dict[str, str] | None = None,
    index: int | None = None,
    name: str | None = None,
    force: bool = False,
) -> Validation:
    """Compares a model file with a table, and writes what comes out into a folder.

    Args:
        model: The model, see ``open_model``.
        table: The measurements, see ``read_measurements``.
        output: The folder for the figure, the table and the summary.
        options: How they are compared.
        columns: Which columns of the table are read.
        header: Whether its first line names the columns.
        transliterate: Texts to replace in the sequences.
        index: Which model of a file with several.
        name: The same, by name.
        force: Whether to replace the results of an earlier comparison.

    Raises:
        InputError: The input is wrong, or the folder cannot be written to.
    """
    folder = Path(output)
    _check_folder(folder, force)
    opened = open_model(model, index=index, name=name)
    measurements = read_measurements(
        table, opened.alphabet, columns, header=header, transliterate=transliterate
    )
    result = validate_model(opened, measurements, options)
    text = result.table().to_csv(sep="\t", index=False, lineterminator="\n")
    summary = json.dumps(result.summary(), indent=2, allow_nan=False) + "\n"
    figure = result.plot()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_text(folder / TABLE_NAME, text)
        write_atomically(
            folder / FIGURE_NAME,
            lambda path: figure.savefig(path, format="png", dpi=_DPI),
        )
        # Last, so that it stands for a finished comparison.
        _write_text(folder / SUMMARY_NAME, summary)
    except OSError as error:
        raise InputError(
            f"cannot be written to ({error.strerror})", path=folder
        ) from None
    return result


def _check_folder(folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder", path=folder, key="--output")
    existing = [name for name in FILE_NAMES if (folder / name).exists()]
    if existing and not force:
        raise InputError(
            f"holds {existing[0]} already; replace it with --force", path=folder
        )


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: _put(temporary, text))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


# --- steps ------------------------------------------------------------------------


def _observed(
    measurements: Measurements, measure: Measure, is_linear: bool
) -> FloatArray:
    """What is compared: log affinities in RT, or intensities."""
    if is_linear:
        return measurements.values
    found = measure.log_affinity(measurements.values)
    wrong = np.isnan(found)
    if wrong.any():
        row = int(wrong.argmax())
        hint = (
            "; compare them on a linear scale, with --curve signal or saturation"
            if measure.kind == "intensity"
            else ", because it is compared by its log; if it is a log or an energy"
            " already, give another --kind"
        )
        raise InputError(
            f"the {measure.kind} is {measurements.values[row]:g}, but must be positive"
            + hint,
            path=measurements.path,
            line=measurements.lines[row],
        )
    return found


def _make_table(
    chosen: ChosenModel,
    measurements: Measurements,
    options: ValidationOptions,
) -> CountTable:
    alphabet = chosen.opened.alphabet
    left = _flank(options.left_flank, alphabet, "--left-flank")
    right = _flank(options.right_flank, alphabet, "--right-flank")
    sequences = [left + sequence + right for sequence in measurements.sequences]
    for line, sequence in zip(measurements.lines, sequences, strict=True):
        length = len(sequence) // alphabet.monomer_length
        if length < chosen.shortest:
            raise InputError(
                f"the sequence has {length} letters, but the motif covers"
                f" {chosen.shortest}; give the flanks of the sequences, or leave out"
                " the row",
                path=measurements.path,
                line=line,
            )
    columns: dict[str, FloatArray] = {"value": measurements.values}
    if measurements.errors is not None:
        columns["error"] = measurements.errors
    frame = pd.DataFrame(columns, index=pd.Index(sequences, dtype="str"))
    with warnings.catch_warnings():
        # Zero is a value like any other.
        warnings.filterwarnings("ignore", message=".*no positive count")
        return CountTable(frame, alphabet)


def _flank(text: str, alphabet: Alphabet, option: str) -> str:
    try:
        alphabet.translate(text)
    except (UnknownLetterError, ValueError) as error:
        raise InputError(str(error), key=option) from None
    return text


def _make_fit(
    chosen: ChosenModel,
    table: CountTable,
    options: ValidationOptions,
    is_linear: bool,
) -> Fit | LogFit:
    """The model as it is drawn; the curve comes later."""
    is_log = not options.measure.is_log and not is_linear
    try:
        return (LogFit if is_log else Fit)(
            chosen.aggregate(table),
            table,
            torch.clone,
            update_construct=chosen.is_adapted,
            max_split=_ROWS_AT_ONCE,
            device="cpu",
            name=options.title,
        )
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"the model cannot score these sequences: {error}",
            path=chosen.opened.path,
        ) from None


@torch.inference_mode()
def _log_affinities(fit: Fit | LogFit, table: CountTable) -> FloatArray:
    parts = [
        fit.log_aggregate(table.seqs[start : start + _ROWS_AT_ONCE]).double()
        for start in range(0, len(table), _ROWS_AT_ONCE)
    ]
    found: FloatArray = torch.cat(parts).numpy()
    return found


def _check_finite(log_z: FloatArray, measurements: Measurements) -> None:
    wrong = ~np.isfinite(log_z)
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"the predicted log affinity is {log_z[row]:g}; the model does not bind"
            " this sequence at all, so that it cannot be compared",
            path=measurements.path,
            line=measurements.lines[row],
        )


def _prediction(
    curve: Curve, measure: Measure, is_linear: bool
) -> Callable[[torch.Tensor], torch.Tensor]:
    """From log Z to what is drawn: values of the table, or their logs."""

    def predict(log_z: torch.Tensor) -> torch.Tensor:
        found = curve(log_z.double().numpy())
        return torch.from_numpy(found if is_linear else found / measure.factor)

    return predict
