"""Every kind of figure, as a picture, next to the one that was approved by eye.

Run with PYPROBOUND_WRITE_BASELINES=1 to draw the pictures in ``baseline`` again; look at
them before they are committed.
"""

import io
import itertools
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from matplotlib.text import Text

from plotting.scenes import FIGURES

BASELINE = Path(__file__).parent / "baseline"
RESOLUTION = 50
# Squares of pixels are compared, so that a shift by a pixel does not matter.
SQUARE = 4
TOLERANCE = 4.0


def portable_network_graphics(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=RESOLUTION, metadata={"Software": None})
    return buffer.getvalue()


def pixels_of(content):
    """The pixels of a picture, of shape (height, width, 3), from 0 to 255."""
    return 255 * image.imread(io.BytesIO(content))[..., :3]


def squares(pixels):
    height, width = (size // SQUARE * SQUARE for size in pixels.shape[:2])
    shape = (height // SQUARE, SQUARE, width // SQUARE, SQUARE, 3)
    return pixels[:height, :width].reshape(shape).mean(axis=(1, 3))


def difference(first, second):
    """The root mean square over squares of pixels."""
    return float(np.sqrt(np.mean((squares(first) - squares(second)) ** 2)))


def texts(figure):
    """What is written on a figure, with the boxes around it."""
    figure.draw_without_rendering()
    shown = [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip()
    ]
    # Ticks beyond the limits of an axis exist but are not drawn.
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            labels = [label for tick in ticks for label in (tick.label1, tick.label2)]
            drawn = {id(tick) for tick in axis._update_ticks()}
            kept = {
                id(label)
                for tick in ticks
                if id(tick) in drawn
                for label in (tick.label1, tick.label2)
            }
            hidden = {id(label) for label in labels} - kept
            shown = [text for text in shown if id(text) not in hidden]
    return [(text.get_text(), text.get_window_extent()) for text in shown]


@pytest.fixture(scope="module", params=FIGURES)
def drawn(request):
    """The name of a figure, the figure, and its picture; each is drawn once."""
    figure = FIGURES[request.param]()
    # The layout of a figure can move a little whenever it is drawn again.
    return request.param, figure, portable_network_graphics(figure)


def test_pictures_look_as_approved(drawn):
    name, _, content = drawn
    path = BASELINE / f"{name}.png"
    if os.environ.get("PYPROBOUND_WRITE_BASELINES"):
        path.write_bytes(content)
    pixels, expected = pixels_of(content), pixels_of(path.read_bytes())
    assert pixels.shape == expected.shape
    assert difference(pixels, expected) < TOLERANCE


def test_texts_are_inside_of_the_figure_and_do_not_overlap(drawn):
    _, figure, _ = drawn
    boxes = texts(figure)
    assert boxes
    width, height = figure.bbox.size
    for text, box in boxes:
        assert -0.5 <= box.x0 <= box.x1 <= width + 0.5, text
        assert -0.5 <= box.y0 <= box.y1 <= height + 0.5, text
    for (text, box), (other, its) in itertools.combinations(boxes, 2):
        # A box has some room above and below its letters.
        shared_width = min(box.x1, its.x1) - max(box.x0, its.x0)
        shared_height = min(box.y1, its.y1) - max(box.y0, its.y0)
        assert min(shared_width, shared_height) < 2, (text, other)


def test_no_panel_is_empty(drawn):
    _, figure, _ = drawn
    for axes in figure.axes:
        content = [*axes.lines, *axes.collections, *axes.patches, *axes.images]
        assert content


def test_figures_do_not_touch_global_state(drawn):
    # Logomaker imports pyplot.
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


@pytest.mark.parametrize("part", ["label", "line"])
def test_pictures_without_a_label_or_a_line_are_refused(part):
    figure = FIGURES["spacing"]()
    expected = pixels_of((BASELINE / "spacing.png").read_bytes())
    axes = figure.axes[0]
    missing = axes.lines[1] if part == "line" else axes.xaxis.label
    # It keeps its place, so that only what is missing differs.
    missing.set_color("white")
    pixels = pixels_of(portable_network_graphics(figure))
    assert difference(pixels, expected) > TOLERANCE
