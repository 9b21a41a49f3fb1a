"""Tests of the fits of a model to independent measurements."""

import copy
import itertools
import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import logsigmoid

from pyprobound import (
    Aggregate,
    Cooperativity,
    CountBatch,
    CountTable,
    Mode,
    Spacing,
)
from pyprobound.alphabets import DNA
from pyprobound.fitting import BaseFit, Fit, LogFit
from pyprobound.fitting.figure import Points
from pyprobound.layers import PSAM, NonSpecific
from pyprobound.rounds import BoundRound, InitialRound

LENGTH = 8


def sequences(n_rows, length=LENGTH, seed=0):
    generator = np.random.default_rng(seed)
    letters = generator.choice(list("ACGT"), (n_rows, length))
    return ["".join(row) for row in letters]


def table_of(columns, length=LENGTH, seed=0, seqs=None):
    columns = np.column_stack(columns)
    index = sequences(len(columns), length, seed) if seqs is None else seqs
    return CountTable(pd.DataFrame(columns, index=index), DNA())


def make_round(train_posbias=False, log_activity=-1.0):
    """A round of a motif of three letters and of non-specific binding."""
    torch.manual_seed(0)
    psam = PSAM(3, DNA(), name="motif")
    with torch.no_grad():
        for values in psam.betas.values():
            values.copy_(torch.randn_like(values))
    prev = table_of([np.ones(2)])
    modes = [
        Mode.from_nonspecific(NonSpecific(DNA(), name="nonspecific"), prev),
        Mode.from_psam(psam, prev, train_posbias=train_posbias),
    ]
    bound = BoundRound.from_binding(modes, InitialRound(), log_depth=0.7)
    for contribution, shift in zip(bound.aggregate.contributions, (-2, 0), strict=True):
        with torch.no_grad():
            contribution.log_activity.fill_(log_activity + shift)
    if train_posbias:
        with torch.no_grad():
            modes[1].layers[0].log_posbias.normal_()
    return bound


def truth(rnd, n_rows=40, seed=1):
    """Sequences and the shares of them that are bound."""
    seqs = sequences(n_rows, seed=seed)
    table = table_of([np.ones(n_rows)], seqs=seqs)
    with torch.no_grad():
        log_z = rnd.log_aggregate(table.seqs).double().numpy()
    return seqs, log_z, 1 / (1 + np.exp(-log_z))


@pytest.fixture
def fit_of(tmp_path):
    def make(kind, rnd, table, prediction=None, **options):
        default = torch.sigmoid if kind is Fit else logsigmoid
        return kind(
            rnd,
            table,
            prediction or default,
            checkpoint=tmp_path / "valmodel.pt",
            device="cpu",
            **options,
        )

    return make


# --- construction ----------------------------------------------------------------


def test_the_original_round_is_not_touched(fit_of):
    rnd = make_round()
    before = copy.deepcopy(rnd.state_dict())
    trainable = [p.requires_grad for p in rnd.parameters()]
    seqs, _, share = truth(rnd, 10)
    fit = fit_of(Fit, rnd, table_of([2 * share], seqs=seqs))
    fit.fit()
    assert fit.model is not rnd
    assert fit.model.log_depth.item() == 0
    assert not fit.model.train_depth
    after = rnd.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [p.requires_grad for p in rnd.parameters()] == trainable
    assert rnd.train_depth
    assert rnd.log_depth.item() == pytest.approx(0.7)


@pytest.mark.parametrize("kind", [Fit, LogFit])
def test_predictions_without_offset_are_those_of_the_model(fit_of, kind):
    rnd = make_round()
    seqs, _, share = truth(rnd)
    table = table_of([share], seqs=seqs)
    fit = fit_of(kind, rnd, table)
    observed, predicted, lower, upper = fit.score(table)
    assert lower is None
    assert upper is None
    expected = torch.from_numpy(share if kind is Fit else np.log(share)).float()
    torch.testing.assert_close(observed, expected)
    torch.testing.assert_close(predicted, expected, rtol=1e-5, atol=1e-5)
    loss = fit([table])
    assert loss.negloglik.dtype == torch.float64
    assert float(loss.negloglik) == pytest.approx(0, abs=1e-9)
    assert float(loss.regularization) == 0


