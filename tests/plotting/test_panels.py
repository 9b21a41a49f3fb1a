"""Tests of panels of lines and colours."""

import itertools
import os
import subprocess
import sys
import types

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from plotting.scenes import frames
from pyprobound.plotting import heatmap_plotter, line_plotter, plot_ticks, style
from pyprobound.plotting.style import (
    colors,
    fold_norm,
    new_figure,
    plain_number,
    set_log_limits,
    set_log_ticks,
    shortened,
    title_with,
)


@pytest.fixture
def ax():
    return Figure(figsize=(6, 3)).subplots()


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_ticks_of_successive_integers_are_round(ax):
    assert plot_ticks(ax, range(-17, 18), "x") is ax
    assert tick_texts(ax.xaxis) == [str(i) for i in range(-15, 16, 5)]
    assert [int(place) for place in ax.get_xticks()] == list(range(2, 33, 5))


def test_all_ticks_are_shown_where_there_is_room(ax):
    plot_ticks(ax, ["a", "b", "c"], "y")
    assert tick_texts(ax.yaxis) == ["a", "b", "c"]
    assert list(ax.get_yticks()) == [0, 1, 2]


def test_some_of_many_other_ticks_are_shown(ax):
    plot_ticks(ax, [f"n{i}" for i in range(100)], "x")
    assert tick_texts(ax.xaxis) == [f"n{i}" for i in range(0, 100, 20)]
    plot_ticks(ax, [17], "x")
    assert tick_texts(ax.xaxis) == ["17"]


def test_ticks_of_an_unknown_axis_are_refused(ax):
    with pytest.raises(ValueError, match="axis must be"):
        plot_ticks(ax, [1], "z")


def test_lines_are_the_rows_with_gaps_at_zeros(ax):
    rows = {name: frame.iloc[1:2] for name, frame in frames().items()}
    assert line_plotter(rows, "Title", ax=ax) is ax.get_figure()
    for name, row in rows.items():
        (line,) = [line for line in ax.lines if line.get_label() == name]
        expected = row.to_numpy()[0]
        np.testing.assert_array_equal(
            line.get_ydata(), np.where(expected > 0, expected, np.nan)
        )
    assert ax.get_yscale() == "log"
    assert ax.get_title() == "Title"
    assert ax.get_xlabel() == "Column"


def test_frames_that_are_no_lines_are_refused():
    with pytest.raises(ValueError, match="5 rows"):
        line_plotter(frames())
    with pytest.raises(ValueError, match="no data frame"):
        line_plotter({})
    one, two = pd.DataFrame([[1.0]]), pd.DataFrame([[1.0]], columns=[7])
    with pytest.raises(ValueError, match="different columns"):
        line_plotter({"one": one, "two": two})


def test_heatmaps_share_a_scale_that_is_symmetric_about_one():
    figure = heatmap_plotter(frames(), "Title")
    images = [axes.images[0] for axes in figure.axes[:2]]
    low, high = images[0].get_clim()
    assert images[1].get_clim() == (low, high)
    assert low * high == pytest.approx(1)
    values = np.concatenate([frame.to_numpy().ravel() for frame in frames().values()])
    folds = np.abs(np.log(values[values > 0]))
    assert np.log(high) == pytest.approx(folds.max())
    for drawn, frame in zip(images, frames().values(), strict=True):
        shown = drawn.get_array()
        np.testing.assert_array_equal(shown.mask, ~(frame.to_numpy() > 0))
        np.testing.assert_array_equal(shown.compressed(), frame.to_numpy()[~shown.mask])


def test_heatmaps_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no data frame"):
        heatmap_plotter({})
    with pytest.raises(ValueError, match="without values"):
        heatmap_plotter({"a": pd.DataFrame()})


def test_figures_can_be_drawn_into_parts_of_others():
    figure = new_figure(8, 8)
    left, right = figure.subfigures(1, 2)
    assert heatmap_plotter(frames(), figure=left) is figure
    assert heatmap_plotter(frames(), figure=right) is figure
    assert len(left.axes) == len(right.axes) == 3


def test_factors_without_differences_have_a_scale():
    norm = fold_norm(np.ones(3))
    assert (norm.vmin, norm.vmax) == (pytest.approx(1 / 1.5), pytest.approx(1.5))


@pytest.mark.parametrize(
    "values", [[1, 1], [1e-9, 1e9], [2, 3], [0, np.inf], [4000, 90000], [3e-4, 9e-4]]
)
def test_log_axes_hold_all_values_and_have_a_few_ticks(values, ax):
    set_log_limits(ax, "x", np.array(values, dtype=float))
    low, high = ax.get_xlim()
    positive = [value for value in values if 0 < value < np.inf]
    assert all(low < value < high for value in positive)
    ax.get_figure().draw_without_rendering()
    shown = [
        label.get_text()
        for place, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        if low <= place <= high
    ]
    assert 2 <= len(shown) <= 9
    assert not any("e+" in text or "e-" in text for text in shown)


