"""Tests of the figures of position biases."""

import numpy as np
import pytest
import torch

from plotting.scenes import biased_layer, motif, table
from pyprobound.layers import Conv0d, NonSpecific
from pyprobound.mode import Mode
from pyprobound.plotting import posbias
from pyprobound.plotting.bias import position_biases
from pyprobound.plotting.style import new_figure


def varied():
    return table(40, 1, length=14, shortest=8)


def test_values_are_the_exponential_of_the_bias():
    layer = biased_layer(varied())
    frames = position_biases(layer)
    assert list(frames) == ["Forward", "Reverse"]
    for channel, frame in enumerate(frames.values()):
        expected = layer.log_posbias[:, channel].detach().double().exp().numpy()
        np.testing.assert_allclose(frame.to_numpy(), expected)
        assert list(frame.index) == [str(i) for i in range(8, 15)]
        assert list(frame.columns) == list(range(11))


def test_shared_biases_are_shown_for_every_channel():
    frames = position_biases(biased_layer(bias_mode="same"))
    assert list(frames) == ["Forward", "Reverse"]
    np.testing.assert_array_equal(frames["Forward"], frames["Reverse"])


def test_mirrored_biases_are_shown_on_each_strand():
    frames = position_biases(biased_layer(bias_mode="reverse"))
    np.testing.assert_array_equal(
        frames["Forward"].to_numpy(), frames["Reverse"].to_numpy()[:, ::-1]
    )


def test_biases_of_all_lengths_are_one_row():
    frames = position_biases(biased_layer(varied(), length_specific_bias=False))
    assert list(frames["Forward"].index) == ["8 to 14"]
    figure = posbias(biased_layer(varied(), length_specific_bias=False), "line")
    assert len(figure.axes[0].lines) == 3


def test_only_chosen_channels_are_shown():
    assert list(position_biases(biased_layer(out_channel_indexing=[1]))) == ["Reverse"]


def test_channels_of_several_motifs_have_names():
    psam = motif("ACG", out_channels=4)
    mode = Mode.from_psam(psam, table(4, 1))
    assert list(position_biases(mode)) == [
        "Channel 0 Forward",
        "Channel 1 Forward",
        "Channel 1 Reverse",
        "Channel 0 Reverse",
    ]


def test_one_strand_is_one_line():
    mode = Mode.from_psam(motif("ACG", score_reverse=False), table(4, 1))
    assert list(position_biases(mode)) == ["Forward"]


def test_nonspecific_biases_are_shown_by_length():
    layer = Conv0d.from_nonspecific(NonSpecific(table(4, 1).alphabet), varied(), True)
    with torch.no_grad():
        layer.log_posbias[:, 0, 0] = torch.arange(7)
    (frame,) = position_biases(layer).values()
    np.testing.assert_allclose(frame.to_numpy()[:, 0], np.exp(np.arange(7)))
    assert len(posbias(layer).axes) == 2


def test_lines_or_colors_are_chosen_by_the_number_of_lengths():
    assert posbias(biased_layer()).axes[0].get_yscale() == "log"
    assert len(posbias(biased_layer()).axes[0].lines) == 3
    assert len(posbias(biased_layer(varied())).axes[0].images) == 1
    assert len(posbias(biased_layer(), "heatmap").axes[0].images) == 1


def test_a_part_of_a_figure_can_be_used():
    figure = new_figure(9, 4)
    part = figure.subfigures(1, 2)[1]
    assert posbias(biased_layer(), figure=part) is figure
    assert part.axes[0].get_ylabel()


def test_impossible_figures_are_refused():
    with pytest.raises(ValueError, match="7 probe lengths"):
        posbias(biased_layer(varied()), "line")
    with pytest.raises(ValueError, match="mode must be"):
        posbias(biased_layer(), "bars")
    mode = Mode.from_psam(motif("ACG"), table(4, 1))
    two = Mode([mode.layers[0]])
    two.layers.append(mode.layers[0])
    with pytest.raises(ValueError, match="2 layers"):
        posbias(two)
