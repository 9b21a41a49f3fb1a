"""Cooperativity: its scores, its options and its gradients."""

import copy
import itertools
import math
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pyprobound as pp
from pyprobound import Cooperativity, CountTable, Mode, Spacing
from pyprobound.alphabets import DNA
from pyprobound.cooperativity import scores
from pyprobound.kernels.pairs import pair_scores
from pyprobound.layers import PSAM, Conv1d, NonSpecific, get_padding_layers

ALPHABET = DNA()
FLANKS = {"left_flank": "GATTACA", "right_flank": "CCGTAAT"}


def make_table(low=9, high=None, n=6, seed=0):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(low, (high or low) + 1, n)
    sizes[:2] = (low, high or low)
    reads = ["".join(generator.choice(list("ACGT"), size)) for size in sizes]
    frame = pd.DataFrame(generator.integers(1, 9, (n, 2)), index=reads)
    return CountTable(frame, ALPHABET, **FLANKS)


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return module


def make_pair(table, sizes=(3, 4), score_reverse=True, spacing=None, **options):
    a, b = (
        Mode.from_psam(PSAM(size, ALPHABET, score_reverse=score_reverse), table)
        for size in sizes
    )
    own = Spacing(a.key(), b.key(), **(spacing or {}))
    pair = randomised(Cooperativity(own, a, b, **options))
    if not options.get("train_posbias"):
        for value in pair.log_posbias:
            value.data.zero_()
    return pair


def pair_by_pair(pair, seqs):
    """The windows of a pair without position bias, in plain loops."""
    a, b = (mode.score_windows(seqs).detach() for mode in (pair.mode_a, pair.mode_b))
    spacing, stored = pair.spacing, pair.spacing.log_spacing.detach()
    size_a, size_b = (mode.in_len(1) for mode in (pair.mode_a, pair.mode_b))
    n, strands, n_a = a.shape
    n_b = b.shape[2]
    zero = spacing.max_num_windows - 1
    result = torch.full((n, strands, strands, n_a, n_b), -math.inf)
    for x, y, i, j in itertools.product(
        range(strands), range(strands), range(n_a), range(n_b)
    ):
        covered_a, covered_b = range(i, i + size_a), range(j, j + size_b)
        overlap = len(set(covered_a) & set(covered_b))
        gap = max(j - (i + size_a), i - (j + size_b))
        allowed = (
            (spacing.max_overlap is None or overlap <= spacing.max_overlap)
            and (spacing.max_spacing is None or gap <= spacing.max_spacing)
            and (spacing.score_same or x != y)
            and (spacing.score_reverse or x == y or strands == 1)
            and (spacing.score_mode != "positive" or j > i)
            and (spacing.score_mode != "negative" or j <= i)
        )
        if allowed:
            row, offset = (x, j - i) if y == 0 else (1 - x, n_b - n_a - (j - i))
            energy = stored[row, zero + offset]
            result[:, x, y, i, j] = energy + a[:, x, i] + b[:, y, j]
    return result


def log_sum(windows, hill):
    return torch.logsumexp(windows.flatten(1) * hill, dim=1)


