"""Random fits against a slow evaluation of the formulas of ProBound."""

import copy
import io
import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch

from pyprobound import external

LETTERS = "ACGT"
LEFT, RIGHT = "GATTACA", "CCGTAAT"
LENGTH = 9
CONFIG = {"optimizerSetting": {"lambdaL2": 1e-3, "pseudocount": 3, "expBound": 40}}


def make_fit(seed, modes, interactions=(), tables=1, columns=3, **enrichment):
    """A fit with random coefficients; modes without a size are non-specific."""
    g = np.random.default_rng(seed)

    def activity():
        return g.normal(0, 1, (tables, columns)).tolist()

    values = {"bindingModes": [], "bindingModeInteractions": []}
    settings = {
        "letterOrder": LETTERS,
        "letterComplement": "C-G,A-T",
        "bindingModes": modes,
        "bindingModeInteractions": list(interactions),
        "countTable": [{"leftFlank": LEFT, "rightFlank": RIGHT}] * tables,
        "enrichmentModel": [{"modelType": "SELEX", **enrichment}] * tables,
    }
    for mode in modes:
        k, windows = mode["size"], n_windows(mode)
        distances = range(1, min(mode.get("dinucleotideDistance", 0), k - 1) + 1)
        values["bindingModes"].append(
            {
                "mononucleotide": g.normal(0, 0.6, 4 * k).tolist(),
                "dinucleotide": [
                    g.normal(0, 0.5, 16 * (k - d)).tolist() for d in distances
                ],
                "activity": activity(),
                "positionBias": g.normal(0, 0.6, (tables, 2, windows)).tolist(),
            }
        )
    for each in interactions:
        shape = [n_windows(modes[m]) for m in each["bindingModes"]]
        values["bindingModeInteractions"].append(
            {
                "activity": activity(),
                "positionMatrix": g.normal(0, 0.6, (tables, 2, 2, *shape)).tolist(),
            }
        )
    values["countTable"] = [
        {"h": g.normal(0, 1, columns).tolist()} for _ in "t" * tables
    ]
    values["enrichmentModel"] = [
        {key: g.normal(0, 1, columns).tolist() for key in ("rho", "gamma", "delta")}
        for _ in range(tables)
    ]
    return {"modelSettings": settings, "coefficients": values}


def n_windows(mode):
    return LENGTH + 2 * mode.get("flankLength", 0) - mode["size"] + 1


def make_frame(seed, columns=3, rows=7):
    g = np.random.default_rng(seed)
    rows_of_letters = g.choice(list(LETTERS), (rows, LENGTH))
    return pd.DataFrame(
        g.integers(1, 20, (rows, columns)), index=["".join(r) for r in rows_of_letters]
    )


# --- the slow evaluation ---------------------------------------------------------


def window_affinities(settings, values, sequence):
    """Affinities by strand and window, each strand in its own direction."""
    k, flank = settings["size"], settings.get("flankLength", 0)
    left, right = LEFT[len(LEFT) - flank :], RIGHT[:flank]
    forward = [LETTERS.index(letter) for letter in left + sequence + right]
    strands = [forward, [3 - code for code in reversed(forward)]]
    monomer = np.reshape(values["mononucleotide"], (k, 4))
    result = np.zeros((2, n_windows(settings)))
    for s, x in itertools.product(range(2), range(n_windows(settings))):
        codes = strands[s][x : x + k]
        energy = sum(monomer[i, a] for i, a in enumerate(codes))
        for d, block in enumerate(values["dinucleotide"], 1):
            pairs = np.reshape(block, (k - d, 4, 4))
            energy += sum(pairs[i, codes[i], codes[i + d]] for i in range(k - d))
        result[s, x] = math.exp(energy)
    if settings.get("singleStrand"):
        result[1] = 0
    return result


