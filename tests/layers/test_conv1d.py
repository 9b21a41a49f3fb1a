"""Scoring windows with a motif."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import CountTable, Mode
from pyprobound.alphabets import DNA, Alphabet
from pyprobound.layers import PSAM, Conv1d, LengthChange

DNA_ALPHABET = DNA()


def random_reads(generator, n, low, high, letters="ACGT"):
    sizes = generator.integers(low, high + 1, n)
    sizes[:2] = (low, high)
    return ["".join(generator.choice(list(letters), size)) for size in sizes]


def make_table(low=9, high=9, n=8, seed=0, letters="ACGT", **kwargs):
    generator = np.random.default_rng(seed)
    reads = random_reads(generator, n, low, high, letters)
    frame = pd.DataFrame(generator.integers(1, 9, (n, 2)), index=reads)
    return CountTable(frame, DNA_ALPHABET, **kwargs)


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return module


@torch.no_grad()
def by_definition(layer, seqs):
    """Window scores, one letter at a time, from the formula of the specification."""
    psam = layer.layer_spec
    n = psam.in_channels
    letters = psam.get_filter(0).double()
    pairs = {
        d: psam.get_filter(d).double() for d in range(1, psam.pairwise_distance + 1)
    }
    bias = psam.get_bias().double()
    posbias = layer.get_log_posbias().double().expand(-1, psam.out_channels, -1)
    windows = layer.out_len(seqs.shape[1])
    result = torch.zeros(len(seqs), psam.out_channels, windows, dtype=torch.float64)

    def share(code):
        row = torch.zeros(n, dtype=torch.float64)
        if code < n:
            row[code] = 1
        elif code == n + 1:
            row[:] = 1 / n
        return row

    for row, channel, window in itertools.product(*map(range, result.shape)):
        codes = [
            int(seqs[row, window + i * psam.dilation]) for i in range(psam.kernel_size)
        ]
        if n in codes:
            result[row, channel, window] = -torch.inf
            continue
        score = bias[channel, 0]
        shares = [share(code) for code in codes]
        for i, own in enumerate(shares):
            score = score + own @ letters[channel, :, i]
        for distance, values in pairs.items():
            for i, (own, other) in enumerate(
                zip(shares, shares[distance:], strict=False)
            ):
                score = score + own @ values[channel, :, :, i] @ other
        length = int((seqs[row] != n).sum()) if len(posbias) > 1 else 0
        result[row, channel, window] = score + posbias[length, channel, window]
    chosen = layer.out_channel_indexing
    return result if chosen is None else result[:, chosen]


@given(
    size=st.integers(1, 5),
    distance=st.integers(0, 4),
    dilation=st.integers(1, 2),
    motifs=st.integers(1, 2),
    both=st.booleans(),
    spread=st.integers(0, 3),
    seed=st.integers(0, 1000),
    bias=st.sampled_from([None, "channel", "same"]),
)
@settings(deadline=None, max_examples=60)
def test_all_scorers_agree_with_the_definition(
    size, distance, dilation, motifs, both, spread, seed, bias
):
    psam = PSAM(
        kernel_size=size,
        alphabet=DNA_ALPHABET,
        out_channels=motifs * (2 if both else 1),
        score_reverse=both,
        dilation=dilation,
        pairwise_distance=0 if dilation > 1 else min(distance, size - 1),
        train_bias=True,
    )
    table = make_table(10, 10 + spread, n=4, seed=seed, letters="ACGT*-")
    options = {"train_posbias": bias is not None, "bias_mode": bias or "channel"}
    layers = [
        Conv1d.from_psam(psam, table, **options),
        Conv1d.from_psam(psam, table, **options, one_hot=True),
        Conv1d.from_psam(psam, table, **options, one_hot=True, unfold=True),
    ]
    randomised(layers[0], seed)
    for layer in layers[1:]:
        layer.log_posbias = layers[0].log_posbias
    expected = by_definition(layers[0], table.seqs)
    for layer in layers:
        torch.testing.assert_close(
            layer(table.seqs).double(), expected, atol=2e-5, rtol=1e-5
        )
    mode = Mode([layers[0]])
    torch.testing.assert_close(
        mode(table.seqs).double(),
        torch.logsumexp(expected.flatten(1), 1),
        atol=2e-5,
        rtol=1e-5,
    )


def test_gradients_of_look_up_and_convolution_agree():
    table = make_table(8, 10, n=6)
    psam = PSAM(kernel_size=4, alphabet=DNA_ALPHABET, pairwise_distance=2)
    dense = randomised(Conv1d.from_psam(psam, table, train_posbias=True))
    weights = torch.randn(dense(table.seqs).shape)
    parameters = list(dense.parameters())

    parameters = [value for value in parameters if value.requires_grad]

    def slopes(scores):
        finite = scores.isfinite()
        total = (scores[finite] * weights[finite]).sum()
        return torch.autograd.grad(total, parameters, allow_unused=True)

    for one, other in zip(
        slopes(dense.score_dense(table.seqs)),
        slopes(dense.score_onehot(table.seqs)),
        strict=True,
    ):
        if one is None or other is None:
            assert one is other
        else:
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_missing_positions_leave_neither_values_nor_gradients_undefined():
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET, pairwise_distance=1)
    layer = Conv1d(psam, 6, 3, 6, one_hot=True)
    seqs = torch.stack(
        [DNA_ALPHABET.translate("ACG   "), DNA_ALPHABET.translate("ACGTAC")]
    )
    embedded = DNA_ALPHABET.embed(seqs).requires_grad_()
    scores = layer(embedded)
    assert scores[0, :, 1:].isneginf().all()
    scores[scores.isfinite()].sum().backward()
    assert embedded.grad.isfinite().all()
    assert all(value.grad.isfinite().all() for value in psam.betas.values())


def test_a_row_without_windows_scores_minus_infinity_without_gradient():
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET)
    for one_hot in (False, True):
        mode = Mode([Conv1d(psam, 5, 3, 5, one_hot=one_hot)], train_hill=True)
        seqs = torch.stack([DNA_ALPHABET.translate(x) for x in ("AC  G", "ACGTA")])
        scores = mode(seqs)
        assert scores[0].isneginf()
        scores[1].backward()
        assert mode.log_hill.grad.isfinite()
        mode.zero_grad()


def test_no_rows_give_no_scores():
    layer = Conv1d(PSAM(kernel_size=3, alphabet=DNA_ALPHABET), 6, 6, 6)
    assert layer(torch.zeros(0, 6, dtype=torch.int8)).shape == (0, 2, 4)
    assert Mode([layer])(torch.zeros(0, 6, dtype=torch.int8)).shape == (0,)


def test_several_rows_of_degenerate_letters_need_one_hot():
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET)
    seqs = torch.stack([DNA_ALPHABET.translate(x) for x in ("ACRT", "ACGT")])
    layer = Conv1d(psam, 4, 4, 4)
    with pytest.raises(ValueError, match="one_hot=True"):
        layer(seqs)
    with pytest.raises(ValueError, match="one_hot=True"):
        layer(DNA_ALPHABET.embed(seqs))
    several = Conv1d(psam, 4, 4, 4, one_hot=True)(seqs)
    assert torch.allclose(layer(seqs[:1]), several[:1])


def test_codes_need_an_alphabet():
    layer = Conv1d(PSAM(kernel_size=2, in_channels=4), 4, 4, 4)
    with pytest.raises(ValueError, match="alphabet"):
        layer(torch.zeros(2, 4, dtype=torch.int8))


# --- position bias ----------------------------------------------------------------


@pytest.mark.parametrize("chosen", [[1], [1, 0], [0]])
@pytest.mark.parametrize("mode", ["channel", "same", "reverse"])
def test_d36_chosen_channels_have_their_own_bias(chosen, mode):
    table = make_table()
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET)
    options = {"train_posbias": True, "bias_mode": mode}
    every = randomised(Conv1d.from_psam(psam, table, **options))
    some = Conv1d.from_psam(psam, table, **options, out_channel_indexing=chosen)
    some.log_posbias = every.log_posbias
    assert some.out_channels == len(chosen)
    assert torch.equal(some(table.seqs), every(table.seqs)[:, chosen])
    assert Mode([some]).out_channels == len(chosen)


@pytest.mark.parametrize("shared", [True, False])
def test_d8_the_mirrored_bias_of_a_short_row_is_mirrored_within_the_row(shared):
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET)
    layer = randomised(
        Conv1d(
            psam,
            9,
            6,
            9,
            train_posbias=True,
            bias_mode="reverse",
            length_specific_bias=not shared,
            mirror="row",
        )
    )
    for length in range(6, 10):
        forward, reverse = layer.get_log_posbias()[length, :, : length - 2]
        assert torch.equal(reverse, forward.flip(0))
    read = "ACGTTG"
    complement = read[::-1].translate(str.maketrans("ACGT", "TGCA"))
    seqs = torch.stack([DNA_ALPHABET.translate(x + "   ") for x in (read, complement)])
    forward, reverse = Mode([layer])(seqs)
    torch.testing.assert_close(forward, reverse)


def test_d37_a_dilated_motif_must_fit_into_the_shortest_read():
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET, dilation=3)
    with pytest.raises(ValueError, match="spanning 7"):
        Conv1d(psam, 8, 6, 8)


def test_neighbouring_windows_of_a_bin_share_a_bias():
    layer = randomised(
        Conv1d(
            PSAM(kernel_size=3, alphabet=DNA_ALPHABET),
            9,
            9,
            9,
            train_posbias=True,
            bias_bin=3,
        )
    )
    bias = layer.get_log_posbias()[9]
    assert layer.log_posbias.shape == (1, 2, 3)
    assert bias.shape == (2, 7)
    assert (bias[:, 0:3] == bias[:, :1]).all()
    assert torch.equal(bias[:, 6], layer.log_posbias[0, :, 2])


def test_a_normalised_bias_has_mean_zero_over_its_bins():
    layer = randomised(
        Conv1d(
            PSAM(kernel_size=3, alphabet=DNA_ALPHABET),
            9,
            9,
            9,
            train_posbias=True,
            normalize=True,
        )
    )
    assert layer.get_log_posbias()[9].mean(-1).abs().max() < 1e-6


def test_a_row_longer_than_the_greatest_length_is_an_error():
    layer = randomised(
        Conv1d(PSAM(kernel_size=3, alphabet=DNA_ALPHABET), 6, 4, 5, train_posbias=True)
    )
    with pytest.raises(IndexError):
        layer(torch.zeros(2, 6, dtype=torch.int8))


@given(
    size=st.integers(1, 3),
    changes=st.lists(
        st.tuples(st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=4
    ),
    bins=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=40)
def test_windows_keep_their_bias_when_flanks_change(size, changes, bins, seed):
    layer = randomised(
        Conv1d(
            PSAM(kernel_size=size, alphabet=DNA_ALPHABET),
            14,
            12,
            14,
            train_posbias=True,
            bias_bin=bins,
        ),
        seed,
    )
    for left, right in changes:
        before = layer.get_log_posbias()
        layer.update_input_length(left_shift=left, right_shift=right)
        layer.check_length_consistency()
        after = layer.get_log_posbias()
        assert after.shape[2] == before.shape[2] + left + right
        if bins == 1:
            # There are three lengths.
            kept = before[-3:, :, max(-left, 0) : before.shape[2] - max(-right, 0)]
            start = max(left, 0)
            found = after[-3:, :, start : start + kept.shape[2]]
            assert torch.equal(found, kept)


def test_another_shape_of_the_bias_is_noticed():
    layer = Conv1d(PSAM(kernel_size=3, alphabet=DNA_ALPHABET), 6, 6, 6)
    layer.log_posbias = torch.nn.Parameter(torch.zeros(1, 2, 3))
    with pytest.raises(RuntimeError, match="log_posbias"):
        layer.check_length_consistency()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias_mode": "both"}, "bias_mode"),
        ({"bias_bin": 0}, "bias_bin"),
        ({"min_input_length": 2}, "does not fit"),
    ],
)
def test_options_that_do_not_agree_are_refused(options, message):
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET)
    sizes = {"input_shape": 6, "min_input_length": 6, "max_input_length": 6}
    with pytest.raises(ValueError, match=message):
        Conv1d(psam, **{**sizes, **options})


def test_a_mirrored_bias_needs_both_strands():
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET, score_reverse=False)
    with pytest.raises(ValueError, match="score_reverse"):
        Conv1d(psam, 6, 6, 6, bias_mode="reverse")


def test_a_change_of_the_range_of_lengths_must_be_announced():
    layer = Conv1d(PSAM(kernel_size=3, alphabet=DNA_ALPHABET), 8, 6, 8)
    with pytest.raises(ValueError, match="range of lengths"):
        layer.update_input_length(left_shift=1, new_min_len=5, new_max_len=12)
    assert layer.input_shape == 8
    layer.update_input_length(min_len_shift=-1, max_len_shift=1)
    assert (layer.min_input_length, layer.max_input_length) == (5, 9)


def test_the_bias_is_trained_if_it_is_meant_to_be():
    psam = PSAM(kernel_size=3, alphabet=DNA_ALPHABET)
    for trained in (True, False):
        layer = Conv1d(psam, 6, 6, 6, train_posbias=trained)
        layer.freeze()
        layer.unfreeze("posbias")
        assert layer.log_posbias.requires_grad is trained
        assert not psam.betas["1"].requires_grad
        layer.unfreeze()
        assert psam.betas["1"].requires_grad
    with pytest.raises(ValueError, match="'posbias'"):
        layer.unfreeze("monomer")


def test_a_stacked_layer_takes_channels_for_letters():
    table = make_table(9, 11)
    first = Conv1d.from_psam(
        PSAM(kernel_size=3, alphabet=DNA_ALPHABET, out_channels=4), table
    )
    second = Conv1d.from_psam(
        PSAM(kernel_size=2, in_channels=4, out_channels=2), first, one_hot=True
    )
    mode = Mode([first, second])
    windows = mode.score_windows(table.seqs)
    assert windows.shape == (8, 2, table.input_shape - 3)
    torch.testing.assert_close(mode(table.seqs), torch.logsumexp(windows.flatten(1), 1))
    assert (
        second.lengths(first(table.seqs)).tolist()
        == (first.lengths(table.seqs) - 2).tolist()
    )


def test_lengths_need_an_alphabet_or_values():
    layer = Conv1d(PSAM(kernel_size=2, in_channels=4), 4, 4, 4)
    with pytest.raises(ValueError, match="no alphabet"):
        layer.lengths(torch.zeros(2, 4, dtype=torch.int8))


def test_a_large_alphabet_is_scored_too():
    letters = Alphabet([chr(c) for c in range(48, 48 + 60)])
    psam = PSAM(kernel_size=2, alphabet=letters)
    layer = randomised(Conv1d(psam, 3, 3, 3))
    seqs = torch.tensor([[0, 59, 3], [61, 2, 62]], dtype=torch.int8)
    torch.testing.assert_close(
        layer(seqs).double(), by_definition(layer, seqs), atol=1e-5, rtol=1e-5
    )


def test_windows_may_not_vanish():
    layer = Conv1d(PSAM(kernel_size=3, alphabet=DNA_ALPHABET), 4, 4, 4)
    layer.check_window_change(LengthChange(-1, 0))
    with pytest.raises(ValueError, match="no output"):
        layer.check_window_change(LengthChange(-1, -1))
