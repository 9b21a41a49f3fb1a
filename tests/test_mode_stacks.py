"""Modes of several layers: pooling, padding, rolling and modules."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import CountTable, Mode
from pyprobound.alphabets import DNA
from pyprobound.layers import (
    PSAM,
    Conv1d,
    MaxPool1d,
    MaxPool1dSpec,
    Pad,
    PadSpec,
    Roll,
    RollSpec,
    get_padding_layers,
)

ALPHABET = DNA()
FLANKS = {"left_flank": "GATTACA", "right_flank": "CCGTAAT"}


def make_table(low=11, high=13, n=6, seed=0, **kwargs):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(low, high + 1, n)
    sizes[:2] = (low, high)
    reads = ["".join(generator.choice(list("ACGT"), size)) for size in sizes]
    frame = pd.DataFrame(generator.integers(1, 9, (n, 2)), index=reads)
    return CountTable(frame, ALPHABET, **FLANKS, **kwargs)


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return module


def conv(prev, size=3, **kwargs):
    """A convolution with a position bias, of a table, letters or channels."""
    if isinstance(prev, CountTable | Pad | Roll):
        psam = PSAM(kernel_size=size, alphabet=ALPHABET)
    else:
        psam = PSAM(kernel_size=size, in_channels=prev.out_channels, out_channels=2)
        kwargs["one_hot"] = True
    return Conv1d.from_psam(psam, prev, train_posbias=True, **kwargs)


def pool(prev, size=2, ceil_mode=True):
    spec = MaxPool1dSpec(prev.out_channels, size, ceil_mode=ceil_mode)
    return MaxPool1d.from_spec(spec, prev)


def conv_pool(table):
    first = conv(table)
    return [first, pool(first, 3)]


def conv_pool_conv(table, ceil_mode=True):
    first = conv(table)
    second = pool(first, ceil_mode=ceil_mode)
    return [first, second, conv(second, 2, bias_bin=2)]


def pad_conv(table):
    first = Pad.from_spec(PadSpec(ALPHABET, left=2, right=1), table)
    return [first, conv(first)]


def roll_conv(table, direction="right", max_length=None):
    spec = RollSpec(ALPHABET, direction, max_length=max_length)
    first = Roll.from_spec(spec, table)
    return [first, conv(first)]


def end_conv(table):
    return roll_conv(table, max_length=12)


def padding_conv(table, align="left"):
    some = get_padding_layers(ALPHABET, table, left=-1, right=2, align=align)
    return [*some, conv(some[-1])]


STACKS = {
    "conv-pool": conv_pool,
    "conv-pool-conv": conv_pool_conv,
    "conv-floorpool-conv": lambda table: conv_pool_conv(table, ceil_mode=False),
    "pad-conv": pad_conv,
    "roll-conv": roll_conv,
    "center-conv": lambda table: roll_conv(table, "center"),
    "end-conv": end_conv,
    "padding-conv": padding_conv,
}
stacks = pytest.mark.parametrize("kind", STACKS)
FLANK = st.integers(0, 4)


@stacks
@given(walk=st.lists(st.tuples(FLANK, FLANK), min_size=1, max_size=3))
@settings(deadline=None, max_examples=10)
def test_a_stack_follows_the_flanks_of_its_table(kind, walk):
    table = make_table()
    mode = randomised(Mode(STACKS[kind](table)))
    for left, right in walk:
        shifts = {
            "left_shift": left - table.left_flank_length,
            "right_shift": right - table.right_flank_length,
        }
        table.set_flank_length(left, right)
        mode.update_read_length(**shifts)
        mode.check_length_consistency()
        assert mode.input_shape == table.input_shape
        seqs = table.seqs
        for layer in mode.layers:
            assert seqs.shape[-1] == layer.input_shape
            seqs = layer(seqs)
        assert mode(table.seqs).isfinite().all()


@stacks
def test_codes_and_values_score_alike(kind):
    table = make_table()
    mode = randomised(Mode(STACKS[kind](table)))
    for layer in mode.layers:
        if isinstance(layer, Conv1d):
            layer.one_hot = True
    torch.testing.assert_close(mode(table.seqs), mode(ALPHABET.embed(table.seqs)))


@stacks
def test_gradients_are_finite_and_right(kind):
    table = make_table()
    mode = randomised(Mode(STACKS[kind](table)))
    mode.unfreeze("all")
    mode.double()
    mode(table.seqs).sum().backward()
    psam = next(i for i in mode.layers if isinstance(i, Conv1d)).layer_spec
    value = psam.betas["1"]
    assert value.grad is not None
    for parameter in mode.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()
    step = 1e-6
    scores = []
    for sign in (1, -1):
        with torch.no_grad():
            value[0, 2] += sign * step
            scores.append(mode(table.seqs).sum())
            value[0, 2] -= sign * step
    slope = (scores[0] - scores[1]) / (2 * step)
    torch.testing.assert_close(value.grad[0, 2], slope, rtol=1e-5, atol=1e-7)


@stacks
@pytest.mark.parametrize("layout", ["packed", "1.5"])
def test_checkpoints_restore_values_and_lengths(kind, layout):
    table = make_table()
    mode = randomised(Mode(STACKS[kind](table)))
    other = Mode(STACKS[kind](table))
    table.set_flank_length(2, 1)
    mode.update_read_length(left_shift=2, right_shift=1)
    file = io.BytesIO()
    mode.save(file, format=layout)
    file.seek(0)
    other.reload(file, strict=True)
    other.check_length_consistency()
    assert torch.equal(mode(table.seqs), other(table.seqs))


@stacks
def test_copies_follow_on_their_own(kind):
    table = make_table()
    mode = randomised(Mode(STACKS[kind](table)))
    before = mode(table.seqs)
    for twin in (copy.deepcopy(mode), pickle.loads(pickle.dumps(mode))):
        assert torch.equal(twin(table.seqs), before)
        twin.update_read_length(left_shift=2)
        assert twin.input_shape == mode.input_shape + 2
        mode.check_length_consistency()
        assert torch.equal(mode(table.seqs), before)


@stacks
def test_the_expected_sequence_has_a_score(kind):
    assert np.isfinite(Mode(STACKS[kind](make_table())).expected_log_score())


def test_a_fragment_end_is_scored_at_the_same_windows():
    table = make_table()
    mode = Mode(end_conv(table))
    psam = mode.layers[-1].layer_spec
    windows = mode.score_windows(table.seqs)
    for row, read in enumerate(table.seqs):
        end = read[read != ALPHABET.neginf_pad][-12:].unsqueeze(0)
        alone = Conv1d(psam, end.shape[1], 3, end.shape[1])(end)
        found = windows[row : row + 1]
        torch.testing.assert_close(found[..., -alone.shape[-1] :], alone)
        assert (found[..., : -alone.shape[-1]] == -torch.inf).all()


def test_reads_shorter_than_the_end_that_is_kept_are_filled_up():
    table = make_table(5, 7)
    mode = randomised(Mode(end_conv(table)))
    assert mode.layers[1].input_shape == 12
    before = mode.score_windows(table.seqs)
    assert before.shape[-1] == 10
    table.set_flank_length(2, 0)
    mode.update_read_length(left_shift=2)
    assert mode.layers[1].input_shape == 12
    after = mode.score_windows(table.seqs)
    assert torch.equal(before.isfinite(), after.isfinite() & before.isfinite())
    assert (after.isfinite().sum(dim=2) == before.isfinite().sum(dim=2) + 2).all()


def test_a_pooled_stack_is_the_best_window_of_each_block():
    table = make_table(11, 11)
    mode = randomised(Mode(conv_pool(table)))
    inner = mode.layers[0](table.seqs)
    blocks = [block.amax(dim=2) for block in inner.split(3, dim=2)]
    expected = torch.stack(blocks, dim=2).flatten(1)
    scores = torch.logsumexp(expected * mode.log_hill.exp(), dim=1)
    torch.testing.assert_close(mode(table.seqs), scores)


def test_d39_the_alignment_does_not_change_scores_without_position_bias():
    table = make_table()
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    scores = []
    for align in ("left", "1.5"):
        some = get_padding_layers(ALPHABET, table, left=-1, right=2, align=align)
        mode = Mode([*some, Conv1d.from_psam(psam, some[-1])])
        scores.append(mode(table.seqs))
    torch.testing.assert_close(*scores)


def test_a_footprint_change_passes_through_a_pool():
    table = make_table()
    mode = randomised(Mode(conv_pool_conv(table)))
    psam = mode.layers[0].layer_spec
    for left, right in ((-1, 0), (0, 1), (1, -1), (-1, 1), (1, 1), (-1, -1)):
        psam.update_footprint(left_shift=left, right_shift=right)
        mode.check_length_consistency()
        assert mode(table.seqs).isfinite().all()


def test_layers_behind_a_pool_refuse_what_leaves_no_window():
    table = make_table(11, 11)
    mode = randomised(Mode(conv_pool_conv(table)))
    before = copy.deepcopy(mode.state_dict())
    with pytest.raises(ValueError, match="shortest input"):
        mode.update_read_length(right_shift=-7)
    after = mode.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_channels_of_a_pool_must_fit():
    first = conv(make_table())
    spec = MaxPool1dSpec(3, 2)
    with pytest.raises(RuntimeError, match="channels 3"):
        Mode([first, MaxPool1d.from_spec(spec, first)])


def test_keys_of_stacks_compare_the_motifs():
    table = make_table()
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    keys = []
    for left in (1, 2):
        first = Pad.from_spec(PadSpec(ALPHABET, left=left, name="pad"), table)
        keys.append(Mode([first, Conv1d.from_psam(psam, first)]).key())
    assert keys[0] == keys[1]
    assert hash(keys[0]) == hash(keys[1])
    assert [key.out_len(9) for key in keys] == [8, 9]
    assert [key.in_len(1) for key in keys] == [2, 1]