def interaction_affinity(fit, q, t, affinities):
    settings = fit["modelSettings"]["bindingModeInteractions"][q]
    matrix = fit["coefficients"]["bindingModeInteractions"][q]["positionMatrix"][t]
    first, second = settings["bindingModes"]
    modes = fit["modelSettings"]["bindingModes"]
    places = [forward_places(modes[m]) for m in (first, second)]
    total = 0.0
    for s1, s2 in itertools.product(range(2), repeat=2):
        for x1, x2 in np.ndindex(n_windows(modes[first]), n_windows(modes[second])):
            start_1, start_2 = places[0][s1][x1], places[1][s2][x2]
            gap = max(
                start_2 - (start_1 + modes[first]["size"]),
                start_1 - (start_2 + modes[second]["size"]),
            )
            limit = settings.get("maxSpacing", -1)
            if -gap <= settings.get("maxOverlap", 0) and not -1 < limit < gap:
                total += (
                    math.exp(matrix[s1][s2][x1][x2])
                    * affinities[first][s1, x1]
                    * affinities[second][s2, x2]
                )
    return total


def forward_places(mode):
    windows = np.arange(n_windows(mode)) - mode.get("flankLength", 0)
    return windows, windows[::-1]


def partition(fit, t, column, sequence):
    modes = fit["modelSettings"]["bindingModes"]
    values = fit["coefficients"]["bindingModes"]
    affinities = [
        window_affinities(s, v, sequence) for s, v in zip(modes, values, strict=True)
    ]
    enrichment = fit["modelSettings"]["enrichmentModel"][t]
    by_column = enrichment.get("roundSpecificBindingModes", [[]])
    total = 0.0
    for m, affinity in enumerate(affinities):
        bias = (
            np.exp(values[m]["positionBias"][t]) if modes[m].get("positionBias") else 1
        )
        alpha = (affinity * bias).sum() if modes[m]["size"] else 1.0
        if not any(by_column) or m in by_column[column]:
            total += math.exp(values[m]["activity"][t][column]) * alpha
    for q in range(len(fit["modelSettings"]["bindingModeInteractions"])):
        activity = fit["coefficients"]["bindingModeInteractions"][q]["activity"]
        alpha = interaction_affinity(fit, q, t, affinities)
        total += math.exp(activity[t][column]) * alpha
    return enrichment.get("concentration", 1) * total


def factor(fit, t, column, sequence):
    z = partition(fit, t, column, sequence)
    settings = fit["modelSettings"]["enrichmentModel"][t]
    values = {
        key: value[column]
        for key, value in fit["coefficients"]["enrichmentModel"][t].items()
    }
    if settings["modelType"] == "RhoGamma":
        return z ** values["rho"] * (1 + z) ** values["gamma"]
    if settings["modelType"] == "ExponentialKinetics":
        share = 1 / (1 + math.exp(-values["delta"]))
        return share * math.exp(-z) + (1 - share) * (1 - math.exp(-z))
    return z / (1 + z) if settings.get("bindingSaturation") else z


def expected_negloglik(fit, frames):
    total = 0.0
    for t, frame in enumerate(frames):
        h = fit["coefficients"]["countTable"][t]["h"]
        columns = fit["modelSettings"]["countTable"][t].get("modeledColumns", [-1])
        columns = range(len(h)) if columns == [-1] else columns
        is_cumulative = fit["modelSettings"]["enrichmentModel"][t].get(
            "cumulativeEnrichment", True
        )
        value = 0.0
        for sequence, counts in zip(frame.index, frame.to_numpy(), strict=True):
            factors = [factor(fit, t, r, sequence) for r in range(len(h))]
            if is_cumulative:
                factors = np.cumprod([1.0, *factors[1:]])
            weights = np.array([math.exp(h[r]) * factors[r] for r in columns])
            value -= (counts[list(columns)] * np.log(weights / weights.sum())).sum()
        total += value / frame.iloc[:, list(columns)].to_numpy().sum()
    return total


