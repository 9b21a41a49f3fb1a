"""Tests of the benchmarks of single evaluations."""

import pytest


def test_every_workload_is_measured_with_its_reference(run, load):
    names = list(load("evaluate").WORKLOADS)
    records = run("evaluate", "--quick", "--repeats", "2")
    assert [record["workload"] for record in records] == names
    for record in records:
        assert record["benchmark"] == "evaluate"
        assert record["rows"] == 400
        assert record["repeats"] == 2
        assert 0 < record["milliseconds"] <= record["median_milliseconds"]
        assert record["reference_milliseconds"] > 0
        assert record["ratio"] > 0
        assert record["peak_extra_bytes"] >= 0


def test_workloads_are_chosen_by_name_and_listed(run, capsys):
    (record,) = run("evaluate", "protein", "--quick", "--repeats", "1")
    assert record["length"] == 12
    (record,) = run("evaluate", "protein", "--list")
    assert set(record) == {"benchmark", "workload", "description"}
    with pytest.raises(SystemExit):
        run("evaluate", "nonsense")
    assert "no workload named nonsense" in capsys.readouterr().err


def test_the_reference_is_left_out_on_demand(run):
    (record,) = run("evaluate", "protein", "--quick", "--no-reference")
    assert not any(key.startswith("reference") for key in record)


def test_a_part_of_the_rows_is_scaled_for_the_reference(run, load, monkeypatch):
    monkeypatch.setattr(load("evaluate"), "MOST_REFERENCE_ROWS", 100)
    (record,) = run("evaluate", "many-rows", "--quick", "--repeats", "1")
    assert record["reference_scaled"]
    assert record["reference_rows"] == 100


def test_workloads_have_the_models_that_they_are_named_after(load):
    evaluate, models = load("evaluate"), load("_models")
    counts = {}
    for name, workload in evaluate.WORKLOADS.items():
        loss, batch = workload.make(True)
        models.randomise(loss)
        counts[name] = sum(p.numel() for p in loss.parameters() if p.requires_grad)
        assert batch.seqs.shape[1] == (12 if name == "protein" else 30)
    # 64 energies, two activities and a depth.
    assert counts["ctcf"] == counts["many-rows"] == 64 + 3
    assert counts["ctcf-pairs-1"] == counts["ctcf"] + 15 * 16
    assert counts["ctcf-pairs-3"] == counts["ctcf"] + (15 + 14 + 13) * 16
    assert counts["ctcf-position-bias"] == counts["ctcf"] + 2 * 15
    # 48 energies, two activities of each of 4 rounds, 5 depths.
    assert counts["bcd"] == 48 + 8 + 5
    # Two motifs, 2 strands of 45 offsets, 4 activities and a depth.
    assert counts["cooperativity"] == 2 * 32 + 90 + 5
    assert counts["protein"] == 160 + 3


def test_a_table_that_is_not_there_is_skipped(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PYPROBOUND_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (record,) = run("evaluate", "ctcf")
    assert "ctcf/ctcf_r3.tsv.gz is not on this machine" in record["skipped"]


def test_scaling_compares_times_per_row(run):
    (record,) = run("scaling", "--quick", "--rows", "100", "300", "200")
    assert record["rows"] == [100, 200, 300]
    assert record["greatest_deviation"] > 0
    for rows, time, per_row in zip(
        record["rows"],
        record["milliseconds"],
        record["nanoseconds_per_row"],
        strict=True,
    ):
        assert per_row == pytest.approx(1e6 * time / rows, rel=1e-2)


def test_fixed_costs_are_found(load):
    scaling = load("scaling")
    rows = [10, 100, 1000]
    fixed, per_row = scaling.straight_line(rows, [2 + 0.5 * n for n in rows])
    assert (fixed, per_row) == pytest.approx((2, 0.5))
    assert scaling.greatest_deviation([1.0, 2.0, 3.0]) == pytest.approx(0.5)


def test_the_innermost_kernel_is_measured(run):
    (record,) = run("row_scores", "--quick", "--pairs", "1", "--repeats", "2")
    assert record["score_milliseconds"] > 0
    assert record["reference_evaluate_milliseconds"] > 0
    assert record["ratio"] > 0