@given(
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    score_same=st.booleans(),
    score_reverse=st.booleans(),
    score_mode=st.sampled_from(["both", "positive", "negative"]),
    max_overlap=st.none() | st.integers(0, 4),
    max_spacing=st.none() | st.integers(0, 8),
    two_strands=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_windows_are_those_of_plain_loops(sizes, two_strands, **spacing):
    if not spacing["score_same"] and not (two_strands and spacing["score_reverse"]):
        spacing["score_same"] = True
    table = make_table(6, 8)
    pair = make_pair(table, sizes, two_strands, spacing)
    expected = pair_by_pair(pair, table.seqs)
    torch.testing.assert_close(pair.score_windows(table.seqs), expected)
    torch.testing.assert_close(
        pair(table.seqs), log_sum(expected, pair.log_hill.exp()), atol=1e-5, rtol=1e-5
    )


OPTIONS = st.fixed_dictionaries(
    {
        "train_posbias": st.booleans(),
        "bias_mode": st.sampled_from(["strand", "same", "reverse"]),
        "bias_bin": st.integers(1, 3),
        "length_specific_bias": st.booleans(),
        "normalize": st.booleans(),
        "mirror": st.sampled_from(["row", "1.5"]),
    }
)


@given(options=OPTIONS, two_strands=st.booleans(), high=st.integers(7, 9))
@settings(deadline=None, max_examples=60)
def test_score_is_the_sum_over_windows_with_any_bias(options, two_strands, high):
    table = make_table(7, high)
    limits = {"max_overlap": 1, "normalize": True}
    pair = make_pair(table, (3, 2), two_strands, limits, **options).double()
    pair.unfreeze("all")
    parameters = [value for value in pair.parameters() if value.requires_grad]
    windows = pair.score_windows(table.seqs)
    expected = log_sum(windows, pair.log_hill.exp())
    found = pair(table.seqs)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(len(found), dtype=torch.float64)
    gradients = [
        torch.autograd.grad((score * weights).sum(), parameters, allow_unused=True)
        for score in (found, expected)
    ]
    for one, other in zip(*gradients, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other)


def test_energies_have_one_place_for_each_pair():
    table = make_table(8, 9)
    pair = make_pair(table, train_posbias=True, spacing={"max_overlap": 2})
    matrix = pair.get_log_spacing_matrix()
    n_a, n_b = pair.n_windows_a, pair.n_windows_b
    assert matrix.shape == (n_a + 1, n_b + 1, 2, 2, n_a, n_b)
    diagonals = pair.get_log_spacing_diagonals()
    assert len(diagonals) == n_a + n_b - 1
    for offset, values in enumerate(diagonals, start=1 - n_a):
        torch.testing.assert_close(values, matrix.diagonal(offset, -2, -1))
    assert bool((matrix[: n_a - 1] == 0).all())
    without = make_pair(table)
    assert without.get_log_spacing_matrix().shape == (1, 1, 2, 2, n_a, n_b)
    torch.testing.assert_close(
        without.get_log_spacing_matrix()[0, 0],
        without.spacing.get_log_spacing_matrix(n_a, n_b),
    )


def test_gradients_of_the_sum_are_exact():
    generator = torch.Generator().manual_seed(1)

    def values(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    a, b, energies, hill = values(3, 2, 4), values(3, 2, 5), values(2, 2, 4, 5), 0.3
    a[0, 1] = energies[0, 1] = b[1, :, 2:] = -math.inf
    inputs = (a, b, energies, torch.tensor(hill, dtype=torch.float64))
    inputs = tuple(value.requires_grad_() for value in inputs)
    total = pair_scores(*inputs[:3], log_hill=inputs[3])
    windows = scores.pair_windows(a, b, energies.unsqueeze(0))
    expected = log_sum(windows, math.exp(hill))
    torch.testing.assert_close(total, expected)
    found = torch.autograd.grad(total.sum(), inputs)
    assert all(bool(value.isfinite().all()) for value in found)
    # In the exact sum the gradient of a -inf times the exponent is NaN.
    wanted = torch.autograd.grad(expected.sum(), inputs[:3])
    for one, other in zip(found[:3], wanted, strict=True):
        torch.testing.assert_close(one, other)
    step = 1e-6
    with torch.no_grad():
        above, below = (
            pair_scores(
                *inputs[:3],
                log_hill=torch.tensor(hill + sign * step, dtype=torch.float64),
            ).sum()
            for sign in (1, -1)
        )
    assert float(found[3]) == pytest.approx(float(above - below) / (2 * step), rel=1e-6)


def test_windows_that_are_missing_give_no_nan_gradients():
    table = make_table(5, 9)
    options = {"train_posbias": True, "train_hill": True}
    pair = make_pair(table, (3, 4), spacing={"max_overlap": 0}, **options)
    found = pair(table.seqs)
    # A row of five letters has no room for two motifs of three and four letters.
    assert float(found[0].detach()) == -math.inf
    assert bool(found[1].isfinite())
    found[found.isfinite()].sum().backward()
    for name, value in pair.named_parameters():
        assert value.grad is None or bool(value.grad.isfinite().all()), name
    everything = make_pair(table, spacing={"max_overlap": -20})
    none = everything(table.seqs)
    assert bool((none == -math.inf).all())
    none.clamp(min=-1).sum().backward()
    assert all(
        bool(v.grad.isfinite().all())
        for v in everything.mode_a.parameters()
        if v.grad is not None
    )


def test_pairs_far_below_the_best_windows_count_where_nothing_else_may_bind():
    # The best windows of both modes exclude each other by a thousand units of RT.
    a = torch.tensor([[[0.0, -700.0]], [[0.0, -1.0]]], dtype=torch.float64)
    b = torch.tensor([[[0.0, -600.0]], [[0.0, -2.0]]], dtype=torch.float64)
    energies = torch.full((1, 1, 2, 2), -math.inf, dtype=torch.float64)
    energies[0, 0, 1, 1] = 0.5
    for value in (a, b, energies):
        value.requires_grad_()
    total = pair_scores(a, b, energies)
    assert total.tolist() == [pytest.approx(-1299.5), pytest.approx(-2.5)]
    total.sum().backward()
    assert a.grad.tolist() == [[[0.0, 1.0]], [[0.0, 1.0]]]
    assert float(energies.grad[0, 0, 1, 1]) == pytest.approx(2.0)


def test_scores_that_are_not_numbers_are_not_hidden():
    a = torch.full((1, 1, 2), math.nan)
    total = pair_scores(a, a, torch.zeros(1, 1, 2, 2))
    assert bool(total.isnan())


def test_no_rows_give_no_scores():
    table = make_table()
    pair = make_pair(table, train_posbias=True)
    assert pair(table.seqs[:0]).shape == (0,)


def test_a_row_longer_than_announced_is_noticed():
    table = make_table(7, 9)
    a, b = (Mode([Conv1d(PSAM(size, ALPHABET), 9, 7, 8)]) for size in (2, 3))
    pair = Cooperativity(Spacing(a.key(), b.key()), a, b, train_posbias=True)
    for score in (pair, pair.score_windows):
        with pytest.raises(IndexError, match="for up to 7 windows of a row, but a row"):
            score(table.seqs)


def test_rows_shorter_than_announced_have_no_bias():
    table = make_table(6, 9)
    a, b = (Mode([Conv1d(PSAM(size, ALPHABET), 9, 7, 9)]) for size in (2, 3))
    pair = randomised(
        Cooperativity(Spacing(a.key(), b.key()), a, b, train_posbias=True)
    )
    for mode in (a, b):
        mode.layers[0].log_posbias.data.zero_()
    windows = pair.score_windows(table.seqs)
    torch.testing.assert_close(pair(table.seqs), log_sum(windows, pair.log_hill.exp()))
    torch.testing.assert_close(windows[0], pair_by_pair(pair, table.seqs)[0])


# --- the defects of 1.5 ----------------------------------------------------------


@pytest.mark.parametrize("low", [5, 6, 7])
def test_d09_limits_hold_for_short_inputs(low):
    table = make_table(low)
    pair = make_pair(table, (5, 5), spacing={"max_overlap": 1, "max_spacing": 2})
    expected = pair_by_pair(pair, table.seqs)
    torch.testing.assert_close(pair.score_windows(table.seqs), expected)


def test_d10_offset_zero_is_negative():
    key = Mode.from_psam(PSAM(2, ALPHABET), make_table()).key()
    for mode, kept in (("negative", True), ("positive", False)):
        spacing = Spacing(key, key, score_mode=mode)
        assert bool(spacing.get_log_spacing(1, 1).isfinite().all()) == kept


def complemented(seqs):
    """The reverse complement of rows of codes, aligned to the left."""
    rows = []
    for row in seqs:
        kept = row[row != ALPHABET.neginf_pad]
        rows.append(torch.cat([3 - kept.flip(0), row[len(kept) :]]))
    return torch.stack(rows)


@pytest.mark.parametrize("length_specific_bias", [True, False])
@pytest.mark.parametrize("bias_bin", [1, 2])
def test_d11_a_mirrored_bias_is_the_same_on_both_strands(
    length_specific_bias, bias_bin
):
    table = make_table(7, 9)
    options = {
        "train_posbias": True,
        "bias_mode": "reverse",
        "bias_bin": bias_bin,
        "length_specific_bias": length_specific_bias,
    }
    other_strand = complemented(table.seqs)
    row, old = (
        make_pair(table, (3, 2), mirror=mirror, **options) for mirror in ("row", "1.5")
    )
    for pair in (row, old):
        for mode in (pair.mode_a, pair.mode_b):
            mode.layers[0].log_posbias.data.zero_()
    torch.testing.assert_close(row(other_strand), row(table.seqs))
    assert Cooperativity(old.spacing, old.mode_a, old.mode_b).mirror == "1.5"
    assert not torch.allclose(old(other_strand), old(table.seqs), atol=1e-3)


@pytest.mark.parametrize("bias_mode", ["same", "reverse"])
@pytest.mark.parametrize("mirror", ["row", "1.5"])
def test_d12_a_single_strand_has_no_second_one(bias_mode, mirror):
    table = make_table()
    options = {"train_posbias": True, "mirror": mirror}
    pair = make_pair(table, score_reverse=False, bias_mode=bias_mode, **options)
    plain = make_pair(table, score_reverse=False, **options)
    assert pair.score_windows(table.seqs).shape[1:3] == (1, 1)
    assert pair.get_log_spacing_matrix().shape[2:4] == (1, 1)
    torch.testing.assert_close(pair(table.seqs), plain(table.seqs))


def test_d42_one_strand_has_one_orientation():
    key = Mode.from_psam(PSAM(2, ALPHABET, score_reverse=False), make_table()).key()
    spacing = Spacing(key, key, score_reverse=False)
    assert spacing.get_log_spacing(1, 1).tolist() == [[[0.0]]]
    with pytest.raises(ValueError, match="no orientation"):
        Spacing(key, key, score_same=False)


def test_d43_energies_are_computed_where_the_parameters_are():
    spacing = {"max_overlap": 1, "max_spacing": 3, "score_mode": "positive"}
    pair = make_pair(make_table(), spacing=spacing, train_posbias=True).to("meta")
    assert pair.get_log_spacing().device.type == "meta"
    assert pair.get_log_spacing_matrix().device.type == "meta"


# --- construction ----------------------------------------------------------------


def test_padding_is_regarded_on_request():
    table = make_table()
    motif = PSAM(3, ALPHABET)
    pads = get_padding_layers(ALPHABET, table, left=2, right=1)
    padded = Mode([*pads, Conv1d.from_psam(motif, pads[-1])])
    plain = Mode.from_psam(motif, table)
    spacing = Spacing(
        plain.key(), padded.key(), max_overlap=0, max_spacing=1, ignore_pad=True
    )
    pair = Cooperativity(spacing, plain, padded)
    allowed = pair.score_windows(table.seqs)[0].isfinite()
    for y, i, j in itertools.product(range(2), range(7), range(10)):
        # Window j of the padded mode begins at letter j - 2.
        gap = abs(j - 2 - i) - 3
        assert bool(allowed[0, y, i, j]) == (0 <= gap <= 1)


def test_modes_and_options_must_fit():
    table = make_table()
    a, b = (Mode.from_psam(PSAM(size, ALPHABET), table) for size in (2, 3))
    single = Mode.from_psam(PSAM(2, ALPHABET, score_reverse=False), table)
    many = Mode.from_psam(PSAM(2, ALPHABET, out_channels=4), table)
    spacing = Spacing(a.key(), b.key())
    with pytest.raises(ValueError, match="mode_a has other layers"):
        Cooperativity(spacing, b, a)
    with pytest.raises(RuntimeError, match="they have 2 and 1"):
        Spacing(a.key(), single.key())
    with pytest.raises(RuntimeError, match="they have 4 and 4"):
        Spacing(many.key(), many.key())
    with pytest.raises(ValueError, match="score_mode"):
        Spacing(a.key(), b.key(), score_mode="left")
    with pytest.raises(ValueError, match="anchor"):
        Spacing(a.key(), b.key(), anchor="left")
    for option in ({"bias_mode": "channel"}, {"mirror": "2"}, {"bias_bin": 0}):
        with pytest.raises(ValueError, match=next(iter(option))):
            Cooperativity(spacing, a, b, **option)
    one_channel = Mode.from_psam(
        a.layers[0].layer_spec, table, out_channel_indexing=[0]
    )
    with pytest.raises(RuntimeError, match="scores 1 channels"):
        Cooperativity(spacing, one_channel, b)
    with pytest.raises(ValueError, match="stored for 1 to 8 windows"):
        Cooperativity(spacing, a, b).spacing.get_log_spacing(9, 2)
    nonspecific = Mode.from_nonspecific(NonSpecific(ALPHABET), table)
    with pytest.raises(RuntimeError, match="no defined size"):
        Spacing(nonspecific.key(), nonspecific.key()).get_log_spacing(1, 1)


def test_names_for_messages():
    table = make_table()
    a, b = (
        Mode.from_psam(PSAM(3, ALPHABET, name=name), table, name=name)
        for name in ("Exd", "Hox")
    )
    assert str(Cooperativity(Spacing(a.key(), b.key()), a, b)) == (
        "Cooperativity-Exd:Hox"
    )
    named = Spacing(a.key(), b.key(), name="dimer")
    assert str(Cooperativity(named, a, b)) == "Cooperativity-dimer"
    pair = make_pair(table)
    assert "max_overlap=None" in str(pair)
    assert pair.name == ""
    assert [pair.bias_mode, pair.bias_bin, pair.length_specific_bias] == [
        "strand",
        1,
        True,
    ]
    assert pair.max_embedding_size() > 0
    assert math.isfinite(pair.expected_log_score())


def test_copies_follow_their_own_modes():
    table = make_table()
    pair = make_pair(table, train_posbias=True)
    for other in (copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        torch.testing.assert_close(other(table.seqs), pair(table.seqs))
        for mode in (other.mode_a, other.mode_b):
            mode.update_read_length(left_shift=1)
        other.check_length_consistency()
        other.mode_a.layers[0].layer_spec.update_footprint(left_shift=-1)
        other.check_length_consistency()
        assert other.n_windows_a == pair.n_windows_a + 2
        assert list(other.spacing._cooperativities) == [other]
    pair.check_length_consistency()


def test_modes_are_evaluated_once_for_all_that_use_them(caplog):
    table = make_table()
    pair = make_pair(table)
    aggregate = pp.Aggregate(
        [
            pp.Contribution(binding, log_activity=0.0)
            for binding in (pair, Cooperativity(pair.spacing, pair.mode_a, pair.mode_b))
        ]
    )
    with caplog.at_level("INFO", logger="pyprobound"):
        aggregate(table.seqs)
    text = caplog.text
    assert text.count("score_windows") == 2
