"""A model and its tables as one."""

import pytest
import torch

import pyprobound as pp
from optim.small_fits import ALPHABET, SmallFit, table
from pyprobound import layers, rounds
from pyprobound.optim.assembly import Assembly, BestState


def extend(mode, left=0, right=0):
    kwargs = {"left_shift": left, "right_shift": right}
    return pp.Call(mode, "update_read_length", kwargs)


def flanks(*tables):
    return [(t.left_flank_length, t.right_flank_length) for t in tables]


class TwoExperiments:
    """Two experiments; optionally one mode serves both."""

    def __init__(self, shared=False):
        options = {"left_flank": "TTTT", "right_flank": "CCCC"}
        self.tables = [table(**options), table(n_rows=60, **options)]
        self.psam = layers.PSAM(kernel_size=3, alphabet=ALPHABET, name="motif")
        self.modes = [pp.Mode.from_psam(self.psam, t) for t in self.tables]
        if shared:
            self.modes[1] = self.modes[0]
        self.loss = pp.MultiExperimentLoss(
            [
                pp.Experiment(
                    rounds.repeat_round([mode], 2, rounds.BoundUnsaturatedRound)
                )
                for mode in self.modes
            ]
        )
        self.assembly = Assembly(self.loss, self.tables)


@pytest.mark.parametrize(
    ("train", "validation"), [(0, None), (2, None), (1, 0), (1, 2)]
)
def test_each_transform_needs_its_own_table(train, validation):
    fit = SmallFit()
    val_tables = None if validation is None else [fit.table] * validation
    with pytest.raises(ValueError, match="The model has 1 transforms, but there are"):
        Assembly(fit.loss, [fit.table] * train, val_tables)


def test_contributions_and_modes_are_listed_once():
    fit = TwoExperiments(shared=True)
    assert fit.assembly.modes_of(0) == fit.assembly.modes_of(1) == [fit.modes[0]]
    assert len(fit.assembly.contributions()) == 2


def test_a_flank_change_concerns_all_modes_and_all_tables_of_the_transform():
    fit = SmallFit(val_table=table(seed=5, left_flank="A" * 4, left_flank_length=1))
    fit.val_table.max_right_flank_length = 4
    assembly = Assembly(fit.loss, [fit.table], [fit.val_table])
    assembly.update_read_length([extend(fit.mode, 1, 2)])
    assert flanks(fit.table, fit.val_table) == [(2, 2), (2, 2)]
    assert fit.nonspecific.input_shape == fit.mode.input_shape == 12
    assembly.check_length_consistency()


def test_a_flank_change_leaves_other_transforms():
    fit = TwoExperiments()
    fit.assembly.update_read_length([extend(fit.modes[0], 1)])
    assert flanks(*fit.tables) == [(1, 0), (0, 0)]


def test_a_mode_of_two_transforms_is_changed_once_and_both_tables_follow():
    fit = TwoExperiments(shared=True)
    fit.assembly.update_read_length([extend(fit.modes[0], 1)])
    assert flanks(*fit.tables) == [(1, 0), (1, 0)]
    assert fit.modes[0].input_shape == 9


def test_an_absent_shift_is_a_shift_of_zero():
    fit = SmallFit()
    calls = [
        pp.Call(fit.mode, "update_read_length", {"left_shift": 1}),
        extend(fit.nonspecific, 1, 0),
    ]
    Assembly(fit.loss, [fit.table]).update_read_length(calls)
    assert flanks(fit.table) == [(2, 0)]


def test_calls_for_one_table_must_agree():
    fit = SmallFit()
    calls = [extend(fit.mode, 1), extend(fit.nonspecific, 2)]
    with pytest.raises(RuntimeError, match="different changes"):
        Assembly(fit.loss, [fit.table]).update_read_length(calls)
    assert flanks(fit.table) == [(1, 0)]


def test_only_modes_of_the_model_have_read_lengths():
    fit, other = SmallFit(), SmallFit()
    assembly = Assembly(fit.loss, [fit.table])
    with pytest.raises(RuntimeError, match="not of PSAM"):
        assembly.update_read_length([extend(fit.psam)])
    with pytest.raises(RuntimeError, match="not a mode of the model"):
        assembly.update_read_length([extend(other.mode)])


