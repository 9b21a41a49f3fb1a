"""What people read."""

import math

import pytest
import torch

import pyprobound as pp
from optim.small_fits import SmallFit
from pyprobound.optim import records
from pyprobound.optim.procedure import grouped, key_text
from pyprobound.optim.text import (
    describe,
    parameter_values,
    parameters_text,
    procedure_text,
)

EPOCH = records.EpochDone(
    epoch=3,
    seconds=0.25,
    negloglik=1.25,
    regularization=0.5,
    validation_negloglik=None,
    distance=2.0,
    patience_left=7,
    improved=False,
    best_loss=1.0,
    evaluations=44,
)


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        (records.SetupShown("all settings"), ["all settings"]),
        (records.Resumed(1, 2, 3, 0.5, 99), ["group 1", "step 2", "3 accepted", "99"]),
        (records.GroupStarted(1, 2, "PSAM-x", 3), ["Group 1: PSAM-x"]),
        (records.StepStarted(0, 4, 5, False, 0), ["Step 4"]),
        (records.StepStarted(0, 4, 5, True, 2), ["Step 4 (greedy), round 2"]),
        (records.CallMade("PSAM-x.freeze()"), ["PSAM-x.freeze()"]),
        (records.TrainingSkipped("nothing"), ["nothing"]),
        (EPOCH, ["3", "0.250 s", "1.2500000000", "0.5000000000", "Patience 7"]),
        (records.TrainingRestarted(0.5), ["not a number", "0.5000000000"]),
        (records.TrainingDone("patience", 0.5, True, 9), ["patience", "0.5000000000"]),
        (records.GreedyDecided("accepted", "why", 0.5, 0.5, 9), ["accepted: why"]),
        (records.FitDone(0.5, 9, 1.0), ["0.5000000000", "9 evaluations", "1.0 s"]),
        (
            records.ParametersShown((records.ParameterValues("a.b", True, -math.inf),)),
            ["a.b", "trainable", "-inf"],
        ),
    ],
)
def test_every_record_is_described(record, parts):
    text = describe(record)
    for part in parts:
        assert part in text


def test_an_epoch_tells_of_validation_and_of_improvement():
    plain = describe(EPOCH)
    assert "Validation" not in plain
    assert "decreased" not in plain
    better = records.EpochDone(
        **{**vars(EPOCH), "validation_negloglik": 0.125, "improved": True}
    )
    assert "Validation NLL 0.1250000000" in describe(better)
    assert "Loss decreased" in describe(better)


def test_other_records_are_not_described():
    assert describe(records.Record()) == ""


def test_the_values_of_a_motif_are_on_one_line_for_letters_and_one_for_pairs():
    fit = SmallFit("ACG", pairwise_distance=2)
    fit.loss.freeze()
    fit.psam.unfreeze("monomer")
    values = {each.name: each for each in parameter_values(fit.loss)}
    monomer, pairwise = (values[n] for n in values if "betas" in n)
    assert monomer.name.endswith("betas (monomer)")
    assert pairwise.name.endswith("betas (pairwise)")
    assert (monomer.trainable, pairwise.trainable) == (True, False)
    assert torch.tensor(monomer.values).shape == (3, 1, 4)
    assert torch.tensor(pairwise.values).shape == (3, 1, 4, 4)
    filters = fit.psam.get_filter(0)[0].detach()
    assert torch.tensor(monomer.values)[:, 0].T.allclose(filters)


def test_tensors_of_several_shapes_are_shown_as_one_list():
    model = torch.nn.Module()
    model.log_posbias = torch.nn.ParameterList(
        [torch.zeros(1, 1, 2), torch.ones(1, 1, 3)]
    )
    (values,) = parameter_values(model)
    assert values.name == "log_posbias"
    assert values.values == [0, 0, 1, 1, 1]


def test_each_parameter_has_one_line():
    fit = SmallFit("ACG")
    fit.nonspecific.freeze()
    values = parameter_values(fit.loss)
    lines = parameters_text(values).splitlines()
    assert len(lines) == len(values)
    for line, value in zip(lines, values, strict=True):
        assert value.name in line
        assert ("trainable" in line) == value.trainable
    assert parameters_text(()) == ""


def test_the_listing_names_groups_steps_and_calls():
    fit = SmallFit("AC", increment_footprint=True)
    text = procedure_text(grouped(fit.loss.optim_procedure()))
    assert "### Group 0: NonSpecific-ns" in text
    assert "### Group 1: PSAM-motif" in text
    assert "(greedy)\n\tPSAM-motif.update_footprint(left_shift=1" in text


def test_d55_arguments_without_a_name_show_the_name_of_the_argument():
    fit = SmallFit("AC")
    text = procedure_text(grouped(fit.loss.optim_procedure()))
    assert ".activity_heuristic(contribution=Contribution" in text


def test_a_key_is_described_by_its_specs():
    fit = SmallFit("AC")
    assert key_text(fit.mode.key()) == "PSAM-motif"
    assert key_text((pp.layers.NonSpecific(fit.table.alphabet),)) == "NonSpecific"


# --- groups ----------------------------------------------------------------------


def test_each_key_is_a_group_by_default():
    fit = SmallFit("AC")
    procedure = fit.loss.optim_procedure()
    groups = grouped(procedure)
    assert [group.steps for group in groups] == [o.steps for o in procedure.values()]


def test_keys_that_are_trained_together_share_their_first_step():
    fit = SmallFit("AC")
    procedure = fit.loss.optim_procedure()
    (group,) = grouped(procedure, [list(procedure)])
    assert group.key == "NonSpecific-ns + PSAM-motif"
    heuristics = [call for call in group.steps[0].calls if "heuristic" in call.fun]
    assert len(heuristics) == 2
    freezes = [
        call for step in group.steps for call in step.calls if call.fun == "freeze"
    ]
    assert len(freezes) == 1
    assert group.steps[-1].calls == [
        pp.Call(fit.loss, "unfreeze", {"parameter": "all"})
    ]


def test_keys_that_are_not_named_are_not_trained():
    fit = SmallFit("AC")
    (group,) = grouped(fit.loss.optim_procedure(), [[fit.mode.key()]])
    assert group.key == "PSAM-motif"


def test_an_unknown_key_is_refused():
    fit, other = SmallFit("AC"), SmallFit("AC")
    with pytest.raises(ValueError, match="those are: NonSpecific-ns; PSAM-motif"):
        grouped(fit.loss.optim_procedure(), [[other.mode.key()]])


def test_an_empty_group_is_refused():
    fit = SmallFit("AC")
    with pytest.raises(ValueError, match="empty"):
        grouped(fit.loss.optim_procedure(), [[]])
