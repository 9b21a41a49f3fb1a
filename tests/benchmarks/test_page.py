"""Tests of the page of results."""

import json

import pytest


@pytest.fixture
def records():
    """Results with round numbers, by script."""
    common = {"kernels": "auto", "threads": 2}
    start = {
        "seed": 3,
        "seconds": 1.25,
        "evaluations": 46,
        "nll_per_read": 0.6534687,
        "total_loss": 0.6535623,
        "gradient_norm": 4.5e-7,
        "restart_improvement": 0.0,
        "consensus": "GCCGCTAGGGGGCGCT",
    }
    contents = {
        "machine": {"processor": "Some Processor", "cores": 2, "memory_gib": None},
        "evaluate": {
            "description": "a model",
            "rows": 10_000_000,
            "parameters": 67,
            "milliseconds": 1234.5,
            "median_milliseconds": 1300.0,
            "reference_milliseconds": 30_000.0,
            "reference_rows": 400_000,
            "reference_scaled": True,
            "ratio": 24.3,
            "peak_extra_bytes": 3 * 2**20,
            "bytes_per_row": 31.5,
        },
        "scaling": {
            "rows": [100, 200],
            "milliseconds": [1.0, 2.0],
            "nanoseconds_per_row": [10_000.0, 10_000.0],
            "greatest_deviation": 0.125,
            "fixed_milliseconds": 0.5,
            "deviation_without_fixed": 0.03,
        },
        "fit_ctcf": {
            "optimizer": "FisherScoring",
            "seeds": 1,
            "seconds_per_fit": 1.25,
            "evaluations_per_fit": 46,
            "nll_per_read": 0.6534687,
            "total_loss": 0.6535623,
            "share_outside_kernels": 0.125,
            "peak_extra_bytes": 2**20,
            "greatest_gradient_norm": 4.5e-7,
            "greatest_restart_improvement": 0.0,
            "reference_seconds": 76.5,
            "reference_evaluations": 273,
            "ratio": 61.2,
            "fits": [start],
        },
        "fit_bcd": {"skipped": "the table is not on this machine"},
        "profile_fit": {
            "optimizer": "FisherScoring",
            "seeds": 4,
            "seconds_per_fit": 1.5,
            "share_outside_kernels": 0.25,
            "shares": {"kernels: scores": 0.75, "likelihood": 0.25},
            "milliseconds": {"kernels: scores": 1125.0, "likelihood": 375.0},
        },
    }
    return [
        {"script": name, "command": f"python benchmarks/{name}.py", **common, **each}
        for name, each in contents.items()
    ]


def test_all_results_are_on_the_page(load, records):
    text = load("_page").page(records)
    assert text.startswith("# Performance\n")
    assert "- processor: Some Processor" in text
    assert "None" not in text
    assert (
        "| a model | 10,000,000 | 67 | 1,234 | 1,300 | 30,000\\* | 24.3 | 3 | 31.5 |"
        in text
    )
    assert "first 400,000 rows and scaled" in text
    assert "at most 12 %. Without the 0.5 ms" in text
    assert "| 3 | 1.25 | 46 | 0.653469 | 0.653562 | 4.5e-07 | 0 | GCCGCTAG" in text
    assert "| `fit_ctcf` | 4.5e-07 | 0 | 76.5 | 273 | 61.2 |" in text
    assert "`fit_bcd` was skipped: the table is not on this machine." in text
    assert "| kernels: scores | 75.0 % | 1,125 |" in text
    for record in records[1:]:
        assert f"\n    {record['command']}\n" in text
    assert "of a trial" not in text
    # What was not run has no section.
    assert "## Reading a table" not in text
    assert "\n\n\n" not in text


def test_the_text_itself_has_no_measured_number(load):
    page = load("_page")
    prose = page.INTRODUCTION + page.TRIAL + page.HOW_TO_REPEAT + page.MEANING
    digits = [word for word in prose.split() if any(c.isdigit() for c in word)]
    assert not [word for word in digits if "float64" not in word and "ctcf" not in word]


def test_columns_of_which_nothing_is_known_are_left_out(load):
    page = load("_page")
    columns = [(name, lambda r, name=name: str(r[name])) for name in "abc"]
    assert page.table([{"a": 1}, {"a": 2, "c": 3}], columns).splitlines() == [
        "| a | c |",
        "|---|---:|",
        "| 1 |  |",
        "| 2 | 3 |",
    ]


def test_a_page_is_written_from_results_of_an_earlier_run(load, records, tmp_path):
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(record) + "\n" for record in records))
    target = tmp_path / "docs" / "page.md"
    runner = load("run_all")
    assert runner.main(["--from", str(results), "--page", str(target)]) == 0
    assert target.read_text() == load("_page").page(records)