def test_an_aggregate_is_fitted_as_a_round_is(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd)
    table = table_of([share], seqs=seqs)
    of_round = fit_of(Fit, rnd, table).score(table)
    of_aggregate = fit_of(Fit, rnd.aggregate, table)
    assert isinstance(of_aggregate.model, Aggregate)
    torch.testing.assert_close(of_aggregate.score(table)[1], of_round[1])


def test_measured_energies_may_be_negative(fit_of):
    rnd = make_round()
    seqs, log_z, _ = truth(rnd)
    energies = 1.8 - log_z
    assert energies.min() < 0 < energies.max()
    table = table_of([energies, np.full(len(energies), 0.3)], seqs=seqs)
    fit = fit_of(Fit, rnd, table, lambda z: 1.8 - z, weighting="variance")
    observed, predicted, lower, upper = fit.score(table)
    torch.testing.assert_close(predicted, observed, rtol=1e-4, atol=1e-5)
    # Error bars surround their values, and are not folded at zero.
    torch.testing.assert_close(observed - lower, torch.full_like(observed, 0.3))
    torch.testing.assert_close(upper - observed, torch.full_like(observed, 0.3))
    assert float(fit([table]).negloglik) == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="not a positive number"):
        fit_of(LogFit, rnd, table)


def test_split_rows_give_the_same_values(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd)
    table = table_of([share * 1.3, share * 0.1, share * 0.2], seqs=seqs)
    whole, split = (
        fit_of(Fit, rnd, table, max_split=size, train_offset=True) for size in (None, 7)
    )
    for one, other in zip(whole.score(table), split.score(table), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(
        split([table]).negloglik.detach(), whole([table]).negloglik.detach()
    )


def test_nothing_is_described(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd)
    assert fit_of(Fit, rnd, table_of([share], seqs=seqs)).get_setup_string() == ""


def test_a_table_of_another_length_needs_a_new_construct(fit_of):
    rnd = make_round(train_posbias=True)
    longer = table_of([np.linspace(0.1, 0.9, 12)], length=LENGTH + 3)
    with pytest.raises(RuntimeError, match="input_shape"):
        fit_of(Fit, rnd, longer)
    fit = fit_of(Fit, rnd, longer, update_construct=True)
    layer = fit.model.aggregate.contributions[1].binding.layers[0]
    assert layer.input_shape == LENGTH + 3
    assert layer.log_posbias.shape[-1] == LENGTH + 1
    assert not layer.log_posbias.any()
    original = rnd.aggregate.contributions[1].binding.layers[0]
    assert original.input_shape == LENGTH
    assert original.log_posbias.all()


def test_cooperativity_is_adapted_to_a_table_of_another_length(fit_of):
    prev = table_of([np.ones(2)])
    modes = [
        Mode.from_psam(PSAM(size, DNA(), name=str(size)), prev, train_posbias=True)
        for size in (3, 2)
    ]
    spacing = Spacing(modes[0].key(), modes[1].key())
    together = Cooperativity(spacing, *modes, train_posbias=True)
    with torch.no_grad():
        for bias in together.log_posbias:
            bias.fill_(0.3)
    rnd = BoundRound.from_binding([*modes, together], InitialRound())
    for contribution in rnd.aggregate.contributions:
        with torch.no_grad():
            contribution.log_activity.fill_(-1)
    longer = table_of([np.linspace(0.1, 0.9, 12)], length=LENGTH + 3)
    fit = fit_of(Fit, rnd, longer, update_construct=True, train_hill=True)
    adapted = fit.model.aggregate.contributions[2].binding
    assert adapted.train_hill
    assert not together.train_hill
    # A bias for each offset of the windows, of which there are more now.
    assert len(list(adapted.log_posbias)) > len(list(together.log_posbias))
    assert not any(bias.any() for bias in adapted.log_posbias)
    assert all(bias.all() for bias in together.log_posbias)
    assert fit.score(longer)[1].isfinite().all()
    fit.fit()
    assert adapted.log_hill.requires_grad
    assert not any(p.requires_grad for p in adapted.spacing.parameters())


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ([[0.5, 0.6]] * 4, {}, "4 columns"),
        ([[0.5, 0.6], [0.1, 0.0]], {}, "Row 1 .* without length"),
        ([[0.5, 0.6]], {"weighting": "none"}, "weighting"),
        ([[0.5, 0.6]], {"offset_columns": "first"}, "offset_columns"),
        (
            [[0.5, 0.6]],
            {"observation": lambda y: torch.log(y - 0.55)},
            "Row 0 .* finite number",
        ),
    ],
)
def test_impossible_arguments_are_explained(fit_of, columns, options, message):
    with pytest.raises(ValueError, match=message):
        fit_of(Fit, make_round(), table_of(columns), **options)


