"""Modes: stacks of layers, and how changes of length pass through them."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import CountTable, Mode
from pyprobound.alphabets import DNA
from pyprobound.layers import PSAM, Conv0d, Conv1d, EmptyLayerSpec, ModeKey, NonSpecific

ALPHABET = DNA()
FLANKS = {"left_flank": "GATTACA", "right_flank": "CCGTAAT"}


def make_table(low=9, high=11, n=6, seed=0, **kwargs):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(low, high + 1, n)
    sizes[:2] = (low, high)
    reads = ["".join(generator.choice(list("ACGT"), size)) for size in sizes]
    frame = pd.DataFrame(generator.integers(1, 9, (n, 2)), index=reads)
    return CountTable(frame, ALPHABET, **FLANKS, **kwargs)


def stacked(table, bias_bin=1):
    first = Conv1d.from_psam(
        PSAM(kernel_size=3, alphabet=ALPHABET, out_channels=4, name="first"),
        table,
        train_posbias=True,
        bias_bin=bias_bin,
    )
    second = Conv1d.from_psam(
        PSAM(kernel_size=2, in_channels=4, out_channels=2, name="second"),
        first,
        train_posbias=True,
        one_hot=True,
    )
    return Mode([first, second])


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return module


@given(
    walk=st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4
    ),
    bias_bin=st.integers(1, 3),
)
@settings(deadline=None, max_examples=25)
def test_a_stack_follows_the_flanks_of_its_table(walk, bias_bin):
    table = make_table()
    mode = randomised(stacked(table, bias_bin))
    for left, right in walk:
        shifts = {
            "left_shift": left - table.left_flank_length,
            "right_shift": right - table.right_flank_length,
        }
        table.set_flank_length(left, right)
        mode.update_read_length(**shifts)
        mode.check_length_consistency()
        assert mode.input_shape == table.input_shape
        assert mode(table.seqs).isfinite().all()


def test_flanks_that_are_not_read_do_not_change_scores_of_inner_windows():
    table = make_table(9, 9)
    mode = randomised(stacked(table))
    before = mode.score_windows(table.seqs)
    table.set_flank_length(2, 3)
    mode.update_read_length(left_shift=2, right_shift=3)
    after = mode.score_windows(table.seqs)
    torch.testing.assert_close(after[:, :, 2:-3], before)


def test_a_footprint_change_reaches_the_layers_behind():
    table = make_table(9, 9)
    mode = randomised(stacked(table))
    mode.layers[0].layer_spec.update_footprint(left_shift=-1, right_shift=1)
    mode.check_length_consistency()
    mode.layers[0].layer_spec.update_footprint(right_shift=2)
    mode.check_length_consistency()
    assert mode.layers[1].input_shape == 9 - 4
    assert mode(table.seqs).isfinite().all()


def test_a_refused_change_of_length_leaves_all_layers_as_they_were():
    table = make_table(9, 9)
    mode = randomised(stacked(table))
    before = copy.deepcopy(mode.state_dict())
    with pytest.raises(ValueError, match="shortest input"):
        mode.update_read_length(left_shift=-6)
    after = mode.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_layers_must_fit_each_other():
    table = make_table(9, 9)
    first = Conv1d.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET), table)
    spec = PSAM(kernel_size=2, in_channels=2)
    with pytest.raises(RuntimeError, match="input_shape 6"):
        Mode([first, Conv1d(spec, 6, 6, 6, one_hot=True)])
    with pytest.raises(RuntimeError, match="channels 3"):
        Mode([first, Conv1d.from_psam(PSAM(kernel_size=2, in_channels=3), first)])
    with pytest.raises(ValueError, match="at least one layer"):
        Mode([])


def test_impossible_lengths_are_noticed():
    layer = Conv0d(NonSpecific(ALPHABET), 5, 0, 5)
    with pytest.raises(RuntimeError, match="1 <= minimum"):
        layer.check_length_consistency()
    layer = Conv0d(NonSpecific(ALPHABET), 5, 4, 5)
    layer.log_posbias = torch.nn.Parameter(torch.zeros(3, 1, 1))
    with pytest.raises(RuntimeError, match="log_posbias"):
        layer.check_length_consistency()


def test_nonspecific_binding_depends_on_the_length():
    table = make_table(5, 9)
    mode = Mode.from_nonspecific(NonSpecific(ALPHABET), table, train_posbias=True)
    lengths = mode.layers[0].lengths(table.seqs)
    torch.testing.assert_close(mode(table.seqs), lengths.float().log())
    with torch.no_grad():
        mode.layers[0].log_posbias[0] = 2.0
    shortest = lengths == 5
    torch.testing.assert_close(mode(table.seqs), lengths.float().log() + 2.0 * shortest)
    mode.update_read_length(left_shift=1, min_len_shift=-1)
    assert (
        mode.layers[0].get_log_posbias().flatten().tolist()
        == [0.0] * 6 + [2.0] + [0.0] * 4
    )


def test_nonspecific_binding_may_ignore_the_length():
    table = make_table(5, 9)
    spec = NonSpecific(ALPHABET, ignore_length=True)
    mode = Mode.from_nonspecific(spec, table)
    assert not mode(table.seqs).any()
    assert mode.in_len(1) is None
    assert mode.in_len(1, "min") == mode.out_len(7) == 1
    assert spec.out_len(torch.tensor([3, 4])).tolist() == [1, 1]
    assert spec.in_len(torch.tensor([3, 4]), "min").tolist() == [1, 1]


def test_modes_of_the_same_specs_are_trained_together():
    table = make_table()
    spec, other = NonSpecific(ALPHABET), NonSpecific(ALPHABET)
    keys = [Mode.from_nonspecific(each, table).key() for each in (spec, spec, other)]
    assert keys[0] == keys[1] != keys[2]
    assert hash(keys[0]) == hash(keys[1])
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    assert Mode.from_psam(psam, table).key() == ModeKey([psam])


def test_specs_without_parameters_are_equal_by_type():
    class Empty(EmptyLayerSpec):
        pass

    assert Empty(1, 4) == Empty(1, 4) != EmptyLayerSpec(1, 4)
    assert hash(Empty(1, 4)) == hash(Empty(2, 3))


def test_the_hill_coefficient_multiplies_each_window():
    table = make_table()
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    mode = Mode.from_psam(psam, table, train_hill=True)
    with torch.no_grad():
        mode.log_hill.fill_(0.5)
    windows = mode.score_windows(table.seqs)
    expected = torch.logsumexp((windows * np.exp(0.5)).flatten(1), 1)
    torch.testing.assert_close(mode(table.seqs), expected)
    mode(table.seqs).sum().backward()
    assert mode.log_hill.grad.isfinite()


def test_the_expected_score_is_that_of_even_letters():
    table = make_table(9, 9)
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    mode = Mode.from_psam(psam, table)
    mode.train()
    letters = psam.get_filter(0)[0].detach()
    expected = np.log(2 * 7) + float(letters.mean(0).sum())
    assert mode.expected_log_score() == pytest.approx(expected, abs=1e-5)
    assert mode.training


def test_words_that_a_mode_does_not_know_are_refused():
    mode = Mode.from_nonspecific(NonSpecific(ALPHABET), make_table())
    with pytest.raises(ValueError, match="'all', 'hill'"):
        mode.unfreeze("posbias")
    mode.unfreeze("hill")
    assert not mode.log_hill.requires_grad


def test_the_steps_of_a_motif_come_in_order():
    table = make_table()
    psam = PSAM(
        kernel_size=4,
        alphabet=ALPHABET,
        shift_footprint=True,
        shift_footprint_heuristic=True,
        increment_footprint=True,
        increment_flank=True,
        increment_flank_with_footprint=True,
        pairwise_distance=1,
        name="p",
    )
    mode = Mode.from_psam(psam, table, train_posbias=True, name="m")
    (optim,) = mode.optim_procedure().values()
    described = [
        ("greedy " if step.greedy else "") + " + ".join(map(str, step.calls))
        for step in optim.steps
    ]
    flank = "Mode-m.update_read_length(left_shift=1, right_shift=1)"
    footprint = "PSAM-p.update_footprint(left_shift={}, right_shift={}{})"
    assert described == [
        "Mode-m.freeze()",
        "PSAM-p.unfreeze(parameter='monomer')",
        f"greedy {flank}",
        "greedy PSAM-p.shift_heuristic()",
        "greedy " + footprint.format(1, -1, ""),
        "greedy " + footprint.format(-1, 1, ""),
        "greedy " + footprint.format(1, 1, ", check_threshold=True") + f" + {flank}",
        "Conv1d-p.unfreeze(parameter='posbias')",
        "PSAM-p.unfreeze(parameter='pairwise')",
        "Mode-m.unfreeze(parameter='all')",
    ]


def test_names_tell_modes_and_keys_apart():
    table = make_table()
    named = Mode.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET, name="a"), table)
    assert str(named) == "Mode-a"
    assert str(named.key()) == "ModeKey-a"
    assert str(stacked(table)) == "Mode-[first-second]"
    assert "PSAM" in str(Mode.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET), table))
    assert str(Mode.from_psam(PSAM(3, ALPHABET), table, name="x")) == "Mode-x"


def test_a_pickled_mode_registers_with_its_own_parts():
    mode = Mode.from_nonspecific(NonSpecific(ALPHABET), make_table())
    other = pickle.loads(pickle.dumps(mode))
    assert list(other.layers[0]._modes) == [other]
    assert list(other.layers[0].layer_spec._layers) == [other.layers[0]]
