"""Tests of the figures of cooperativities."""

import numpy as np
import pytest
import torch

from plotting.scenes import motif, pair, table
from pyprobound.cooperativity import Cooperativity, Spacing
from pyprobound.mode import Mode
from pyprobound.plotting import cooperativity, spacing
from pyprobound.plotting.pairs import (
    binding_names,
    pair_factors,
    spacing_factors,
    window_counts,
)


def test_factors_are_those_of_the_matrix():
    both = pair(max_overlap=1)
    frames = pair_factors(both)
    expected = both.get_log_spacing_matrix()[-1, -1].detach().double().exp().numpy()
    assert list(frames) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for (a, b), frame in frames.items():
        np.testing.assert_allclose(frame.to_numpy(), expected[a, b])
    assert frames[0, 0].index.name == "Window of Hox"
    assert frames[0, 0].columns.name == "Window of Exd"


def test_panels_are_strands_of_a_by_strands_of_b():
    both = pair(max_overlap=1)
    figure = cooperativity(both)
    for axes, frame in zip(figure.axes, pair_factors(both).values(), strict=False):
        shown = axes.images[0].get_array()
        np.testing.assert_array_equal(shown.filled(0), frame.to_numpy())
    assert [axes.get_title() for axes in figure.axes[:2]] == [
        "Exd Forward",
        "Exd Reverse",
    ]
    assert figure.axes[2].get_ylabel() == "Hox Reverse"


def test_lengths_choose_the_bias():
    data = table(40, 1, length=10, shortest=8)
    mode_a = Mode.from_psam(motif("ACGT"), data)
    mode_b = Mode.from_psam(motif("TTA"), data)
    both = Cooperativity(
        Spacing(mode_a.key(), mode_b.key()), mode_a, mode_b, train_posbias=True
    )
    with torch.no_grad():
        for diagonal in both.log_posbias:
            diagonal[0, 1] = 2.0
            diagonal[2, 2] = 3.0
    assert np.log(pair_factors(both, 5, 7)[0, 0].to_numpy()) == pytest.approx(2)
    assert np.log(pair_factors(both, 7, 8)[0, 0].to_numpy()) == pytest.approx(3)
    assert np.log(pair_factors(both)[0, 0].to_numpy()) == pytest.approx(3)
    for wrong in (0, 8, -9):
        with pytest.raises(ValueError, match="len_a must be from 1 to 7"):
            cooperativity(both, wrong)


def test_a_spacing_is_drawn_for_the_longest_sequence_it_covers():
    both = pair()
    assert both.spacing.max_num_windows == 17
    assert window_counts(both.spacing) == (17, 15)
    for own, bare in zip(
        pair_factors(both).values(), pair_factors(both.spacing).values(), strict=True
    ):
        np.testing.assert_array_equal(own, bare)


def test_lines_are_the_spacing_seen_from_the_forward_strand():
    both = pair(max_overlap=0)
    frames = spacing_factors(both)
    assert list(frames) == ["Exd Forward", "Exd Reverse"]
    expected = both.get_log_spacing()[0].detach().double().exp().numpy()
    np.testing.assert_allclose(
        [frame.to_numpy()[0] for frame in frames.values()], expected
    )
    columns = frames["Exd Forward"].columns
    assert columns.name == "Position of Exd relative to Hox"
    assert list(columns) == list(range(-16, 15))
    # The gap is where the motifs of 4 and 6 positions would overlap.
    blocked = columns[frames["Exd Forward"].to_numpy()[0] == 0]
    assert list(blocked) == list(range(-5, 4))


def test_swapped_names_mean_swapped_roles():
    both = pair(max_overlap=0, score_mode="both")
    swapped = spacing_factors(both, swap=True)
    assert list(swapped) == ["Hox Forward", "Hox Reverse"]
    columns = swapped["Hox Forward"].columns
    assert columns.name == "Position of Hox relative to Exd"
    # The same molecules, as Cooperativity(b, a) sees them.
    spacing_ba = Spacing(both.mode_b.key(), both.mode_a.key(), max_overlap=0)
    turned = Cooperativity(spacing_ba, both.mode_b, both.mode_a)
    width = spacing_ba.log_spacing.shape[1]
    with torch.no_grad():
        original = both.spacing.log_spacing
        spacing_ba.log_spacing[0] = original[0].flip(0)
        # On opposite strands offsets keep their sign, but count from the other ends.
        spacing_ba.log_spacing[1] = original[1].roll(2)
    expected = spacing_factors(turned)
    for name, frame in swapped.items():
        np.testing.assert_array_equal(frame.columns, expected[name].columns)
        shown = slice(2, width - 4)
        np.testing.assert_allclose(
            frame.to_numpy()[0][shown], expected[name].to_numpy()[0][shown], rtol=1e-6
        )


def test_one_strand_is_one_line():
    both = pair(1)
    assert list(spacing_factors(both)) == ["Exd"]
    assert len(cooperativity(both).axes) == 2
    assert len(spacing(both.spacing).axes[0].lines) == 2


def test_modes_with_one_name_or_none_are_told_apart():
    data = table(4, 1)
    for name, expected in (("Max", ("Max (a)", "Max (b)")), ("", ("a", "b"))):
        mode = Mode.from_psam(motif("ACGT", name=name), data)
        both = Cooperativity(Spacing(mode.key(), mode.key()), mode, mode)
        assert binding_names(both) == binding_names(both.spacing) == expected