def test_the_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseFit(make_round(), table_of([[1.0, 2.0]]), torch.exp)


# --- errors ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Fit, LogFit])
def test_ends_of_error_bars_are_observed_and_sorted(fit_of, kind):
    rnd = make_round()
    values, below, above = [0.5, 0.8], [0.1, 0.2], [0.3, 0.1]
    table = table_of([values, below, above])
    fit = fit_of(kind, rnd, table, observation=torch.reciprocal)
    _, _, lower, upper = fit.score(table)
    expected_low = torch.tensor([1 / 0.8, 1 / 0.9])
    expected_high = torch.tensor([1 / 0.4, 1 / 0.6])
    if kind is LogFit:
        expected_low, expected_high = expected_low.log(), expected_high.log()
    torch.testing.assert_close(lower, expected_low)
    torch.testing.assert_close(upper, expected_high)


def test_an_infinite_error_makes_a_row_irrelevant(fit_of):
    # The error bar of the log of 0.5 - 0.5.
    table = table_of([[0.5, 0.4], [0.5, 0.1]])
    only = table_of([[0.4], [0.1]], seqs=sequences(2)[1:])
    rnd = make_round()
    both = fit_of(LogFit, rnd, table)([table]).negloglik
    one = fit_of(LogFit, rnd, only)([only]).negloglik
    assert float(both) == pytest.approx(float(one) / 2)


def test_d58_errors_are_weights_by_default_and_variances_on_request(fit_of):
    rnd = make_round()
    values, errors = np.array([0.5, 0.8, 0.3]), np.array([0.1, 0.2, 0.05])
    table = table_of([values, errors])
    by_error, by_variance = (
        fit_of(Fit, rnd, table, weighting=weighting)
        for weighting in ("error", "variance")
    )
    predicted = by_error.score(table)[1].double().numpy()
    squares = (values - predicted) ** 2
    assert float(by_error([table]).negloglik) == pytest.approx(
        float((squares / errors).mean()), rel=1e-5
    )
    assert float(by_variance([table]).negloglik) == pytest.approx(
        float((squares / errors**2).mean()), rel=1e-5
    )
    default = fit_of(Fit, rnd, table)
    assert float(default([table]).negloglik) == float(by_error([table]).negloglik)


# --- offset ----------------------------------------------------------------------


def test_offsets_start_at_the_range_of_the_table(fit_of):
    rnd = make_round()
    table = table_of([[0.5, 1.5, 1.0], [0.1, 0.2, 0.1]])
    linear = fit_of(Fit, rnd, table, train_offset=True)
    assert linear.scale.item() == pytest.approx(1.4)
    assert linear.intercept.item() == pytest.approx(0.1)
    assert linear.scale.requires_grad
    assert linear.intercept.requires_grad
    log = fit_of(LogFit, rnd, table, train_offset=True)
    assert log.scale.item() == pytest.approx(math.log(1.4))
    assert log.intercept.item() == pytest.approx(math.log(0.1))
    of_values = fit_of(LogFit, rnd, table, train_offset=True, offset_columns="target")
    assert of_values.scale.item() == pytest.approx(0)
    assert of_values.intercept.item() == pytest.approx(math.log(0.5))


