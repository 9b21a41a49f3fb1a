"""Tests of the figures of motifs: what is drawn, where, and with which labels."""

import io
import itertools
import sys

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pyprobound.alphabets import DNA, RNA, Alphabet, Codon, Protein
from pyprobound.layers import PSAM
from pyprobound.plotting import logo, logomaker_plotter, pairwise_plotter


def motif(size=5, alphabet=None, **options):
    """A motif with random values, also of the pairs."""
    psam = PSAM(kernel_size=size, alphabet=alphabet or DNA(), **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in psam.betas.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return psam


@pytest.fixture
def ax():
    return Figure(layout="constrained").subplots()


def heights(drawn):
    """The signed height of each letter at each position: (letters, positions)."""
    signs = np.sign(drawn.df.to_numpy())
    sizes = drawn.glyph_df.map(lambda glyph: glyph.ceiling - glyph.floor)
    return (signs * sizes.to_numpy(dtype=float)).T


def x_labels(axes, minor=False):
    return [label.get_text() for label in axes.get_xticklabels(minor=minor)]


def y_labels(axes, minor=False):
    return [label.get_text() for label in axes.get_yticklabels(minor=minor)]


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba", dpi=50)
    return np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, 4)


def test_heights_of_letters_are_the_mean_centred_filter(ax):
    psam = motif()
    drawn = logomaker_plotter(ax, psam)
    values = psam.get_filter(0)[0].detach().double().numpy()
    expected = values - values.mean(axis=0)
    np.testing.assert_allclose(heights(drawn), expected, atol=1e-9)
    assert list(drawn.df.columns) == list("ACGT")
    assert ax.get_ylabel() == r"$-\Delta\Delta G/RT$"


def test_values_are_drawn_as_they_are_without_centring(ax):
    psam = motif(score_reverse=False)
    drawn = logomaker_plotter(ax, psam, mean_center=False)
    expected = psam.get_filter(0)[0].detach().double().numpy()
    np.testing.assert_allclose(heights(drawn), expected, atol=1e-9)


def test_letters_below_the_axis_stand_upright(ax):
    drawn = logomaker_plotter(ax, motif())
    assert (drawn.df.to_numpy() < 0).any()
    assert not any(glyph.flip for glyph in drawn.glyph_list)
    flipped = logomaker_plotter(ax, motif(), flip_below=True)
    assert any(glyph.flip for glyph in flipped.glyph_list)


def test_stacks_begin_at_the_axis_and_letters_do_not_overlap(ax):
    drawn = logomaker_plotter(ax, motif())
    for _, column in drawn.glyph_df.iterrows():
        glyphs = sorted(column, key=lambda glyph: glyph.floor)
        for lower, upper in itertools.pairwise(glyphs):
            assert lower.ceiling == pytest.approx(upper.floor)
        assert any(abs(glyph.floor) < 1e-9 for glyph in glyphs)


def test_the_reverse_complement_turns_letters_positions_and_labels(ax):
    psam = motif(symmetry=[1, 2, 3, 7, 5])
    drawn = logomaker_plotter(ax, psam, reverse=True)
    expected = psam.get_filter(0)[1].detach().double().numpy()
    np.testing.assert_allclose(
        heights(drawn), expected - expected.mean(axis=0), atol=1e-9
    )
    assert x_labels(ax) == ["5", "7", "3", "2", "1"]


def test_ticks_are_the_symmetry_ids(ax):
    logomaker_plotter(ax, motif(4, symmetry=[1, 2, -2, -1]))
    assert x_labels(ax) == ["1", "2", "-2", "-1"]
    assert list(ax.get_xticks()) == [0, 1, 2, 3]


def test_a_motif_without_preferences_is_an_empty_logo(ax):
    psam = motif()
    with torch.no_grad():
        for parameter in psam.parameters():
            parameter.zero_()
    drawn = logomaker_plotter(ax, psam)
    assert not heights(drawn).any()
    assert ax.get_ylim() == (-1, 1)


