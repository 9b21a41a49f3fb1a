"""Writes the page of results from the JSON lines of the benchmarks.

The text here holds no number that was measured: all of them come from the records.
"""

from collections.abc import Callable, Sequence
from typing import Any

Record = dict[str, Any]
Column = tuple[str, Callable[[Record], str]]

_MIB = 2**20

INTRODUCTION = """\
# Performance

This page is written by `make bench`, which runs the scripts in `benchmarks/` and puts
down what they print. Do not edit it by hand: change `benchmarks/_page.py`."""

TRIAL = """\
**These results are of a trial with a few simulated rows (`--quick`): they say nothing of
the speed of anything.**"""

HOW_TO_REPEAT = """\
## How to repeat

    PYPROBOUND_DATA_DIR=<folder with ctcf/ctcf_r3.tsv.gz and bcd/bcd.tsv.gz> make bench

Without that folder, `python benchmarks/fit_ctcf.py --download` and the same with
`fit_bcd.py` fetch the tables into the cache of `pyprobound.datasets`, where all other
benchmarks find them. What needs a table that is not there is skipped. The results are
also left as JSON lines in `build/benchmarks.jsonl`, from which

    python benchmarks/run_all.py --from build/benchmarks.jsonl --page docs/performance.md

writes this page again without running anything. Every script can be run by itself (its
command stands with its results) and explains itself with `--help`. Nothing else should
run on the machine meanwhile: PyTorch and the kernels use all cores, and another process
on one of them slows both down."""

MEANING = """\
## What the numbers mean

- **Least and median.** Work is repeated. Anything else that runs on a machine only ever
  adds to a time, so the least one says most about the program; the median shows how
  quiet the machine was.
- **Reference.** The same model with the kernels' definition in plain PyTorch, which runs
  on every device and is what the kernels are tested against (`pyprobound.kernels.use(
  "reference")`). It is measured in the same run, so that a busy or slow machine affects
  both, and the ratio can be compared between machines. For fits it is trained by
  `torch.optim.LBFGS` with strong Wolfe conditions and otherwise default settings.
- **Evaluation.** The whole loss with its regularisation and the gradient with respect to
  all parameters: not the kernel alone.
- **Memory.** The most that is in use at once beyond what was in use before, in which the
  table is included. Code that was compiled before does not count, everything else does.
- **Optimum.** A fit that ends early is a fast fit. After each one the gradient of the
  loss per read is therefore evaluated in float64, and training is started again from the
  parameters found. The norm of the gradient, and what the second training gains, are the
  largest over all starts.
- **Starts.** From different random starts a fit may end at different optima, which
  mostly differ by the frame of the motif. The loss is that of the best one.
- **Outside the kernels.** The share of the time of a fit in which neither scores,
  gradients nor derivatives of rows are computed, by looking every millisecond."""


def page(records: Sequence[Record]) -> str:
    """The page of results.

    Args:
        records: What the benchmarks printed, each with the name of its script under
            "script" and the "command" that gave it; and one with the script
            "machine", which describes that.
    """
    by_script: dict[str, list[Record]] = {}
    for record in records:
        by_script.setdefault(record["script"], []).append(record)
    sections = [INTRODUCTION, _machine(by_script.get("machine", [])), HOW_TO_REPEAT]
    if any("--quick" in record.get("command", "") for record in records):
        sections.insert(1, TRIAL)
    for title, scripts, write in _SECTIONS:
        present = [each for name in scripts for each in by_script.get(name, [])]
        if present:
            sections.append(f"## {title}\n\n{_section(present, write)}")
    return "\n\n".join([*sections, MEANING]) + "\n"


def _section(records: list[Record], write: Callable[[list[Record]], str]) -> str:
    measured = [record for record in records if "skipped" not in record]
    parts = [write(measured)] if measured else []
    skipped = {
        record["script"]: record["skipped"] for record in records if "skipped" in record
    }
    parts += [f"`{name}` was skipped: {reason}." for name, reason in skipped.items()]
    commands = dict.fromkeys(record["command"] for record in records)
    parts.append("\n".join(f"    {command}" for command in commands))
    return "\n\n".join(parts)