def test_d59_offsets_are_on_the_device_of_the_model(tmp_path):
    rnd = make_round()
    table = table_of([[0.5, 1.5, 1.0]])
    for kind in (Fit, LogFit):
        made = kind(
            rnd,
            table,
            torch.sigmoid,
            train_offset=True,
            checkpoint=tmp_path / "v.pt",
            device="cpu",
        )
        assert made.scale.device == made.optimizer.device
        assert made.intercept.device == made.optimizer.device


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_d60_a_log_fit_refuses_targets_without_a_log(fit_of, value):
    table = table_of([[0.5, 1.0, 1.0]])
    options = {"observation": lambda y: torch.where(y == 0.5, value, y)}
    with pytest.raises(ValueError, match=r"Row 0 .* not a positive number"):
        fit_of(LogFit, make_round(), table, **options)


@pytest.mark.parametrize("columns", [[[0.5, 0.5]], [[0.5, 0.9], [0.1, 0.0]]])
def test_d60_a_log_fit_refuses_offsets_without_a_log(fit_of, columns):
    with pytest.raises(ValueError, match=r"train_offset=False|without length"):
        fit_of(LogFit, make_round(), table_of(columns), train_offset=True)


@settings(deadline=None, max_examples=30)
@given(scale=st.floats(-2, 2), intercept=st.floats(-3, 2))
def test_the_offset_of_a_log_fit_is_a_sum_of_shares(scale, intercept):
    rnd = make_round()
    seqs, _, share = truth(rnd, 5)
    table = table_of([share], seqs=seqs)
    fit = LogFit(rnd, table, logsigmoid, device="cpu", checkpoint="unused.pt")
    with torch.no_grad():
        fit.scale.fill_(scale)
        fit.intercept.fill_(intercept)
    predicted = fit.score(table)[1].exp().double().numpy()
    expected = math.exp(intercept) + math.exp(scale) * share
    np.testing.assert_allclose(predicted, expected, rtol=1e-4)


# --- training --------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Checkpoint file")
@pytest.mark.parametrize("kind", [Fit, LogFit])
def test_a_fit_recovers_activities_and_offset(fit_of, kind):
    rnd = make_round(log_activity=0.5)
    seqs, _, share = truth(rnd, 60)
    table = table_of([3 * share + 0.2], seqs=seqs)
    start = make_round(log_activity=-1.5)
    fit = fit_of(kind, start, table, train_offset=True, name="fit")
    with torch.no_grad():
        before = float(fit([table]).negloglik)
    loss = fit.fit()
    assert float(loss) < min(1e-4, before / 100)
    with torch.no_grad():
        assert float(fit([table]).negloglik) == pytest.approx(float(loss), rel=1e-6)
    observed, predicted, _, _ = fit.score(table)
    torch.testing.assert_close(predicted, observed, rtol=0.02, atol=0.02)
    motif, original = (
        each.aggregate.contributions[1].binding.layers[0].layer_spec
        for each in (fit.model, start)
    )
    for one, other in zip(motif.parameters(), original.parameters(), strict=True):
        assert torch.equal(one, other)
        assert not one.requires_grad
    saved = torch.load(fit.optimizer.checkpoint, weights_only=True)["state_dict"]
    assert saved["scale"] == fit.scale


@pytest.mark.filterwarnings("ignore:Checkpoint file")
def test_only_what_belongs_to_the_experiment_is_trained(fit_of):
    cooperative = make_round()
    with torch.no_grad():
        cooperative.aggregate.contributions[1].binding.log_hill.fill_(0.7)
    seqs, _, share = truth(cooperative)
    table = table_of([share], seqs=seqs)
    fit = fit_of(Fit, make_round(), table, train_hill=True, train_posbias=True)
    fit.fit()
    trained = {name for name, p in fit.named_parameters() if p.requires_grad}
    ends = {name.rsplit(".", 1)[-1] for name in trained}
    assert ends == {"log_activity", "log_hill", "log_posbias"}
    untrained = {name for name, p in fit.named_parameters() if not p.requires_grad}
    assert any(name.endswith("log_depth") for name in untrained)
    assert any(".betas." in name for name in untrained)
    hill = fit.model.aggregate.contributions[1].binding.log_hill
    assert hill.item() > 0.1


@pytest.mark.filterwarnings("ignore:Checkpoint file")
def test_hill_coefficients_and_position_biases_stay_by_default(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd)
    fit = fit_of(Fit, rnd, table_of([share**1.5], seqs=seqs))
    fit.fit()
    for contribution in fit.model.aggregate.contributions:
        assert contribution.binding.log_hill == 0
        assert not contribution.binding.layers[0].log_posbias.any()