@pytest.mark.parametrize("alphabet", [DNA(), RNA(), Protein()], ids=repr)
def test_every_letter_of_an_alphabet_has_a_safe_color(ax, alphabet):
    drawn = logomaker_plotter(ax, motif(2, alphabet))
    palette = {"#009e73", "#0072b2", "#e69f00", "#d55e00", "#cc79a7", "#000000"}
    colors = {glyph.c: to_hex(glyph.color) for glyph in drawn.glyph_list}
    assert set(colors) == set(alphabet.alphabet)
    assert set(colors.values()) <= palette
    if len(colors) == 4:
        assert len(set(colors.values())) == 4


def test_letters_that_differ_in_case_have_their_own_colors(ax):
    drawn = logomaker_plotter(ax, motif(2, Alphabet("ACGTmg")))
    colors = {glyph.c: to_hex(glyph.color) for glyph in drawn.glyph_list}
    assert len(set(colors.values())) == 6


def test_bases_have_their_colors_among_modified_letters_too(ax):
    plain = logomaker_plotter(ax, motif(2))
    extended = logomaker_plotter(ax, motif(2, Alphabet("mACGTg")))
    colors, others = (
        {glyph.c: to_hex(glyph.color) for glyph in drawn.glyph_list}
        for drawn in (plain, extended)
    )
    assert {letter: others[letter] for letter in "ACGT"} == colors
    assert not {others["m"], others["g"]} & set(colors.values())
    letters = "ACGTBDEFHIKL"
    many = logomaker_plotter(ax, motif(2, Alphabet(letters)))
    assert {to_hex(glyph.color) for glyph in many.glyph_list} == {"#7f7f7f"}


def test_colors_of_the_alphabet_are_used(ax):
    scheme = {"x": "#123456"}
    drawn = logomaker_plotter(ax, motif(2, Alphabet("xy", color_scheme=scheme)))
    colors = {glyph.c: to_hex(glyph.color) for glyph in drawn.glyph_list}
    assert colors == {"x": "#123456", "y": "#7f7f7f"}
    named = logomaker_plotter(ax, motif(2, Alphabet("AC", color_scheme="grays")))
    assert to_hex(named.glyph_list[0].color) in {"#333333", "#666666"}
    given = logomaker_plotter(ax, motif(), color_scheme="red")
    assert {to_hex(glyph.color) for glyph in given.glyph_list} == {"#ff0000"}


def test_motifs_that_cannot_be_drawn_are_refused(ax):
    with pytest.raises(ValueError, match="one user channel"):
        logomaker_plotter(ax, PSAM(3, DNA(), out_channels=4))
    with pytest.raises(ValueError, match="alphabet"):
        logomaker_plotter(ax, PSAM(3, in_channels=4))
    with pytest.raises(ValueError, match="one character"):
        logomaker_plotter(ax, motif(2, Codon(), score_reverse=False))
    with pytest.raises(ValueError, match="no pair features"):
        pairwise_plotter(ax, motif())


