"""Steps and greedy searches."""

import math

import pytest
import torch

import pyprobound as pp
from optim.small_fits import SmallFit
from pyprobound.optim import records
from pyprobound.optim.assembly import BestState


def footprint(psam, left, right, check=False):
    kwargs = {"left_shift": left, "right_shift": right, "check_threshold": check}
    return pp.Call(psam, "update_footprint", kwargs)


def flank(mode, left=1, right=1):
    kwargs = {"left_shift": left, "right_shift": right}
    return pp.Call(mode, "update_read_length", kwargs)


def growth(fit, **kwargs):
    return pp.Step([footprint(fit.psam, 1, 1, **kwargs), flank(fit.mode)], greedy=True)


def flanks(fit):
    return (fit.table.left_flank_length, fit.table.right_flank_length)


def windows(fit):
    return fit.mode.out_len(fit.mode.input_shape)


def of(seen, kind):
    return [record for record in seen if isinstance(record, kind)]


def inform(fit, *strengths):
    """Gives each position of the motif its own information."""
    with torch.no_grad():
        for betas, strength in zip(fit.psam.betas.values(), strengths, strict=True):
            betas.copy_(strength * torch.tensor([[1.0, 0, 0, 0]]))


def make(folder, fit, **options):
    seen = []
    fit.activate()
    optimizer = fit.optimizer(folder, on_record=seen.append, **options)
    return optimizer, seen


# --- one step --------------------------------------------------------------------


def test_flanks_change_after_all_other_calls(tmp_path):
    fit = SmallFit()
    optimizer, seen = make(tmp_path, fit)
    order = []
    fit.table.set_flank_length = lambda left, right: order.append((left, right))
    fit.mode.update_read_length = lambda **shifts: order.append("mode")
    fit.nonspecific.update_read_length = lambda **shifts: order.append("nonspecific")
    fit.psam.update_footprint = lambda **shifts: order.append("motif")
    step = pp.Step([flank(fit.mode), footprint(fit.psam, 1, 1)])
    optimizer.run_step(step)
    assert order == ["motif", (2, 1), "nonspecific", "mode"]
    assert [record.call for record in of(seen, records.CallMade)] == list(
        map(str, step.calls)
    )


@pytest.mark.parametrize(
    ("strengths", "grown", "expected"),
    [
        ((3, 3, 3, 3), 6, (2, 1)),
        ((3, 3, 0, 0), 5, (2, 0)),
        ((0, 0, 3, 3), 5, (1, 1)),
    ],
)
def test_d35_flanks_grow_only_where_the_threshold_lets_the_footprint_grow(
    tmp_path, strengths, grown, expected
):
    fit = SmallFit("ACGT", information_threshold=0.2)
    inform(fit, *strengths)
    optimizer, _ = make(tmp_path, fit)
    before = windows(fit)
    optimizer.run_step(growth(fit, check=True))
    assert fit.psam.kernel_size == grown
    assert flanks(fit) == expected
    assert windows(fit) == before


def test_d35_flanks_grow_where_no_footprint_was_to_change(tmp_path):
    fit = SmallFit("ACGT", information_threshold=0.2)
    inform(fit, 3, 3, 3, 3)
    optimizer, _ = make(tmp_path, fit)
    step = pp.Step([footprint(fit.psam, 0, 1, check=True), flank(fit.mode)])
    optimizer.run_step(step)
    assert flanks(fit) == (2, 1)


# --- greedy search ---------------------------------------------------------------


def test_a_search_repeats_accepted_moves_until_one_is_impossible(tmp_path):
    fit = SmallFit("AC", max_kernel_size=4)
    optimizer, seen = make(tmp_path, fit)
    best = optimizer.greedy_search(pp.Step([footprint(fit.psam, 1, 0)], greedy=True))
    decisions = of(seen, records.GreedyDecided)
    assert decisions[0].decision == "accepted"
    assert decisions[-1].decision in ("rejected", "stopped")
    assert float(best) == decisions[-1].best_loss
    assert fit.total() == pytest.approx(float(best), abs=1e-12)


def test_an_impossible_move_stops_the_search(tmp_path):
    fit = SmallFit("AC", max_kernel_size=2)
    optimizer, seen = make(tmp_path, fit)
    before = fit.total()
    best = optimizer.greedy_search(growth(fit), best_loss=1.5)
    (decision,) = of(seen, records.GreedyDecided)
    assert decision.decision == "stopped"
    assert "max_kernel_size of 2" in decision.reason
    assert decision.loss is None
    assert float(best) == 1.5
    assert fit.total() == before


def test_a_move_that_stops_halfway_is_undone(tmp_path):
    fit = SmallFit("AC")
    fit.table.set_flank_length(4, 4)
    for mode in (fit.mode, fit.nonspecific):
        mode.update_read_length(left_shift=3, right_shift=4)
    optimizer, seen = make(tmp_path, fit)
    before = fit.total()
    optimizer.greedy_search(growth(fit))
    assert [d.decision for d in of(seen, records.GreedyDecided)] == ["stopped"]
    assert fit.psam.kernel_size == 2
    assert fit.total() == before