@pytest.mark.filterwarnings("ignore:Checkpoint file")
def test_each_stage_lowers_the_loss(fit_of, monkeypatch):
    rnd = make_round(log_activity=0.5)
    seqs, _, share = truth(rnd, 30)
    generator = np.random.default_rng(0)
    noisy = 2 * share * np.exp(0.1 * generator.standard_normal(30))
    table = table_of([noisy, 0.1 * noisy], seqs=seqs)
    fit = fit_of(LogFit, make_round(), table, train_offset=True, train_posbias=True)
    fit.optimizer._trainer.epochs = 2  # enough for this test
    losses = []
    train = fit.optimizer.train_simultaneous

    def record(best_loss):
        losses.append((float(best_loss), float(train(best_loss))))
        return losses[-1][1]

    monkeypatch.setattr(fit.optimizer, "train_simultaneous", record)
    final = float(fit.fit())
    assert len(losses) == 25 + 2
    starts = [reached for _, reached in losses[:25]]
    (before_2, after_2), (before_3, after_3) = losses[25:]
    assert before_2 == min(starts)
    assert after_2 <= before_2
    assert before_3 == after_2
    assert final == after_3 <= before_3


@pytest.mark.filterwarnings("ignore:Checkpoint file")
def test_an_intercept_of_zero_has_one_start(fit_of, monkeypatch):
    rnd = make_round()
    seqs, _, share = truth(rnd, 10)
    share[0] = 0
    with pytest.warns(UserWarning, match="count"):
        table = table_of([share], seqs=seqs)
    fit = fit_of(Fit, rnd, table, train_offset=True)
    calls = []
    train = fit.optimizer.train_simultaneous
    monkeypatch.setattr(
        fit.optimizer,
        "train_simultaneous",
        lambda best: calls.append(best) or train(best),
    )
    fit.fit()
    assert len(calls) == 5 + 2


def test_an_activity_of_zero_is_refused_before_training(fit_of):
    rnd = make_round()
    with torch.no_grad():
        rnd.aggregate.contributions[0].log_activity.fill_(-math.inf)
    seqs, _, share = truth(rnd, 10)
    fit = fit_of(Fit, rnd, table_of([share], seqs=seqs), train_offset=True)
    with pytest.raises(ValueError, match="-inf"):
        fit.fit()
    assert fit.optimizer.n_evaluations == 0


@pytest.mark.filterwarnings("ignore:Checkpoint file")
def test_predictions_that_are_no_numbers_are_reported(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 10)
    fit = fit_of(
        Fit,
        rnd,
        table_of([share], seqs=seqs),
        prediction=lambda log_z: log_z * math.nan,
        train_offset=True,
    )
    with pytest.raises(ValueError, match="prediction"):
        fit.fit()


def test_a_fit_without_anything_to_train_is_an_evaluation(fit_of):
    rnd = make_round()
    for contribution in rnd.aggregate.contributions:
        contribution.train_activity = False
    seqs, _, share = truth(rnd)
    fit = fit_of(Fit, rnd, table_of([share + 0.1], seqs=seqs))
    assert float(fit.fit()) == pytest.approx(0.01, rel=1e-4)
    assert fit.optimizer.n_evaluations == 0


# --- figure ----------------------------------------------------------------------