def test_d62_letters_of_a_pair_map_belong_to_their_own_position(ax):
    psam = motif(4, pairwise_distance=2)
    image = pairwise_plotter(ax, psam)
    values = image.get_array()
    assert values.shape == (16, 16)
    for i, j in itertools.product(range(4), repeat=2):
        block = values[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
        distance = j - i
        if distance in (1, 2):
            expected = psam.get_filter(distance)[0, :, :, i].detach().double()
            np.testing.assert_allclose(block, expected)
        elif distance not in (-1, -2):
            assert block.mask.all()
    np.testing.assert_array_equal(values.mask, values.mask.T)
    np.testing.assert_array_equal(values.filled(0), values.filled(0).T)


def test_d62_labels_of_a_reversed_pair_map_are_reversed(ax):
    psam = motif(4, pairwise_distance=2)
    image = pairwise_plotter(ax, psam, reverse=True)
    expected = psam.get_filter(1)[1].detach().double().numpy()
    for i in range(3):
        block = image.get_array()[4 * i : 4 * i + 4, 4 * i + 4 : 4 * i + 8]
        np.testing.assert_allclose(block, expected[:, :, i])
    assert x_labels(ax) == y_labels(ax) == ["4", "3", "2", "1"]
    assert x_labels(ax, minor=True) == y_labels(ax, minor=True) == list("TGCA" * 4)


def test_the_colors_of_a_pair_map_are_symmetric_about_zero(ax):
    psam = motif(3, pairwise_distance=1)
    image = pairwise_plotter(ax, psam)
    low, high = image.get_clim()
    largest = max(
        float(p.detach().abs().max()) for k, p in psam.betas.items() if ":" in k
    )
    assert (low, high) == (-high, pytest.approx(largest))
    assert pairwise_plotter(ax, psam, vmax=9).get_clim()[1] == 9


def test_letters_of_large_pair_maps_are_not_labelled(ax):
    pairwise_plotter(ax, motif(20, pairwise_distance=1))
    assert x_labels(ax, minor=True) == []
    assert x_labels(ax) == [str(i) for i in range(1, 21)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("pairs", [0, 2])
def test_a_logo_is_a_figure_of_its_own_with_title_and_content(reverse, pairs):
    figure = logo(motif(pairwise_distance=pairs, name="Hox"), reverse=reverse)
    assert isinstance(figure, Figure)
    axes = figure.axes
    assert axes[0].get_title() == ("Hox (Reversed)" if reverse else "Hox")
    assert len(axes) == (3 if pairs else 1)
    image = pixels(figure)
    assert len(np.unique(image, axis=0)) > 4
    assert (image[:, 3] == 255).all()
    pyplot = sys.modules["matplotlib.pyplot"]  # logomaker imports it
    assert pyplot.get_fignums() == []


def test_labels_are_inside_the_figure_and_do_not_overlap():
    figure = logo(motif(40, name="A name"))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    for left, right in itertools.pairwise(boxes):
        assert left.x1 < right.x0
    texts = [axes.title, axes.xaxis.label, axes.yaxis.label]
    for box in boxes + [text.get_window_extent() for text in texts]:
        assert 0 <= box.x0 <= box.x1 <= figure.bbox.width
        assert 0 <= box.y0 <= box.y1 <= figure.bbox.height


def test_a_logo_can_be_drawn_into_axes(ax):
    psam = motif(pairwise_distance=1)
    assert logo(psam, ax=ax) is ax.get_figure()
    assert ax.get_figure().axes == [ax]


def test_the_gauge_is_fixed_without_changing_the_motif():
    psam = motif(4, pairwise_distance=2)
    before = {key: value.clone() for key, value in psam.state_dict().items()}
    figure = logo(psam)
    assert all(torch.equal(psam.state_dict()[key], before[key]) for key in before)

    psam.fix_gauge()
    expected = logo(psam, fix_gauge=False)
    for axes, other in zip(figure.axes[:2], expected.axes[:2], strict=True):
        for patch, twin in zip(axes.patches, other.patches, strict=True):
            np.testing.assert_allclose(
                patch.get_path().vertices, twin.get_path().vertices, atol=1e-5
            )
    images = [drawn.axes[1].images[0].get_array() for drawn in (figure, expected)]
    np.testing.assert_allclose(images[0].filled(9), images[1].filled(9), atol=1e-6)


def test_the_gauge_of_a_palindrome_with_pairs_can_be_fixed():
    psam = motif(4, symmetry=[1, 2, -2, -1], pairwise_distance=1)
    values = logo(psam).axes[1].images[0].get_array()
    block = values[:4, 4:8]
    np.testing.assert_allclose(block.mean(axis=0), 0, atol=1e-7)
    np.testing.assert_allclose(block.mean(axis=1), 0, atol=1e-7)


def test_strong_pairs_are_marked_with_their_sign(ax):
    image = pairwise_plotter(ax, motif(4, pairwise_distance=2), reverse=True)
    values = image.get_array().filled(0)
    limit = 0.25 * np.abs(values).max()
    for sign, name in ((1, "positive pairs"), (-1, "negative pairs")):
        (marks,) = [each for each in ax.collections if each.get_gid() == name]
        marked = {tuple(map(int, place)) for place in marks.get_offsets()}
        rows, columns = np.nonzero(sign * values >= limit)
        assert marked == set(zip(columns.tolist(), rows.tolist(), strict=True))
        assert marked


def test_signs_are_left_out_where_they_would_be_too_small(ax):
    pairwise_plotter(ax, motif(40, pairwise_distance=1))
    assert not ax.collections
