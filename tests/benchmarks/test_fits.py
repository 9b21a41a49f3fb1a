"""Tests of the benchmarks of whole fits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

import pyprobound
from pyprobound import external
from pyprobound.alphabets import DNA

SCRIPTS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def few_rows(load, monkeypatch):
    """Lets quick runs take even fewer rows."""
    monkeypatch.setattr(load("_data"), "QUICK_ROWS", 150)


@pytest.mark.parametrize("script", ["fit_ctcf", "starts_ctcf"])
def test_it_says_why_it_is_skipped_and_stays_offline(script, tmp_path):
    environment = os.environ | {
        "PYPROBOUND_DATA_DIR": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        # A download would fail at once.
        "https_proxy": "http://localhost:1",
    }
    process = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{script}.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    record = json.loads(process.stdout)
    assert record["benchmark"] == script
    assert "PYPROBOUND_DATA_DIR" in record["skipped"]
    assert "--download" in record["skipped"]
    assert "seconds_per_fit" not in record


@pytest.mark.parametrize(
    ("script", "optimizer"), [("fit_ctcf", "FisherScoring"), ("fit_bcd", "LBFGS")]
)
def test_fits_are_timed_and_checked(run, few_rows, script, optimizer):
    options = ("--quick", "--seeds", "2", "--seed", "5", "--optimizer", optimizer)
    (record,) = run(script, *options, "--reference")
    assert record["optimizer"] == optimizer
    assert record["rows"] == 150
    assert [fit["seed"] for fit in record["fits"]] == [5, 6]
    losses = [fit["total_loss"] for fit in record["fits"]]
    assert record["total_loss"] == min(losses)
    total = record["nll_per_read"] + record["regularization"]
    assert record["total_loss"] == pytest.approx(total, abs=2e-7)
    for name, check in (
        ("greatest_gradient_norm", "gradient_norm"),
        ("greatest_restart_improvement", "restart_improvement"),
    ):
        assert record[name] == max(fit[check] for fit in record["fits"])
    assert 0 < record["share_outside_kernels"] < 1
    assert record["peak_extra_bytes"] > 0
    ratio = record["reference_seconds"] / record["fits"][0]["seconds"]
    assert record["ratio"] == pytest.approx(ratio, rel=0.1, abs=0.1)
    assert record["reference_evaluations"] > 0
    size = 16 if script == "fit_ctcf" else 12
    assert len(record["consensus"]) == size


def test_a_gradient_and_a_restart_tell_an_optimum_from_another_point(load):
    fits, models, data = load("_fits"), load("_models"), load("_data")
    table = pyprobound.CountTable(data.random_frame(300, 12), DNA())

    def make_model(table):
        return models.ctcf_model(table, size=2)

    settings = fits.Settings(make_model, "LBFGS", "auto")
    fitted = fits.fit(table, settings, seed=0)
    *optimum, norm = fits.exact_loss(fitted.loss, table)
    assert norm < 1e-4
    assert abs(fits.restart(fitted, table, settings)) < 1e-8
    with torch.no_grad():
        fitted.psam.betas["1"].add_(torch.tensor([0.0, 0.5, 0.0, 0.0]))
    *elsewhere, norm = fits.exact_loss(fitted.loss, table)
    assert norm > 1e-3
    gain = fits.restart(fitted, table, settings)
    assert gain == pytest.approx(sum(elsewhere) - sum(optimum), abs=1e-6)
    assert gain > 1e-5
    assert all(p.dtype == torch.float32 for p in fitted.loss.parameters())


def test_the_model_of_bcd_has_the_recorded_loss(load, data_dir):
    models, data = load("_models"), load("_data")
    recorded = load("fit_bcd").RECORDED_TOTAL_LOSS
    line = external.get_fit_final(data_dir / "bcd/bcd.models.json")
    assert line["metadata"]["logLikelihoodPerRead"] == recorded
    table = data.example_table("bcd", models.BCD_FLANK_LENGTH)
    loss, psam = models.bcd_model(table)
    modes = line["coefficients"]["bindingModes"]
    depths = line["coefficients"]["countTable"][0]["h"]
    energies = torch.tensor(modes[1]["mononucleotide"]).reshape(12, 1, 4)
    with torch.no_grad():
        for position, values in enumerate(energies, start=1):
            psam.betas[str(position)].copy_(values)
        for column, each in enumerate(loss.transforms[0].rounds):
            each.log_depth.fill_(depths[column])
            for mode, contribution in enumerate(
                each.aggregate.contributions if column else ()
            ):
                contribution.log_activity.fill_(modes[mode]["activity"][0][column])
        # It counts the activities of the column before selection, too, which are 0.
        value = float(sum(loss.double()([table])))
    assert value == pytest.approx(recorded, abs=1e-9)


def test_all_depths_of_bcd_are_trained(load):
    models, data = load("_models"), load("_data")
    loss, _ = models.bcd_model(data.example_table("bcd", 5, quick=True))
    models.randomise(loss)
    assert all(each.log_depth.requires_grad for each in loss.transforms[0].rounds)


def test_the_command_line_fits_from_several_starts(run):
    (record,) = run("starts_ctcf", "--quick", "--size", "4")
    assert len(record["nll_of_starts"]) == 2
    assert record["nll_per_read"] == pytest.approx(min(record["nll_of_starts"]))
    assert record["seconds"] > 0


def test_a_profile_gives_shares_of_the_time(run, few_rows):
    (record,) = run("profile_fit", "--quick", "--seeds", "1")
    shares = pd.Series(record["shares"])
    assert shares.sum() == pytest.approx(1, abs=1e-3)
    inside = shares[shares.index.str.startswith("kernels: ")].sum()
    assert record["share_outside_kernels"] == pytest.approx(1 - inside, abs=2e-3)
    assert inside > 0
    assert set(record["milliseconds"]) == set(record["shares"])


def test_the_search_of_the_structure_runs(run, few_rows):
    (record,) = run("greedy_ctcf", "--quick")
    assert record["n_evaluations"] > 0
    assert record["loss_rose"] is False


def test_first_calls_are_timed_with_an_empty_and_a_filled_cache(run):
    records = run("first_call", "--quick", "--kernels", "reference")
    assert [record["cache"] for record in records] == ["empty", "filled"]
    for record in records:
        assert 0 < record["torch_seconds"] < record["import_seconds"]
        assert 0 < record["first_call_seconds"] < record["process_seconds"]
        assert record["first_fit_seconds"] > 0
