"""The optimizer of the reference interface."""

import io
import math
import sys

import pytest
import torch

import pyprobound as pp
from optim.small_fits import SmallFit, table
from pyprobound.loss import Loss


def test_d49_the_arguments_of_the_caller_stay_as_they_are(tmp_path):
    arguments = {"lr": 0.5}
    optimizer = SmallFit().optimizer(tmp_path, optim_args=arguments)
    optimizer.train_simultaneous()
    assert arguments == {"lr": 0.5}
    options = torch._tensor_str.PRINT_OPTS
    before = vars(options).copy()
    optimizer.get_parameter_string()
    assert vars(torch._tensor_str.PRINT_OPTS) == before


def test_d54_a_stream_as_output_is_not_closed(tmp_path):
    stream = io.StringIO()
    optimizer = SmallFit().activate().optimizer(tmp_path, output=stream)
    optimizer.print("a", "b", sep="-", end="!")
    optimizer.train_simultaneous()
    assert stream.getvalue().startswith("a-b!")
    assert "Loss decreased" in stream.getvalue()


def test_d54_the_default_output_is_the_present_standard_output(tmp_path, monkeypatch):
    optimizer = SmallFit().optimizer(tmp_path, output=None)
    for text in ("first", "second"):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        optimizer.print(text)
        assert stream.getvalue() == text + "\n"


def test_a_file_that_is_not_empty_gives_a_warning(tmp_path):
    SmallFit().optimizer(tmp_path)
    (tmp_path / "log.txt").touch()
    SmallFit().optimizer(tmp_path)
    (tmp_path / "log.txt").write_text("text")
    with pytest.warns(UserWarning, match=r"Output file .*log\.txt is not empty"):
        SmallFit().optimizer(tmp_path)
    (tmp_path / "best.pt").write_text("text")
    with pytest.warns(UserWarning) as warned:  # noqa: PT030 - both are looked at
        SmallFit().optimizer(tmp_path)
    assert len(warned) == 2
    assert all(warning.filename == str(_small_fits_file()) for warning in warned)


def _small_fits_file():
    return sys.modules[SmallFit.__module__].__file__


def test_a_mode_for_other_lengths_is_refused(tmp_path):
    fit = SmallFit()
    fit.table.set_flank_length(0, 0)
    with pytest.raises(RuntimeError, match="input_shape"):
        fit.optimizer(tmp_path)


def test_the_device_is_the_best_one_by_default(tmp_path, monkeypatch):
    assert SmallFit().optimizer(tmp_path, device="cpu").device.type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert SmallFit().optimizer(tmp_path, device=None).device.type == "cpu"


def test_settings_are_shown(tmp_path):
    val_table = table(
        seed=9, left_flank="TTTT", right_flank="CCCC", left_flank_length=1
    )
    fit = SmallFit(val_table=val_table)
    optimizer = fit.optimizer(tmp_path, patience=7, optim_args={"lr": 0.5})
    text = optimizer.get_setup_string()
    for part in (
        "LBFGS",
        "{'lr': 0.5}",
        "Patience: 7",
        "Epochs: 30",
        "whole tables",
        f"Training table 0: {len(fit.table)} rows",
        f"Validation table 0: {len(val_table)} rows",
        "Left flank length: 1",
    ):
        assert part in text
    assert fit.loss.get_setup_string() in text


def test_parameters_are_shown(tmp_path):
    text = SmallFit().optimizer(tmp_path).get_parameter_string()
    assert "betas (monomer)" in text


def test_the_listing_of_steps_changes_nothing(tmp_path):
    fit = SmallFit().activate()
    optimizer = fit.optimizer(tmp_path)
    before = fit.total()
    everything = optimizer.get_train_sequential()
    assert "NonSpecific-ns" in everything
    assert "PSAM-motif" in everything
    only = optimizer.get_train_sequential([[fit.mode.key()]])
    assert "NonSpecific-ns" not in only
    assert fit.total() == before
    assert not (tmp_path / "log.txt").exists()


