"""Sequential training with all greedy steps on a measured experiment."""

import io
import itertools
import math

import pytest
import torch

import pyprobound
from pyprobound import datasets, layers, rounds
from pyprobound.alphabets import DNA
from pyprobound.optim import records

N_ROWS = 1000


@pytest.fixture
def table(data_dir):
    experiment = datasets.describe("ctcf")
    frame = pyprobound.get_dataframe(datasets.fetch("ctcf"))
    return pyprobound.CountTable(
        frame.sample(N_ROWS, random_state=0),
        DNA(),
        left_flank=experiment.left_flank,
        right_flank=experiment.right_flank,
        max_left_flank_length=3,
        max_right_flank_length=3,
    )


def make_loss(table):
    torch.manual_seed(0)
    nonspecific = layers.NonSpecific(DNA(), name="nonspecific")
    psam = layers.PSAM(
        7,
        DNA(),
        pairwise_distance=1,
        shift_footprint=True,
        increment_flank=True,
        increment_footprint=True,
        max_kernel_size=11,
        name="CTCF",
    )
    modes = [
        pyprobound.Mode.from_nonspecific(nonspecific, table),
        pyprobound.Mode.from_psam(psam, table, train_posbias=True),
    ]
    library = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding(modes, library)
    experiment = pyprobound.Experiment([library, bound])
    return pyprobound.MultiExperimentLoss([experiment], lambda_l2=1e-5), psam


def name_of(call):
    """A call without its arguments: those of flanks may be limited."""
    return str(call).split("(")[0]


def steps_taken(history):
    """Place, greediness, calls and decision of every step, in order."""
    taken = []
    for record in history:
        match record:
            case records.StepStarted():
                taken.append([(record.group, record.step), record.greedy, [], None])
            case records.CallMade():
                taken[-1][2].append(record.call.split("(")[0])
            case records.GreedyDecided():
                taken[-1][3] = record.decision
    return taken


@pytest.mark.slow
def test_greedy_training_of_ctcf_follows_its_procedure(table, tmp_path):
    loss, psam = make_loss(table)
    expected = [
        ((group, step), planned.greedy, [name_of(call) for call in planned.calls])
        for group, optim in enumerate(loss.optim_procedure().values())
        for step, planned in enumerate(optim.steps)
    ]
    assert sum(greedy for _, greedy, _ in expected) >= 3
    history = []
    optimizer = pyprobound.Optimizer(
        loss,
        [table],
        epochs=5,
        checkpoint=tmp_path / "model.pt",
        output=io.StringIO(),
        device="cpu",
        on_record=history.append,
    )
    reached = float(optimizer.train_sequential())

    # Each step was taken, in order, and greedy ones until a move was not accepted.
    taken = steps_taken(history)
    assert list(dict.fromkeys(place for place, *_ in taken)) == [
        place for place, *_ in expected
    ]
    planned = {place: (greedy, calls) for place, greedy, calls in expected}
    for index, (place, greedy, calls, decision) in enumerate(taken):
        assert greedy == planned[place][0]
        if decision == "stopped":
            assert calls == planned[place][1][: len(calls)]
        else:
            assert calls == planned[place][1]
        is_last = index + 1 == len(taken) or taken[index + 1][0] != place
        assert (decision == "accepted") == (greedy and not is_last)

    # No step ends at a worse loss than the one before it. A group begins anew, as its
    # first step adds a binding, but it ends below the group before it.
    ends = []
    for record, following in itertools.pairwise(history):
        match record:
            case records.GroupStarted():
                ends.append(math.inf)
            case records.TrainingDone() if isinstance(following, records.GreedyDecided):
                pass  # a trial
            case records.TrainingDone() | records.GreedyDecided():
                assert record.best_loss <= ends[-1]
                ends[-1] = record.best_loss
    assert len(ends) == 2
    assert ends[0] > ends[1] == reached
    with torch.inference_mode():
        final = loss([table])
    assert float(final.negloglik + final.regularization) == pytest.approx(
        reached, abs=1e-6
    )
    accepted = [place for place, _, _, decision in taken if decision == "accepted"]
    assert accepted, "no greedy move was accepted: the test says nothing about them"
    assert 7 <= psam.kernel_size <= 11
    assert table.left_flank_length <= 3
    layer = loss.transforms[0].rounds[1].aggregate.contributions[1].binding.layers[0]
    assert layer.input_shape == table.input_shape
    assert layer.log_posbias.shape[-1] == table.input_shape - psam.kernel_size + 1