def expected_regularization(fit, frames):
    """All coefficients squared, and the pseudocount on all motifs."""
    coefficients = fit["coefficients"]
    modes = fit["modelSettings"]["bindingModes"]
    types = [e["modelType"] for e in fit["modelSettings"]["enrichmentModel"]]
    keys = {"RhoGamma": ("rho", "gamma"), "ExponentialKinetics": ("delta",)}
    vectors = [each["h"] for each in coefficients["countTable"]]
    for kind, values in zip(types, coefficients["enrichmentModel"], strict=True):
        vectors += [values[key] for key in keys.get(kind, ())]
    smooth = 0.0
    for mode, values in zip(modes, coefficients["bindingModes"], strict=True):
        k = mode["size"]
        vectors += [
            values["activity"],
            values["mononucleotide"],
            *values["dinucleotide"],
        ]
        if mode.get("positionBias"):
            biases = np.array(values["positionBias"])
            vectors.append(biases[:, :1] if mode.get("singleStrand") else biases)
        blocks = [*np.reshape(values["mononucleotide"], (k, 4))]
        for d, block in enumerate(values["dinucleotide"], 1):
            blocks += [*np.reshape(block, (k - d, 16))]
        for v in blocks:
            smooth += len(v) * np.log(np.exp(v).sum()) - v.sum()
    for values in coefficients["bindingModeInteractions"]:
        vectors += [values["activity"], values["positionMatrix"]]
    settings = CONFIG["optimizerSetting"]
    rates = [settings["pseudocount"] / frame.to_numpy().sum() for frame in frames]
    squares = sum((np.asarray(vector) ** 2).sum() for vector in vectors)
    return settings["lambdaL2"] * squares + np.mean(rates) * smooth


NS = {"size": 0}
CASES = {
    "two motifs": {"modes": [NS, {"size": 4, "flankLength": 2}, {"size": 3}]},
    "pairs": {"modes": [NS, {"size": 4, "dinucleotideDistance": 9, "flankLength": 1}]},
    "position bias": {
        "modes": [NS, {"size": 4, "flankLength": 2, "positionBias": True}]
    },
    "position bias with a cropped flank": {
        "modes": [
            {"size": 5, "flankLength": 3},
            {"size": 3, "flankLength": 1, "positionBias": True},
        ]
    },
    "single strand": {
        "modes": [NS, {"size": 4, "singleStrand": True, "positionBias": True}]
    },
    "saturation": {
        "modes": [NS, {"size": 4}],
        "bindingSaturation": True,
        "concentration": 3,
    },
    "two tables": {"modes": [NS, {"size": 4, "flankLength": 1}], "tables": 2},
    "rho and gamma": {"modes": [NS, {"size": 4}], "modelType": "RhoGamma"},
    "kinetics": {"modes": [NS, {"size": 4}], "modelType": "ExponentialKinetics"},
    "not cumulative": {
        "modes": [NS, {"size": 4}],
        "modelType": "RhoGamma",
        "cumulativeEnrichment": False,
    },
    "interaction": {
        "modes": [NS, {"size": 4, "flankLength": 2}, {"size": 3, "flankLength": 2}],
        "interactions": [{"bindingModes": [1, 2], "maxOverlap": 1, "maxSpacing": 3}],
    },
    "interaction of unlike flanks": {
        "modes": [{"size": 4, "flankLength": 3}, {"size": 3, "flankLength": 1}],
        "interactions": [{"bindingModes": [0, 1], "maxOverlap": 2, "maxSpacing": 2}],
    },
    "interaction in reversed order": {
        "modes": [{"size": 4, "flankLength": 1}, {"size": 3, "flankLength": 2}],
        "interactions": [{"bindingModes": [1, 0], "maxOverlap": 0}],
    },
    "nested motifs": {
        "modes": [{"size": 7, "flankLength": 2}, {"size": 2, "flankLength": 1}],
        "interactions": [{"bindingModes": [0, 1], "maxOverlap": 3}],
    },
    "interaction of a mode with itself": {
        "modes": [NS, {"size": 3, "flankLength": 1}],
        "interactions": [{"bindingModes": [1, 1], "maxOverlap": 0}],
    },
    "interaction of modes with position bias": {
        "modes": [
            {"size": 3, "positionBias": True},
            {"size": 2, "flankLength": 1, "positionBias": True},
        ],
        "interactions": [{"bindingModes": [0, 1], "maxOverlap": 1}],
    },
}


@pytest.mark.parametrize("name", CASES)
def test_loss_follows_the_formulas(name):
    case = dict(CASES[name])
    fit = make_fit(len(name), **case)
    n_tables = case.get("tables", 1)
    frames = [make_frame(seed) for seed in range(n_tables)]
    tables = external.parse_probound_tables(fit, frames)
    loss = external.parse_probound_model(
        fit, CONFIG, tables, noncumulative_reference="none"
    ).double()
    value = loss(tables)
    expected = expected_negloglik(fit, frames)
    assert value.negloglik.item() == pytest.approx(expected, rel=1e-6)
    penalty = expected_regularization(fit, frames)
    assert value.regularization.item() == pytest.approx(penalty, rel=1e-6)
    sum(value).backward()
    gradients = [p.grad for p in loss.parameters() if p.grad is not None]
    assert len(gradients) > 5
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)