def test_many_series_and_long_names_fit():
    assert len({str(color) for color in colors(20)}) == 20
    assert shortened("a\n  b") == "a b"
    assert len(shortened("x" * 90)) == 44
    assert shortened("x" * 90, 5) == "xxxx…"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5e-4, r"$5\times10^{-4}$"),
        (1e-4, "$10^{-4}$"),
        (1.5e-7, r"$1.5\times10^{-7}$"),
        (1e-3, "0.001"),
        (0.25, "0.25"),
        (9000, "9000"),
        (12500, r"$1.25\times10^{4}$"),
    ],
)
def test_numbers_of_log_axes_are_plain_or_powers(value, text):
    assert plain_number(value) == text


@pytest.mark.parametrize("low", np.geomspace(1, 9.9, 5))
@pytest.mark.parametrize("fold", [1.05, 2.2, 2.3, 4.9, 9.9, 90])
def test_log_axes_of_any_range_have_ticks_that_do_not_touch(low, fold):
    axes = Figure(figsize=(4, 3)).subplots()
    axes.set(xscale="log", xlim=(low, low * fold))
    set_log_ticks(axes.xaxis, low, low * fold)
    axes.figure.draw_without_rendering()
    boxes = [
        label.get_window_extent()
        for place, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        if low <= place <= low * fold
    ]
    assert len(boxes) >= 2
    for left, right in itertools.pairwise(boxes):
        assert left.x1 < right.x0


def test_titles_name_what_models_only_number():
    assert title_with("Experiment", "0", "5 bins") == "Experiment 0 (5 bins)"
    assert title_with("Experiment", "CTCF", "5 bins") == "CTCF (5 bins)"
    assert title_with("Experiment", "", "bins") == "Bins"


# --- pyplot ----------------------------------------------------------------------


class FakePyplot(types.ModuleType):
    """As much of pyplot as new figures need."""

    def __init__(self, *, failure=None, open_figures=()):
        super().__init__("matplotlib.pyplot")
        self.made, self.failure, self.open_figures = [], failure, list(open_figures)

    def figure(self, **options):
        if self.failure is not None:
            raise self.failure
        self.made.append(Figure(**options))
        return self.made[-1]

    def get_fignums(self):
        return self.open_figures


def use(monkeypatch, pyplot, *, is_ours=False):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    monkeypatch.setattr(mpl, "pyplot", pyplot, raising=False)
    monkeypatch.setattr(style, "_pyplot_is_ours", is_ours)
    return pyplot


def test_scripts_with_pyplot_get_figures_that_it_knows(monkeypatch):
    pyplot = use(monkeypatch, FakePyplot())
    figure = new_figure(3, 2)
    assert pyplot.made == [figure]
    assert figure.get_size_inches().tolist() == [3, 2]


def test_pyplot_is_left_alone_if_only_logomaker_imported_it(monkeypatch):
    pyplot = use(monkeypatch, FakePyplot(), is_ours=True)
    new_figure(3, 2)
    assert pyplot.made == []
    # Somebody else has come to use it.
    pyplot.open_figures = [1]
    new_figure(3, 2)
    assert len(pyplot.made) == 1


def test_notebooks_get_figures_that_pyplot_knows(monkeypatch):
    pyplot = use(monkeypatch, FakePyplot(), is_ours=True)
    shell = types.SimpleNamespace(get_ipython=lambda: object())
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert pyplot.made == [] != [new_figure(3, 2)] == pyplot.made


def test_a_backend_without_its_display_is_no_reason_to_fail(monkeypatch):
    use(monkeypatch, FakePyplot(failure=ImportError("cannot load backend 'TkAgg'")))
    assert isinstance(new_figure(3, 2), Figure)


@pytest.mark.parametrize("first", ["pyplot", "pyprobound"])
def test_scripts_of_1_5_that_save_the_current_figure_find_it(tmp_path, first):
    imports = ["import matplotlib.pyplot as plt", "from pyprobound import plotting"]
    script = "\n".join(
        [
            *(imports if first == "pyplot" else reversed(imports)),
            "from pyprobound.alphabets import DNA",
            "from pyprobound.layers import PSAM",
            "for _ in range(2):",
            "    figure = plotting.logo(PSAM(3, DNA(), name='Factor'))",
            "    assert plt.gcf() is figure",
            f"    plt.savefig({str(tmp_path / 'logo.svg')!r})",
            "    plt.close()",
        ]
    )
    environment = os.environ | {"MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert "<svg" in (tmp_path / "logo.svg").read_text()