def test_a_move_within_the_threshold_is_rejected(tmp_path):
    fit = SmallFit("AC")
    optimizer, seen = make(tmp_path, fit, greedy_threshold=5.0)
    before = fit.total()
    best = optimizer.greedy_search(growth(fit), best_loss=before)
    assert [d.decision for d in of(seen, records.GreedyDecided)] == ["rejected"]
    assert float(best) == before
    assert fit.total() == before
    assert fit.psam.kernel_size == 2
    assert flanks(fit) == (1, 0)


def test_other_errors_than_value_errors_propagate(tmp_path):
    fit = SmallFit("AC")
    optimizer, _ = make(tmp_path, fit)
    step = pp.Step([flank(fit.mode, 1), flank(fit.nonspecific, 2)], greedy=True)
    with pytest.raises(RuntimeError, match="different changes"):
        optimizer.greedy_search(step)


def test_d51_a_move_without_trainable_parameters_is_evaluated(tmp_path):
    fit = SmallFit("AC")
    fit.loss.freeze()
    optimizer, seen = make(tmp_path, fit)
    optimizer.greedy_search(pp.Step([flank(fit.mode)], greedy=True))
    decisions = of(seen, records.GreedyDecided)
    assert decisions[0].decision == "accepted"
    assert math.isfinite(decisions[0].loss)
    assert of(seen, records.EpochDone) == []


def test_d53_expected_contributions_survive_a_move_also_untrained_ones(tmp_path):
    fit = SmallFit("AC")
    optimizer, _ = make(tmp_path, fit)
    contributions = fit.contributions()
    untrained = contributions[0]
    untrained.train_activity = False
    with torch.no_grad():
        untrained.log_activity.fill_(-2.0)
        contributions[1].log_activity.fill_(-math.inf)
        fit.psam.bias.fill_(0.3)
    expected = [part.expected_log_contribution() for part in contributions]
    activity = float(untrained.log_activity.detach())
    fit.loss.freeze()
    search = optimizer._search
    search.greedy_threshold = -100.0  # every move is accepted
    moves = []

    def stop_after_one(accepted, loss):
        moves.append(accepted)
        if accepted == 1:
            raise KeyboardInterrupt

    best = BestState(optimizer._assembly)
    step = pp.Step([footprint(fit.psam, 1, 0), flank(fit.mode, 1, 0)], greedy=True)
    with pytest.raises(KeyboardInterrupt):
        search.greedy_search(step, math.inf, best, stop_after_one)
    assert moves == [0, 1]
    found = [part.expected_log_contribution() for part in contributions]
    assert found == pytest.approx(expected, abs=1e-5)
    assert float(untrained.log_activity.detach()) != pytest.approx(activity, abs=1e-3)
    assert float(contributions[1].log_activity.detach()) == -math.inf


# --- a whole fit -----------------------------------------------------------------


def test_a_fit_reports_its_groups_steps_and_decisions(tmp_path):
    fit = SmallFit("AC", increment_footprint=True, information_threshold=0.0)
    optimizer, seen = make(tmp_path, fit)
    best = optimizer.train_sequential()
    groups = of(seen, records.GroupStarted)
    assert [group.key for group in groups] == ["NonSpecific-ns", "PSAM-motif"]
    steps = [(s.group, s.step, s.greedy_round) for s in of(seen, records.StepStarted)]
    assert steps == sorted(set(steps))
    greedy = [step for step in of(seen, records.StepStarted) if step.greedy]
    assert len(greedy) == len(of(seen, records.GreedyDecided))
    (done,) = of(seen, records.FitDone)
    assert done.best_loss == float(best)
    assert done.evaluations == optimizer.n_evaluations > 0
    assert fit.total() == pytest.approx(float(best), abs=1e-12)


def test_a_step_after_which_nothing_is_trainable_is_not_trained(tmp_path):
    fit = SmallFit()
    optimizer, seen = make(tmp_path, fit)
    fit.loss.optim_procedure = lambda: {
        fit.mode.key(): pp.BindingOptim(
            set(), [pp.Step([pp.Call(fit.loss, "freeze", {})])]
        )
    }
    assert float(optimizer.train_sequential()) == math.inf
    assert len(of(seen, records.TrainingSkipped)) == 1
    assert of(seen, records.EpochDone) == []


@pytest.mark.parametrize("maintain", [True, False])
def test_a_step_that_raises_the_loss_is_kept_unless_the_loss_is_maintained(
    tmp_path, maintain
):
    fit = SmallFit("GAC")
    optimizer, seen = make(tmp_path, fit)
    worsen = pp.Step([pp.Call(fit.psam, "spoil", {})])

    def spoil():
        with torch.no_grad():
            for betas in fit.psam.betas.values():
                betas.fill_(0.0)
        fit.loss.freeze()
        fit.psam.bias.requires_grad_(True)

    fit.psam.spoil = spoil
    procedure = fit.loss.optim_procedure()
    procedure[fit.mode.key()].steps.append(worsen)
    fit.loss.optim_procedure = lambda: procedure
    best = float(optimizer.train_sequential(maintain_loss=maintain))
    last = of(seen, records.TrainingDone)[-1]
    assert last.improved is not maintain
    assert last.best_loss == best
    if maintain:
        assert best < fit.total()
    else:
        assert best == pytest.approx(fit.total(), abs=1e-12)