def test_a_refused_flank_change_leaves_everything_as_it_was():
    fit = TwoExperiments()
    fit.tables[1].set_flank_length(4, 0)
    fit.modes[1].update_read_length(left_shift=4)
    with pytest.raises(ValueError, match="flank"):
        fit.assembly.update_read_length([extend(mode, 1) for mode in fit.modes])
    assert flanks(*fit.tables) == [(0, 0), (4, 0)]
    assert [mode.input_shape for mode in fit.modes] == [8, 12]


# --- consistency -----------------------------------------------------------------


def mode_for(rows, low, high):
    psam = layers.PSAM(kernel_size=2, alphabet=ALPHABET)
    layer = layers.Conv1d(psam, rows.input_shape, low, high)
    mode = pp.Mode([layer])
    rounds_ = rounds.repeat_round([mode], 2, rounds.BoundUnsaturatedRound)
    return pp.MultiExperimentLoss([pp.Experiment(rounds_)])


@pytest.mark.parametrize("low", [3, 8])
def test_d50_a_mode_may_know_more_lengths_than_the_table_has(low):
    rows = table(max_variable_length=9)
    Assembly(mode_for(rows, low, 9), [rows]).check_length_consistency()


def test_d50_a_mode_that_does_not_include_the_shortest_read_is_refused():
    rows = table(min_variable_length=5, max_variable_length=9)
    assembly = Assembly(mode_for(rows, 6, 9), [rows])
    with pytest.raises(RuntimeError, match="min_input_length of 6, but the shortest"):
        assembly.check_length_consistency()


def test_d50_a_mode_that_does_not_include_the_longest_read_is_refused():
    rows = table(max_variable_length=9)
    assembly = Assembly(mode_for(rows, 5, 8), [rows])
    with pytest.raises(RuntimeError, match="max_input_length of 8, but the longest"):
        assembly.check_length_consistency()


def test_a_mode_of_another_shape_is_refused():
    rows = table()
    assembly = Assembly(mode_for(table(length=7), 7, 7), [rows])
    with pytest.raises(RuntimeError, match="input_shape of 7, but the table"):
        assembly.check_length_consistency()


def test_training_and_validation_tables_must_have_one_shape():
    rows = table()
    assembly = Assembly(mode_for(rows, 8, 8), [rows], [table(length=7)])
    with pytest.raises(RuntimeError, match=r"differ in input_shape: \[7, 8\]"):
        assembly.check_length_consistency()


# --- state -----------------------------------------------------------------------


def test_flank_lengths_of_another_number_of_tables_are_refused():
    fit = SmallFit()
    with pytest.raises(ValueError, match="belongs to another fit"):
        Assembly(fit.loss, [fit.table]).set_flank_lengths([(0, 0), (0, 0)])


def test_a_snapshot_brings_back_structure_values_and_flanks():
    fit = SmallFit().activate()
    assembly = Assembly(fit.loss, [fit.table])
    before, snapshot = fit.total(), assembly.snapshot()
    fit.psam.update_footprint(1, 1)
    assembly.update_read_length([extend(fit.mode, 1, 1)])
    with torch.no_grad():
        for parameter in fit.loss.parameters():
            parameter.add_(0.1)
    assert fit.total() != before
    assembly.restore(snapshot)
    assert fit.total() == before
    assert flanks(fit.table) == [(1, 0)]


def test_a_state_in_memory_writes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit = SmallFit()
    best = BestState(Assembly(fit.loss, [fit.table]))
    best.keep()
    best.restore()
    assert list(tmp_path.iterdir()) == []


def test_a_state_without_file_is_secured_before_it_changes(tmp_path):
    fit = SmallFit().activate()
    before = fit.total()
    best = BestState(Assembly(fit.loss, [fit.table]), tmp_path / "absent.pt")
    best.ensure()
    fit.psam.update_footprint(1, 0)
    best.restore()
    assert fit.total() == before
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_the_caller_is_the_state_to_return_to(tmp_path):
    fit = SmallFit().activate()
    assembly = Assembly(fit.loss, [fit.table])
    before = fit.total()
    assembly.save(tmp_path / "start.pt")
    fit.psam.update_footprint(1, 0)
    best = BestState(assembly, tmp_path / "start.pt")
    best.ensure()
    best.restore()
    assert fit.total() == before


def test_a_component_saved_alone_leaves_the_flanks(tmp_path):
    fit = SmallFit()
    fit.loss.save(tmp_path / "loss.pt")
    Assembly(fit.loss, [fit.table]).reload(tmp_path / "loss.pt")
    assert flanks(fit.table) == [(1, 0)]