def legend_of(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


@pytest.mark.parametrize("kind", [Fit, LogFit])
def test_the_figure_shows_observations_against_predictions(fit_of, kind):
    rnd = make_round()
    seqs, _, share = truth(rnd)
    fit = fit_of(kind, rnd, table_of([2 * share], seqs=seqs), name="Assay")
    figure = fit.plot()
    ax = figure.axes[0]
    assert ax.get_title() == "Assay (40 probes)"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Predicted", "Observed")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert ax.get_xlim() == ax.get_ylim()
    shown = np.asarray(ax.collections[0].get_offsets())
    np.testing.assert_allclose(shown[:, 0], share, rtol=1e-4)
    np.testing.assert_allclose(shown[:, 1], 2 * share, rtol=1e-4)
    rank, pearson, line = legend_of(figure)
    assert rank == "$r_s$ = 1.000"
    assert pearson == "$r$ = 1.000"
    assert line == f"y = 1x + {math.log10(2):.3g}"


def test_axes_are_linear_if_a_value_is_not_positive(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 20)
    with pytest.warns(UserWarning, match="count"):
        table = table_of([np.where(share == share.max(), 0, share)], seqs=seqs)
    ax = fit_of(Fit, rnd, table).plot().axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "linear"


def test_one_axis_can_be_logarithmic(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 20)
    ax = fit_of(Fit, rnd, table_of([share], seqs=seqs)).plot(ylog=False).axes[0]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert ax.get_xlim() == ax.get_ylim()


@pytest.mark.parametrize("logarithmic", [True, False])
def test_many_points_are_a_map(fit_of, logarithmic):
    rnd = make_round()
    seqs, _, share = truth(rnd, 600)
    fit = fit_of(Fit, rnd, table_of([share], seqs=seqs))
    figure = fit.plot(xlog=logarithmic, ylog=logarithmic)
    ax, bar = figure.axes
    assert ax.collections[0].get_array().sum() == 600
    assert bar.get_ylabel() == "Probes"
    assert ax.get_title() == "(600 probes)"
    with_colors = fit.plot(colors=["red"] * 600)
    assert len(with_colors.axes) == 1
    binned = fit.plot(kernel=200)
    assert binned.axes[0].get_title() == "(3 bins of n=200)"


def test_labels_colors_and_axes_can_be_given(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 3)
    fit = fit_of(Fit, rnd, table_of([share], seqs=seqs))
    own = mpl.figure.Figure()
    axes = own.subplots(1, 2)
    figure = fit.plot(
        "x", "y", labels=["a", "b", "c"], colors=["red", "blue", "red"], ax=axes[1]
    )
    assert figure is own
    assert [text.get_text() for text in axes[1].texts] == ["a", "b", "c"]
    colors = axes[1].collections[0].get_facecolors()
    np.testing.assert_allclose(colors[0], mpl.colors.to_rgba("red", 0.5))
    assert not axes[0].collections
    for options in ({"labels": ["a"]}, {"colors": ["red"]}, {"labels": "abc"}):
        with pytest.raises(ValueError, match="one for each point"):
            fit.plot(**options)
    with pytest.raises(ValueError, match="only 3 points"):
        fit.plot(kernel=4)


def test_labels_cover_neither_each_other_nor_points_nor_the_frame(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 24)
    # Groups of points at the same place.
    fit = fit_of(Fit, rnd, table_of([np.round(share, 2)], seqs=seqs))
    names = [f"sequence number {i}" for i in range(24)]
    ax = fit.plot(labels=names, xlog=False).axes[0]
    ax.figure.draw_without_rendering()
    shown = [text for text in ax.texts if text.get_text()]
    assert [text.get_text() for text in shown] == names
    boxes = [text.get_window_extent() for text in shown]
    boxes.append(ax.get_legend().get_window_extent())
    for one, other in itertools.combinations(boxes, 2):
        assert not one.padded(-0.5).overlaps(other.padded(-0.5))
    for box in boxes:
        assert ax.bbox.padded(1).contains(box.x0, box.y0)
        assert ax.bbox.padded(1).contains(box.x1, box.y1)
    centers = ax.transData.transform(ax.collections[0].get_offsets())
    assert not any(box.contains(*center) for box in boxes for center in centers)
    # Texts that had to move away are joined to their points.
    assert any(not text.get_text() for text in ax.texts)


def test_crowded_labels_are_drawn_all_the_same(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 40)
    own = mpl.figure.Figure(figsize=(1.5, 1.5)).subplots()
    fit = fit_of(Fit, rnd, table_of([share], seqs=seqs))
    fit.plot(labels=["a long label"] * 40, ax=own)
    assert len([text for text in own.texts if text.get_text()]) == 40


def test_points_that_are_not_finite_are_left_out_of_the_line(fit_of):
    rnd = make_round()
    seqs, log_z, share = truth(rnd, 12)
    least = log_z.min()
    fit = fit_of(
        Fit,
        rnd,
        table_of([2 * share], seqs=seqs),
        prediction=lambda x: torch.where(x <= least, torch.inf, torch.sigmoid(x)),
    )
    figure = fit.plot(xlog=False, ylog=False)
    rank, pearson, line = legend_of(figure)
    assert rank != "$r_s$ = 1.000"
    assert pearson == "$r$ = 1.000"
    assert line.startswith("y = 2x ")
    assert np.isfinite(figure.axes[0].get_xlim()).all()
    nowhere = fit_of(Fit, rnd, fit.dataset, prediction=lambda x: x * torch.nan)
    with pytest.raises(ValueError, match="No point has a finite prediction"):
        nowhere.plot()


def test_d61_errors_of_averaged_points_are_pooled(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 7)
    below, above = 0.1 * share, 0.2 * share
    fit = fit_of(Fit, rnd, table_of([share, below, above], seqs=seqs))
    ax = fit.plot(kernel=2).axes[0]
    order = np.argsort(-share)[:6].reshape(3, 2)
    shown = np.asarray(ax.collections[-1].get_offsets())
    np.testing.assert_allclose(shown[:, 1], share[order].mean(1), rtol=1e-4)
    bars = np.array([bar[:, 1] for bar in ax.collections[0].get_segments()])
    for side, errors in ((0, below), (1, above)):
        pooled = np.sqrt((errors[order] ** 2).mean(1) / 2)
        reached = np.abs(bars[:, side] - share[order].mean(1))
        np.testing.assert_allclose(reached, pooled, rtol=1e-3)


def test_equal_predictions_have_no_regression_line(fit_of):
    rnd = make_round()
    table = table_of([[0.3, 0.5]], seqs=["ACGTACGT", "ACGTACGT"])
    figure = fit_of(Fit, rnd, table).plot()
    assert legend_of(figure) == ["$r_s$ = undefined", "$r$ = undefined"]


@pytest.mark.parametrize("spread", [0.05, 0.8, 1.5, 6])
def test_labels_of_logarithmic_axes_do_not_overlap(fit_of, spread):
    rnd = make_round()
    seqs = sequences(20, seed=1)
    values = 10 ** np.linspace(-spread, 0, 20)
    ax = fit_of(Fit, rnd, table_of([values], seqs=seqs)).plot().axes[0]
    assert ax.get_yscale() == "log"
    ax.figure.canvas.draw()
    for axis, side in ((ax.xaxis, "x"), (ax.yaxis, "y")):
        boxes = [
            label.get_window_extent()
            for label in axis.get_ticklabels(which="both")
            if label.get_text()
        ]
        low, high = np.array([getattr(box, f"interval{side}") for box in boxes]).T
        inside = (high > getattr(ax.bbox, f"{side}0")) & (
            low < getattr(ax.bbox, f"{side}1")
        )
        order = np.argsort(low[inside])
        assert len(order) >= 2
        assert (low[inside][order][1:] > high[inside][order][:-1]).all()


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(0.01, 100), min_size=2, max_size=30),
    st.integers(1, 4),
)
def test_means_of_groups_keep_the_order_of_predictions(values, kernel):
    predicted = torch.tensor(values, dtype=torch.float64)
    points = Points.of(predicted, 2 * predicted, predicted, 3 * predicted)
    if kernel > len(values):
        with pytest.raises(ValueError, match="kernel"):
            points.averaged(kernel)
        return
    averaged = points.averaged(kernel)
    assert len(averaged.predicted) == len(values) // kernel
    np.testing.assert_allclose(averaged.observed, 2 * averaged.predicted)
    if kernel > 1:
        assert (np.diff(averaged.predicted) <= 1e-12).all()


def test_negative_loglikelihood_is_a_sum_over_rows(fit_of):
    rnd = make_round()
    seqs, _, share = truth(rnd, 6)
    table = table_of([share + 0.1], seqs=seqs)
    fit = fit_of(Fit, rnd, table)
    value, norm = fit.negloglik(None, CountBatch(table.seqs[:4], table.target[:4]))
    assert float(value) == pytest.approx(0.04, rel=1e-3)
    assert float(norm) == 4