@pytest.mark.parametrize("layout", ["packed", "1.5"])
@pytest.mark.parametrize("name", ["position bias", "nested motifs", "rho and gamma"])
def test_imported_models_can_be_saved_and_read(name, layout):
    fit, other = (make_fit(seed, **CASES[name]) for seed in (1, 2))
    frame = make_frame(4)
    tables = external.parse_probound_tables(fit, [frame])
    loss, twin = (
        external.parse_probound_model(each, CONFIG, tables) for each in (fit, other)
    )
    stream = io.BytesIO()
    loss.save(stream, format=layout)
    stream.seek(0)
    twin.reload(stream, strict=True)
    with torch.no_grad():
        assert twin(tables) == loss(tables)


@pytest.mark.parametrize("where", ["enrichmentModel", "includeComponent"])
def test_what_an_experiment_leaves_out_is_regularised(where):
    case = CASES["interaction of modes with position bias"]
    fit = make_fit(8, copy.deepcopy(case["modes"]), copy.deepcopy(case["interactions"]))
    settings = fit["modelSettings"]
    if where == "includeComponent":
        settings["bindingModes"][0]["includeComponent"] = False
    else:
        members = {"bindingModes": [1], "bindingModeInteractions": []}
        settings["enrichmentModel"] = [{"modelType": "SELEX", **members}]
    frame = make_frame(5)
    tables = external.parse_probound_tables(fit, [frame])
    plain = {"optimizerSetting": {"lambdaL2": 1e-3}}
    loss = external.parse_probound_model(fit, plain, tables).double()
    with torch.no_grad():
        penalty = float(loss(tables).regularization)
    everything = expected_regularization(fit, [frame * np.inf])
    assert penalty == pytest.approx(everything, rel=1e-6)


def test_columns_that_are_not_modelled_still_select():
    fit = make_fit(3, [NS, {"size": 4}], columns=4)
    fit["modelSettings"]["countTable"] = [
        {"leftFlank": LEFT, "rightFlank": RIGHT, "modeledColumns": [0, 2]}
    ]
    frame = make_frame(1, columns=4)
    tables = external.parse_probound_tables(fit, [frame])
    loss = external.parse_probound_model(fit, CONFIG, tables).double()
    with torch.no_grad():
        value = loss(tables)
    expected = expected_negloglik(fit, [frame])
    assert float(value.negloglik) == pytest.approx(expected, rel=1e-6)
    # The last column selects nothing that is modelled, but it is regularised too.
    penalty = expected_regularization(fit, [frame.iloc[:, [0, 2]]])
    assert float(value.regularization) == pytest.approx(penalty, rel=1e-6)


def test_modes_can_be_active_in_some_columns_only():
    modes = [NS, {"size": 4}]
    fit = make_fit(5, modes, roundSpecificBindingModes=[[0, 1], [0], [0, 1]])
    frame = make_frame(2)
    tables = external.parse_probound_tables(fit, [frame])
    loss = external.parse_probound_model(fit, CONFIG, tables).double()
    with torch.no_grad():
        value = loss(tables)
    expected = expected_negloglik(fit, [frame])
    assert float(value.negloglik) == pytest.approx(expected, rel=1e-6)
    penalty = expected_regularization(fit, [frame])
    assert float(value.regularization) == pytest.approx(penalty, rel=1e-6)


def test_coefficients_are_exact_in_double_precision():
    fit = make_fit(6, [NS, {"size": 4}])
    frame = make_frame(3)
    tables = external.parse_probound_tables(fit, [frame])
    torch.set_default_dtype(torch.float64)
    try:
        loss = external.parse_probound_model(fit, CONFIG, tables)
        with torch.no_grad():
            value = float(loss(tables).negloglik)
    finally:
        torch.set_default_dtype(torch.float32)
    assert value == pytest.approx(expected_negloglik(fit, [frame]), rel=1e-12)