def test_sequential_training_lowers_the_loss_and_leaves_two_files(tmp_path):
    fit = SmallFit("GAC")
    optimizer = fit.optimizer(tmp_path)
    torch.manual_seed(0)
    best = optimizer.train_sequential()
    assert isinstance(best, torch.Tensor)
    assert best.dtype == torch.float64
    assert fit.total() == pytest.approx(float(best), abs=1e-12)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "log.txt"]
    letters = fit.psam.get_filter(0)[0].argmax(0)
    assert letters.tolist() == [2, 0, 1]
    log = (tmp_path / "log.txt").read_text()
    assert log.count("### Group") == 2
    assert "activity_heuristic" in log
    assert "unfreeze(parameter='all')" in log


def test_simultaneous_training_leaves_absent_bindings_absent(tmp_path):
    fit = SmallFit("GAC")
    contributions = fit.contributions()
    contributions[0].set_contribution(0)
    optimizer = fit.optimizer(tmp_path)
    best = optimizer.train_simultaneous()
    assert math.isfinite(best)
    assert fit.total() == pytest.approx(float(best), abs=1e-12)
    assert float(contributions[1].log_activity.detach()) == -math.inf


def test_mini_batches(tmp_path):
    fit = SmallFit("GAC")
    optimizer = fit.optimizer(
        tmp_path,
        batch_size=50,
        sampler=pp.EvenSampler,
        sampler_args={"n_bin": 10},
        optimizer=torch.optim.Adam,
        optim_args={"lr": 0.05},
        epochs=5,
    )
    torch.manual_seed(0)
    assert math.isfinite(optimizer.train_sequential())


def test_training_until_convergence_uses_the_given_file(tmp_path):
    fit = SmallFit("GAC")
    optimizer = fit.activate().optimizer(tmp_path)
    other = tmp_path / "other.pt"
    best = optimizer.train_until_convergence(other, torch.tensor(math.inf))
    assert other.exists()
    assert not (tmp_path / "best.pt").exists()
    assert float(best) == pytest.approx(fit.total(), abs=1e-12)


def test_no_file_is_written_while_nothing_improves(tmp_path):
    optimizer = SmallFit("GAC").activate().optimizer(tmp_path)
    best = optimizer.train_until_convergence(best_loss=-1.0)
    assert float(best) == -1.0
    assert not (tmp_path / "best.pt").exists()


def test_one_epoch_can_be_evaluated(tmp_path):
    fit = SmallFit("GAC").activate()
    optimizer = fit.optimizer(tmp_path)
    loss = optimizer.run_one_epoch(False, [(fit.table,)])
    assert isinstance(loss, Loss)
    assert float(loss.negloglik + loss.regularization) == pytest.approx(fit.total())
    assert optimizer.n_evaluations == 1
    with pytest.raises(RuntimeError, match="no torch optimizer"):
        optimizer.run_one_epoch(True, [(fit.table,)])


def test_saving_and_reloading_includes_the_flanks_of_all_tables(tmp_path):
    val_table = table(
        seed=9, left_flank="TTTT", right_flank="CCCC", left_flank_length=1
    )
    fit = SmallFit("GAC", val_table=val_table).activate()
    optimizer = fit.optimizer(tmp_path)
    before = fit.total()
    optimizer.save(tmp_path / "small.pt")
    kwargs = {"left_shift": 1, "right_shift": 2}
    optimizer.update_read_length([pp.Call(fit.mode, "update_read_length", kwargs)])
    optimizer.check_length_consistency()
    optimizer.save(tmp_path / "best.pt")
    metadata = optimizer.reload(tmp_path / "small.pt")
    assert metadata["flank_lengths"] == ((1, 0),)
    assert (val_table.left_flank_length, val_table.right_flank_length) == (1, 0)
    assert fit.total() == before
    assert optimizer.reload()["flank_lengths"] == ((2, 2),)
    assert (val_table.left_flank_length, val_table.right_flank_length) == (2, 2)
    optimizer.check_length_consistency()