def _machine(records: list[Record]) -> str:
    lines = ["## The machine", ""]
    names = {"memory_gib": "memory, GiB", "load_before": "load average before"}
    for record in records[-1:]:
        for key, value in record.items():
            if key not in ("script", "command") and value is not None:
                lines.append(f"- {names.get(key, key)}: {value}")
    return "\n".join(lines if records else [*lines, "Unknown."])


# --- tables ----------------------------------------------------------------------


def table(records: Sequence[Record], columns: Sequence[Column]) -> str:
    """A Markdown table; columns in which nothing is known are left out."""
    cells = [[_cell(record, value) for _, value in columns] for record in records]
    known = [any(row[i] for row in cells) for i in range(len(columns))]
    kept = [i for i, each in enumerate(known) if each]
    lines = [
        "| " + " | ".join(columns[i][0] for i in kept) + " |",
        "|" + "|".join("---" if i == kept[0] else "---:" for i in kept) + "|",
    ]
    lines += ["| " + " | ".join(row[i] for i in kept) + " |" for row in cells]
    return "\n".join(lines)


def _cell(record: Record, value: Callable[[Record], str]) -> str:
    try:
        return value(record)
    except KeyError:
        return ""


def short(value: float) -> str:
    """A number with three digits that count, thousands apart."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _number(key: str) -> Callable[[Record], str]:
    return lambda record: short(record[key])


def _text(key: str) -> Callable[[Record], str]:
    return lambda record: str(record[key])


def _loss(key: str) -> Callable[[Record], str]:
    return lambda record: f"{record[key]:.6f}"


def _percent(key: str) -> Callable[[Record], str]:
    return lambda record: f"{100 * record[key]:.1f} %"


def _mebibytes(key: str) -> Callable[[Record], str]:
    return lambda record: short(float(record[key] / _MIB))


# --- sections --------------------------------------------------------------------


def _evaluations(records: list[Record]) -> str:
    text = table(
        records,
        [
            ("Loss and gradient of", _text("description")),
            ("rows", _number("rows")),
            ("parameters", _number("parameters")),
            ("least, ms", _number("milliseconds")),
            ("median, ms", _number("median_milliseconds")),
            ("reference, ms", _reference_time),
            ("ratio", _number("ratio")),
            ("memory, MiB", _mebibytes("peak_extra_bytes")),
            ("bytes per row", _number("bytes_per_row")),
        ],
    )
    scaled = [record for record in records if record.get("reference_scaled")]
    if scaled:
        text += (
            "\n\n\\* The reference was measured on the first"
            f" {scaled[0]['reference_rows']:,} rows and scaled."
        )
    return text


def _reference_time(record: Record) -> str:
    mark = "\\*" if record.get("reference_scaled") else ""
    return short(record["reference_milliseconds"]) + mark


def _scaling(records: list[Record]) -> str:
    parts = []
    for record in records:
        keys = ("rows", "milliseconds", "nanoseconds_per_row")
        values = zip(*(record[key] for key in keys), strict=True)
        rows = [dict(zip(keys, each, strict=True)) for each in values]
        columns: list[Column] = [
            ("rows", _number("rows")),
            ("least, ms", _number("milliseconds")),
            ("per row, ns", _number("nanoseconds_per_row")),
        ]
        parts.append(table(rows, columns))
        parts.append(
            "The time per row differs from its median by at most"
            f" {100 * record['greatest_deviation']:.0f} %. Without the"
            f" {short(record['fixed_milliseconds'])} ms that do not depend on the rows"
            f" it is {100 * record['deviation_without_fixed']:.0f} %."
        )
    return "\n\n".join(parts)


def _fits(records: list[Record]) -> str:
    columns: list[Column] = [
        ("Fit", lambda record: f"`{record['script']}`"),
        ("optimizer", _text("optimizer")),
        ("starts", _number("seeds")),
        ("seconds per fit", _number("seconds_per_fit")),
        ("evaluations", _number("evaluations_per_fit")),
        ("NLL per read", _loss("nll_per_read")),
        ("total loss", _loss("total_loss")),
        ("outside the kernels", _percent("share_outside_kernels")),
        ("memory, MiB", _mebibytes("peak_extra_bytes")),
    ]
    checks: list[Column] = [
        ("Fit", lambda record: f"`{record['script']}`"),
        ("gradient norm at most", _number("greatest_gradient_norm")),
        ("restart gains at most", _number("greatest_restart_improvement")),
        ("reference, s", _number("reference_seconds")),
        ("its evaluations", _number("reference_evaluations")),
        ("its NLL per read", _loss("reference_nll_per_read")),
        ("ratio of times", _number("ratio")),
        ("recorded total loss", _loss("recorded_total_loss")),
        ("above it", _number("above_recorded")),
    ]
    parts = [table(records, columns), table(records, checks)]
    parts += [_each_start(record) for record in records]
    return "\n\n".join(parts)


def _each_start(record: Record) -> str:
    columns: list[Column] = [
        ("seed", _text("seed")),
        ("seconds", _number("seconds")),
        ("evaluations", _number("evaluations")),
        ("NLL per read", _loss("nll_per_read")),
        ("total loss", _loss("total_loss")),
        ("gradient norm", _number("gradient_norm")),
        ("restart gains", _number("restart_improvement")),
        ("motif", _text("consensus")),
    ]
    return f"The starts of `{record['script']}`:\n\n" + table(record["fits"], columns)


def _command_line(records: list[Record]) -> str:
    return table(
        records,
        [
            ("Starts", _number("starts")),
            ("seconds of the process", _number("seconds")),
            ("evaluations", _number("n_evaluations")),
            ("NLL per read of the best", _loss("nll_per_read")),
        ],
    )


def _greedy(records: list[Record]) -> str:
    return table(
        records,
        [
            ("Seconds", _number("seconds")),
            ("evaluations", _number("n_evaluations")),
            ("total loss", _loss("loss")),
            ("positions of the motif", _number("kernel_size")),
        ],
    )


def _profile(records: list[Record]) -> str:
    parts = []
    for record in records:
        kinds = [
            {"kind": kind, "share": share, "time": record["milliseconds"][kind]}
            for kind, share in record["shares"].items()
        ]
        columns: list[Column] = [
            ("Work", _text("kind")),
            ("share", _percent("share")),
            ("ms per fit", _number("time")),
        ]
        parts.append(
            f"One fit of CTCF takes {short(record['seconds_per_fit'])} s here"
            f" ({record['optimizer']}, mean of {record['seeds']} starts),"
            f" {100 * record['share_outside_kernels']:.1f} % of it outside the kernels:"
        )
        parts.append(table(kinds, columns))
    return "\n\n".join(parts)


def _first_calls(records: list[Record]) -> str:
    return table(
        records,
        [
            ("Cache of compiled code", _text("cache")),
            ("first evaluation, s", _number("first_call_seconds")),
            ("second, s", _number("second_call_seconds")),
            ("first steps of a fit, s", _number("first_fit_seconds")),
            ("import, s", _number("import_seconds")),
            ("of which PyTorch, s", _number("torch_seconds")),
            ("whole process, s", _number("process_seconds")),
        ],
    )


def _kernel(records: list[Record]) -> str:
    return table(
        records,
        [
            ("Rows", _number("rows")),
            ("positions", _number("size")),
            ("scores, ms", _number("score_milliseconds")),
            ("with gradient, ms", _number("evaluate_milliseconds")),
            ("reference, ms", _number("reference_evaluate_milliseconds")),
            ("ratio", _number("ratio")),
        ],
    )


def _loading(records: list[Record]) -> str:
    return table(
        records,
        [
            ("Table", _text("table")),
            ("rows", _number("rows")),
            ("reading the file, s", _number("read_seconds")),
            ("creating the table, s", _number("seconds")),
            ("memory, MiB", _mebibytes("peak_extra_bytes")),
        ],
    )


_SECTIONS: tuple[tuple[str, tuple[str, ...], Callable[[list[Record]], str]], ...] = (
    ("One evaluation", ("evaluate",), _evaluations),
    ("The number of rows", ("scaling",), _scaling),
    ("Whole fits", ("fit_ctcf", "fit_bcd"), _fits),
    ("Many starts by the command line", ("starts_ctcf",), _command_line),
    ("Searching the structure of the motif", ("greedy_ctcf",), _greedy),
    ("Where the time of a fit goes", ("profile_fit",), _profile),
    ("The first call of a process", ("first_call",), _first_calls),
    ("The innermost kernel", ("row_scores",), _kernel),
    ("Reading a table", ("load",), _loading),
)
