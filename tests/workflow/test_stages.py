"""The stages of a fit under the names of ProBound."""

from __future__ import annotations

import random

import pytest

from pyprobound.config import validate
from pyprobound.workflow import run_fit

PAIR = {"modes": ["motif", "motif"], "max_overlap": 0}


@pytest.fixture
def values(tmp_path, monkeypatch):
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *_: None)
    draw = random.Random(1)
    rows = {"".join(draw.choices("ACGT", k=8)) for _ in range(60)}
    lines = (f"{row}\t4\t{9 if 'GAT' in row else 1}\n" for row in sorted(rows))
    (tmp_path / "a.tsv").write_text("".join(lines))
    rounds = [
        {"type": "InitialRound"},
        {"type": "BoundUnsaturatedRound", "reference_round": "0"},
    ]
    return {
        "tables": {"a": {"path": str(tmp_path / "a.tsv")}},
        "psams": {"motif": {"kernel_size": 3, "shift_footprint_heuristic": True}},
        "modes": {
            "ns": {"type": "nonspecific", "ignore_length": True},
            "motif": {"type": "psam", "psam": "motif"},
        },
        "experiments": {"a": {"table": "a", "rounds": rounds}},
        "training": {"order": [["ns"], ["motif"]]},
        "device": "cpu",
        "threads": 1,
        "optimizer": {"epochs": 4},
    }


def stages(values, tmp_path):
    return run_fit(validate(values), tmp_path / "out", jobs=1).summary["stages"]


def test_stages_of_a_motif_and_a_cooperativity(values, tmp_path):
    values["cooperativities"] = {"pair": PAIR}
    values["training"]["order"].append(["pair"])
    found = stages(values, tmp_path)
    names = [stage["fitName"] for stage in found]
    variations = [name for name in names if "variation" in name]
    assert variations
    assert variations[0] == "component1-2-variation1"
    assert [name for name in names if name not in variations] == [
        "component0-0-h",
        "component0-4-all",
        "component1-0-h",
        "component1-1-f0",
        "component1-4-all",
        "component2-0-h",
        "component2-1-f0",
        "component2-4-all",
    ]
    # A search ends with a change that is not kept.
    assert not next(s for s in found if s["fitName"] == variations[-1])["kept"]


def test_pairs_and_position_bias_are_freezing_levels(values, tmp_path):
    values["psams"]["motif"] = {"kernel_size": 3, "pairwise_distance": 1}
    values["modes"]["motif"]["train_posbias"] = True
    names = [stage["fitName"] for stage in stages(values, tmp_path)]
    assert names[2:] == [
        "component1-0-h",
        "component1-1-f2",
        "component1-3-f1",
        "component1-3-f0",
        "component1-4-all",
    ]


def test_the_last_stage_has_the_loss_of_the_fit(values, tmp_path):
    result = run_fit(validate(values), tmp_path / "out", jobs=1)
    last = result.summary["stages"][-1]
    total = result.summary["nll_per_read"] + result.summary["regularization"]
    assert last["loss"] == pytest.approx(total, rel=1e-6)
    assert last["loss"] == pytest.approx(last["nll_per_read"] + last["regularization"])
    n_evaluations = sum(stage["n_evaluations"] for stage in result.summary["stages"])
    assert n_evaluations <= result.summary["n_evaluations"]


def test_the_stages_are_those_of_the_start_that_is_kept(values, tmp_path):
    values["starts"] = 2
    result = run_fit(validate(values), tmp_path / "out", jobs=1)
    kept = next(start for start in result.summary["starts"] if start["kept"])
    assert result.summary["stages"][-1]["loss"] == pytest.approx(kept["loss"])


def test_what_is_trained_at_once_has_no_stages(values, tmp_path):
    values["training"] = {"mode": "simultaneous"}
    assert stages(values, tmp_path) == []


def test_losses_that_are_infinite_are_left_out(values, tmp_path):
    # Nothing binds in the only round until its motif is trained.
    values["modes"] = {"ns": values["modes"]["ns"], "motif": values["modes"]["motif"]}
    rounds = values["experiments"]["a"]["rounds"]
    values["tables"]["b"] = dict(values["tables"]["a"])
    values["experiments"]["b"] = {
        "table": "b",
        "rounds": [rounds[0], {**rounds[1], "binding": ["motif"]}],
    }
    found = stages(values, tmp_path)
    assert found[0]["loss"] is None
    assert found[-1]["loss"] > 0
