"""Models next to measured affinities: scores, curves and statistics."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit

from pyprobound import CountTable, Experiment, Mode
from pyprobound.alphabets import DNA
from pyprobound.config import validate
from pyprobound.config.build import build
from pyprobound.cooperativity import Cooperativity, Spacing
from pyprobound.errors import InputError
from pyprobound.fitting.curves import CURVES, Curve, fit_curve
from pyprobound.fitting.measures import KINDS, Measure
from pyprobound.io.measurements import Measurements
from pyprobound.layers import PSAM
from pyprobound.plotting.statistics import correlation, rank_correlation
from pyprobound.rounds import BoundRound, InitialRound
from pyprobound.workflow.models import empty_tables, save_model
from pyprobound.workflow.open_model import open_model
from pyprobound.workflow.opened import ModelInteraction, ModelMode, OpenedModel
from pyprobound.workflow.validation import (
    ValidationOptions,
    run_validation,
    validate_model,
)
from pyprobound.workflow.validation_model import Selection, choose_model

MAX_MODEL = 10676
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def random_motif(size=4, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    psam = PSAM(size, DNA(), **options).double()
    with torch.no_grad():
        for values in psam.betas.values():
            values.copy_(torch.randn(values.shape, generator=generator).double())
    return psam


def random_sequences(number=40, low=6, high=15, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(low, high + 1, number)
    return tuple("".join(generator.choice(list("ACGT"), n)) for n in lengths)


def window_scores(psam, sequence):
    """The score of each window on the forward strand."""
    matrix = psam.get_filter(0).detach()[0].numpy()
    codes = ["ACGT".index(letter) for letter in sequence]
    size = psam.kernel_size
    return np.array(
        [
            sum(matrix[codes[i + j], j] for j in range(size))
            for i in range(len(sequence) - size + 1)
        ]
    )


def score(psam, sequence):
    """The log of the summed affinity of all windows, the slow way."""
    strands = [sequence]
    if psam.score_reverse:
        strands.append(sequence.translate(COMPLEMENT)[::-1])
    return math.log(sum(np.exp(window_scores(psam, each)).sum() for each in strands))


def opened_with(*modes, interactions=()):
    return OpenedModel("memory", "probound-scoring", DNA(), modes, interactions)


def measured(sequences, values, errors=None):
    lines = tuple(range(2, len(sequences) + 2))
    return Measurements("a.tsv", tuple(sequences), np.array(values), errors, lines)


def options(kind="log-affinity", unit=None, **others):
    unit = unit or {"log-affinity": "ln", "ddg": "RT"}.get(kind)
    names = ("temperature", "flip_sign")
    of_measure = {name: others.pop(name) for name in names if name in others}
    return ValidationOptions(Measure(kind, unit, **of_measure), **others)


# --- scores ----------------------------------------------------------------------


def test_sequences_of_all_lengths_are_scored_over_all_windows():
    psam = random_motif()
    sequences = random_sequences()
    expected = np.array([score(psam, each) for each in sequences])
    # The activity of the only mode is a constant.
    opened = opened_with(ModelMode("motif", psam, activities=((2.5,),)))
    result = validate_model(opened, measured(sequences, expected), options())
    np.testing.assert_allclose(result.log_z, expected + 2.5, rtol=1e-12)
    assert result.curve.offset == pytest.approx(-2.5)
    assert result.statistics()["rmse_rt"] == pytest.approx(0, abs=1e-12)


def test_flanks_belong_to_each_sequence():
    psam = random_motif()
    sequences = random_sequences(low=1, high=3)
    expected = [score(psam, "TGC" + each + "AT") for each in sequences]
    result = validate_model(
        opened_with(ModelMode("motif", psam)),
        measured(sequences, expected),
        options(left_flank="TGC", right_flank="AT"),
    )
    np.testing.assert_allclose(result.log_z, expected, rtol=1e-12)


def test_modes_are_weighed_by_their_activities_and_may_be_chosen():
    first, second = random_motif(seed=1), random_motif(3, seed=2)
    opened = opened_with(
        ModelMode("ns", None, activities=((0.5, -1.0),), ignores_length=False),
        ModelMode("first", first, activities=((1.0, 2.0),)),
        ModelMode("second", second, activities=((0.3, -math.inf),)),
    )
    sequences = random_sequences()
    values = measured(sequences, [score(first, each) for each in sequences])

    def log_z(**selection):
        chosen = options(selection=Selection(**selection))
        return validate_model(opened, values, chosen).log_z

    lengths = np.array([len(each) for each in sequences])
    scores = [[score(psam, each) for each in sequences] for psam in (first, second)]
    last = np.log(np.exp(-1.0) * lengths + np.exp(2.0 + np.array(scores[0])))
    np.testing.assert_allclose(log_z(), last, rtol=1e-12)
    other = np.logaddexp(1 + np.array(scores[0]), 0.3 + np.array(scores[1]))
    found = log_z(modes=("first", "2"), column=0)
    np.testing.assert_allclose(found, other, rtol=1e-12)
    np.testing.assert_allclose(log_z(modes=("second",)), 0.3 + np.array(scores[1]))


def test_interactions_that_do_not_transfer_are_mentioned():
    modes = [ModelMode(name, random_motif(), activities=((0.0,),)) for name in "ab"]
    pair = ModelInteraction("a:b", (0, 1), ((0.0,),))
    chosen = choose_model(opened_with(*modes, interactions=(pair,)), Selection())
    (remark,) = chosen.remarks
    assert remark.startswith("the interaction 'a:b' is left out: its values belong to")


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(), "--experiment: the model has several"),
        (Selection(experiment="9"), "--experiment: the model has no experiment '9'"),
        (Selection(("x",)), "--mode: .* no mode 'x'; it has 0: 'a', 1: 'b'"),
        (Selection(experiment="1", column=2), "--column: there is no column 2"),
        (Selection(("a",)), "only non-specific binding is left"),
        (Selection(("b",), "0", 0), "none of the modes binds"),
    ],
)
def test_impossible_selections(selection, message):
    opened = opened_with(
        ModelMode("a", None, activities=((0.0,), (0.0,))),
        ModelMode("b", random_motif(), activities=((-math.inf,), (0.0,))),
    )
    with pytest.raises(InputError, match=message):
        choose_model(opened, selection)


def test_one_mode_alone_needs_no_experiment():
    opened = opened_with(
        ModelMode("a", None, activities=((0.0,), (0.0,))),
        ModelMode("b", random_motif(), activities=((-math.inf,), (3.0,))),
    )
    chosen = choose_model(opened, Selection(("b",)))
    assert (chosen.experiment, chosen.column) == (1, 0)
    bare = opened_with(ModelMode("b", random_motif()))
    assert choose_model(bare, Selection()).activities == (0.0,)
    for selection, message in (
        (Selection(experiment="0"), "has no experiments"),
        (Selection(column=0), "has no columns"),
    ):
        with pytest.raises(InputError, match=message):
            choose_model(bare, selection)


# --- fits of this library --------------------------------------------------------


def fitted_model(folder):
    contributions = [
        {"binding": "everywhere", "log_activity": -1.0},
        {"binding": "site", "log_activity": 0.5},
    ]
    values = {
        "tables": {
            "reads": {
                "path": "reads.tsv",
                "min_variable_length": 9,
                "max_variable_length": 12,
            }
        },
        "psams": {"motif": {"kernel_size": 4}},
        "modes": {
            "everywhere": {"type": "nonspecific", "ignore_length": True},
            "site": {"type": "psam", "psam": "motif", "train_posbias": True},
        },
        "experiments": {
            "reads": {
                "table": "reads",
                "rounds": [
                    {"type": "InitialRound", "name": "0"},
                    {
                        "type": "BoundRound",
                        "name": "1",
                        "reference_round": "0",
                        "contributions": contributions,
                    },
                ],
            }
        },
    }
    config = validate(values)
    torch.manual_seed(0)
    model = build(config, empty_tables(config))
    with torch.no_grad():
        for name, parameter in model.loss.named_parameters():
            if "betas" in name or "posbias" in name:
                parameter.normal_()
    path = folder / "model.safetensors"
    save_model(path, model)
    return path, model


def test_a_fit_is_adapted_to_other_lengths_without_its_position_bias(tmp_path):
    path, model = fitted_model(tmp_path)
    psam = model.psams["motif"]
    before = {name: each.clone() for name, each in model.loss.state_dict().items()}
    sequences = random_sequences(low=5, high=30)
    scores = np.array([score(psam, each) for each in sequences])
    expected = np.logaddexp(-1.0, 0.5 + scores)
    result = validate_model(
        open_model(path), measured(sequences, expected + 3), options()
    )
    np.testing.assert_allclose(result.log_z, expected, rtol=1e-5)
    assert result.chosen.column == 1
    assert result.curve.offset == pytest.approx(3, abs=1e-5)
    alone = options(selection=Selection(modes=("site",)))
    result = validate_model(open_model(path), measured(sequences, scores), alone)
    np.testing.assert_allclose(result.log_z, 0.5 + scores, rtol=1e-5, atol=1e-6)
    assert all(torch.equal(before[n], v) for n, v in model.loss.state_dict().items())


def test_interactions_of_a_fit_follow_to_other_lengths():
    """Every pair of windows on one strand, at most two letters apart, the slow way."""
    energy, activities = 0.7, (0.4, -0.3)
    made_for = CountTable(pd.DataFrame({0: [1]}, index=["ACGTACGTAC"]), DNA())
    psams = [random_motif(3, seed, score_reverse=False) for seed in (1, 2)]
    modes = [Mode.from_psam(psam, made_for) for psam in psams]
    spacing = Spacing(modes[0].key(), modes[1].key(), max_overlap=0, max_spacing=2)
    pair = Cooperativity(spacing, *modes)
    with torch.no_grad():
        spacing.log_spacing.fill_(energy)
    bound = BoundRound.from_binding([modes[0], pair], InitialRound(), name="1")
    for contribution, value in zip(
        bound.aggregate.contributions, activities, strict=True
    ):
        with torch.no_grad():
            contribution.log_activity.fill_(value)
    experiment = Experiment([bound.reference_round, bound], name="reads")
    never = -math.inf
    opened = OpenedModel(
        "memory",
        "pyprobound",
        DNA(),
        (
            ModelMode("a", psams[0], (0, 0), ((never, 0.4),), bindings=(modes[0],)),
            ModelMode("b", psams[1], (0, 0), ((never, never),), bindings=(modes[1],)),
        ),
        (ModelInteraction("a:b", (0, 1), ((never, -0.3),), (pair,)),),
        (experiment,),
    )

    def expected(sequence):
        first, second = (window_scores(psam, sequence) for psam in psams)
        total = np.exp(activities[0] + first).sum()
        for (m, a), (n, b) in itertools.product(enumerate(first), enumerate(second)):
            if 3 <= abs(n - m) <= 5:
                total += np.exp(activities[1] + energy + a + b)
        return math.log(total)

    sequences = random_sequences(low=8, high=16)
    values = np.array([expected(each) for each in sequences])
    result = validate_model(opened, measured(sequences, values), options())
    assert result.chosen.remarks == ()
    np.testing.assert_allclose(result.log_z, values, rtol=1e-5)
    alone = choose_model(opened, Selection(modes=("a",)))
    assert alone.remarks == (
        "the interaction 'a:b' is left out: not all of its modes are chosen",
    )


# --- measures --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "value", "expected"),
    [
        (Measure("affinity"), 20.0, math.log(20)),
        (Measure("kd"), 20.0, -math.log(20)),
        (Measure("intensity"), 20.0, math.log(20)),
        (Measure("ddg", "RT"), 1.5, -1.5),
        (Measure("ddg", "RT", flip_sign=True), 1.5, 1.5),
        (Measure("ddg", "kcal/mol", 25.0), 0.592485, -1.0),
        (Measure("ddg", "kJ/mol", 0.0), 2.271096, -1.0),
        (Measure("log-affinity", "ln"), -1.5, -1.5),
        (Measure("log-affinity", "log2"), 2.0, math.log(4)),
        (Measure("log-affinity", "log10", flip_sign=True), -9.0, math.log(1e9)),
    ],
)
def test_log_affinities_of_measured_values(measure, value, expected):
    values = np.array([value])
    found = measure.log_affinity(values)
    assert found[0] == pytest.approx(expected, rel=1e-6)
    assert measure.values_of(found)[0] == pytest.approx(value)
    # Errors, to first order.
    step = 1e-6 * value
    change = measure.log_affinity(values + step) - found
    error = measure.errors_of(values, np.array([abs(step)]))
    assert error[0] == pytest.approx(abs(change[0]), rel=1e-4)
    assert measure.label


def test_impossible_measures_are_refused():
    assert np.isnan(Measure("kd").log_affinity(np.array([0.0, -1.0]))).all()
    for arguments, message in (
        (("other",), "must be one of affinity, kd"),
        (("ddg",), "need a unit: one of RT, kcal/mol"),
        (("ddg", "log2"), "need a unit: one of RT"),
        (("kd", "RT"), "take no unit"),
        (("kd", None, 25.0, True), "no sign to flip"),
        (("ddg", "kJ/mol", -300.0), "-300 degrees Celsius is impossible"),
    ):
        with pytest.raises(ValueError, match=message):
            Measure(*arguments)


# --- curves ----------------------------------------------------------------------

TRUE_CURVES = [
    Curve("offset", 1.5),
    Curve("linear", -0.5, 0.6),
    Curve("background", 2.0, 1.0, -1.0),
    Curve("signal", -3.0, 40.0, 5.0),
    Curve("saturation", -1.0, 900.0, 50.0),
]


@pytest.mark.parametrize("curve", TRUE_CURVES, ids=CURVES)
def test_curves_are_recovered(curve):
    log_z = np.random.default_rng(0).uniform(-5, 3, 60)
    log_z[0] = 3.0
    weights = np.random.default_rng(1).uniform(0.1, 3, 60)
    found = fit_curve(curve.kind, log_z, curve(log_z), weights)
    np.testing.assert_allclose(found(log_z), curve(log_z), rtol=1e-6, atol=1e-6)
    assert found.kind == curve.kind
    assert found.offset == pytest.approx(curve.offset, abs=1e-5)
    assert found.scale == pytest.approx(curve.scale, rel=1e-5)
    if curve.background is None:
        assert found.background is None
    else:
        assert found.background == pytest.approx(curve.background, rel=1e-4)


@pytest.mark.parametrize("kind", CURVES)
def test_no_curve_nearby_has_smaller_squares(kind):
    generator = np.random.default_rng(0)
    log_z = generator.uniform(-4, 2, 50)
    observed = 2 * expit(log_z) + generator.normal(0, 0.3, 50)
    weights = generator.uniform(0.5, 2, 50)
    best = fit_curve(kind, log_z, observed, weights)

    def loss(offset=0.0, scale=0.0, background=0.0):
        base = best.background
        base = None if base is None else base + background
        curve = Curve(kind, best.offset + offset, best.scale + scale, base)
        return float((weights * (observed - curve(log_z)) ** 2).sum())

    least = loss()
    for step in (-1e-3, 1e-3):
        assert loss(offset=step) >= least - 1e-12
        if kind != "offset":
            assert loss(background=step) >= least - 1e-12
        if kind in ("linear", "signal", "saturation"):
            assert loss(scale=step) >= least - 1e-12


def test_curves_need_enough_different_points():
    with pytest.raises(ValueError, match="has 3 parameters, but there are 2"):
        fit_curve("saturation", np.arange(2.0), np.arange(2.0))
    with pytest.raises(ValueError, match="only an offset can be fitted"):
        fit_curve("linear", np.ones(4), np.arange(4.0))
    assert fit_curve("offset", np.ones(4), np.arange(4.0)).offset == 0.5


# --- statistics ------------------------------------------------------------------


def noisy(kind, errors=False, **others):
    psam = random_motif()
    sequences = random_sequences(30)
    generator = np.random.default_rng(3)
    log_z = np.array([score(psam, each) for each in sequences])
    log_affinity = log_z + 0.7 + generator.normal(0, 0.4, 30)
    chosen = options(kind, **others)
    values = chosen.measure.values_of(log_affinity)
    found = measured(
        sequences,
        values,
        generator.uniform(0.1, 0.3, 30) * abs(values) if errors else None,
    )
    opened = opened_with(ModelMode("motif", psam))
    return validate_model(opened, found, chosen), log_z, log_affinity


@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_an_offset(kind):
    result, log_z, observed = noisy(kind, curve="offset")
    residuals = (observed - log_z) - (observed - log_z).mean()
    found = result.statistics()
    assert found["n_sequences"] == 30
    assert found["rmse_rt"] == pytest.approx(np.sqrt((residuals**2).mean()))
    spread = ((observed - observed.mean()) ** 2).sum()
    assert found["r_squared"] == pytest.approx(1 - (residuals**2).sum() / spread)
    assert found["pearson"] == pytest.approx(correlation(observed, log_z))
    assert found["spearman"] == pytest.approx(rank_correlation(observed, log_z))
    slope, intercept = np.polyfit(log_z, observed, 1)
    assert found["line_scale"] == pytest.approx(slope)
    assert found["line_offset"] == pytest.approx(intercept)
    assert found["chi_squared_per_degree"] is None
    values = result.measurements.values
    rmse = np.sqrt(((values - result.predicted_values) ** 2).mean())
    assert found["rmse"] == pytest.approx(rmse)


def test_a_line_explains_the_squared_correlation():
    found = noisy("kd", curve="linear")[0].statistics()
    assert found["r_squared"] == pytest.approx(found["pearson"] ** 2)


def test_errors_weigh_the_fit_and_make_a_chi_squared():
    result, log_z, observed = noisy("kd", errors=True, curve="offset")
    errors = result.measurements.errors / result.measurements.values
    offset = np.average(observed - log_z, weights=errors**-2)
    assert result.curve.offset == pytest.approx(offset)
    expected = (((observed - log_z - offset) / errors) ** 2).sum() / 29
    found = result.statistics()["chi_squared_per_degree"]
    assert found == pytest.approx(expected)


def test_intensities_are_compared_on_a_linear_scale():
    result, log_z, _ = noisy("intensity", errors=True)
    assert result.curve.kind == "signal"
    found = result.statistics()
    np.testing.assert_array_equal(result.observed, result.measurements.values)
    np.testing.assert_array_equal(result.predicted, result.predicted_values)
    assert "fitted" in result.table()
    logs = np.log(result.observed) - np.log(result.predicted)
    if result.predicted.min() > 0:
        assert found["rmse_rt"] == pytest.approx(np.sqrt((logs**2).mean()))
    shifted = measured(result.measurements.sequences, result.measurements.values - 1000)
    again = validate_model(result.chosen.opened, shifted, result.options)
    assert again.statistics()["rmse_rt"] is None
    assert again.predicted == pytest.approx(
        fit_curve("signal", log_z, result.observed)(log_z) - 1000
    )


def test_a_constant_measurement_has_no_correlation():
    sequences = random_sequences(5)
    opened = opened_with(ModelMode("motif", random_motif()))
    found = validate_model(opened, measured(sequences, [1.0] * 5), options())
    statistics = found.statistics()
    assert statistics["r_squared"] is None
    assert statistics["pearson"] is None
    same = measured([sequences[0]] * 3, [1.0, 2.0, 3.0])
    assert validate_model(opened, same, options()).statistics()["line_scale"] is None


@pytest.mark.parametrize(
    ("sequences", "values", "others", "message"),
    [
        (["ACGTA"] * 2, [1.0, 0.0], {"kind": "kd"}, "line 3: the kd is 0, but must be"),
        (
            ["ACGTA"] * 2,
            [-1.0, 1.0],
            {"kind": "intensity", "curve": "background"},
            "line 2: .* on a linear scale, with --curve signal",
        ),
        (["ACGTA", "ACG"], [1.0, 1.0], {}, "line 3: the sequence has 3 letters, but"),
        (["ACGTA"], [1.0], {"curve": "linear"}, "has 2 parameters, but there are 1"),
        (["ACGTA"], [1.0], {"curve": "signal"}, "--curve: .* is for intensities"),
        (["ACGTA"], [1.0], {"left_flank": "AU"}, "--left-flank: .*'U'"),
    ],
)
def test_bad_measurements(sequences, values, others, message):
    opened = opened_with(ModelMode("motif", random_motif()))
    with pytest.raises(InputError, match=message):
        validate_model(opened, measured(sequences, values), options(**others))


# --- figure and files ------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("errors", [False, True])
def test_the_figure_shows_values_in_the_unit_of_the_table(kind, errors):
    result, _, _ = noisy(kind, errors=errors)
    (ax,) = result.plot().axes
    (points,) = [each for each in ax.collections if len(each.get_offsets()) == 30]
    drawn = np.asarray(points.get_offsets())
    np.testing.assert_allclose(drawn[:, 0], result.predicted_values, rtol=1e-5)
    np.testing.assert_allclose(drawn[:, 1], result.measurements.values, rtol=1e-5)
    assert ax.get_xscale() == ("log" if kind in ("affinity", "kd") else "linear")
    assert ax.get_xlabel().startswith("Predicted ")
    assert any("R^2" in text.get_text() for text in ax.texts)


def test_max_agrees_with_mitomi(data_dir, tmp_path):
    """The correlation that the description of the data states, and a lower error."""
    from pyprobound.io.measurements import Columns

    def run(curve):
        return run_validation(
            data_dir / "motifcentral" / "MotifCentral.v1.0.0.json",
            data_dir / "max" / "mitomi_ddg.csv",
            tmp_path / "check",
            options("ddg", "kcal/mol", curve=curve),
            columns=Columns(value="MAX_ddG_mean", error="MAX_ddG_sd"),
            name=str(MAX_MODEL),
            force=True,
        ).statistics()

    line = run("linear")
    assert line["n_sequences"] == 31
    assert line["pearson"] == pytest.approx(0.86, abs=0.005)
    assert line["spearman"] == pytest.approx(0.917, abs=0.001)
    floor = run("background")
    assert floor["pearson"] > 0.93
    assert floor["rmse_rt"] < 0.55 < line["rmse_rt"]
    summary = json.loads((tmp_path / "check" / "validation.json").read_text())
    assert summary["statistics"] == floor
    assert summary["measurements"]["rt"] == pytest.approx(0.5925, abs=1e-4)
