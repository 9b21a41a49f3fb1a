"""Recorded fits of the original program have the recorded likelihoods here."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from pyprobound import external
from pyprobound.table import get_dataframe

# Stages, tables and the configuration; the file of the last says no pseudocount.
FITS = {
    "bcd": ("bcd/bcd.models.json", ["bcd/bcd.tsv.gz"], "bcd/config.full.json"),
    "ctcf": ("ctcf/two_modes.models.json", ["ctcf/ctcf_r3.tsv.gz"], None),
    "exdhox mono": (
        "exdhox/mono.models.json",
        ["exdhox/exdhox.tsv.gz"],
        "exdhox/mono.full.json",
    ),
    "exdhox di": (
        "exdhox/di.models.json",
        ["exdhox/exdhox.tsv.gz"],
        "exdhox/di.full.json",
    ),
    "exdhox coop": (
        "exdhox/coop.models.json",
        ["exdhox/exdhox.tsv.gz"],
        "exdhox/coop.full.json",
    ),
    "rbfox3": (
        "rbfox3/models.json",
        ["rbfox3/rbfox3_20nM.tsv.gz", "rbfox3/rbfox3_1300nM.tsv.gz"],
        "rbfox3/full.json",
    ),
    "znf891": ("znf891/models.json", ["znf891/znf891.tsv.gz"], "znf891/builder.json"),
}
SERVER_SETTINGS = {"optimizerSetting": {"lambdaL2": 1e-6, "pseudocount": 20}}
RELATIVE = 1e-6


def load(data_dir: Path, name: str):
    models, tables, config = FITS[name]
    settings = json.loads((data_dir / config).read_text()) if config else None
    return (
        external.read_probound_lines(data_dir / models),
        [get_dataframe(data_dir / table) for table in tables],
        settings or SERVER_SETTINGS,
    )


def evaluate(
    line: dict, frames: list[pd.DataFrame], config: dict | list
) -> tuple[float, float, float]:
    """The negative log-likelihood of all reads, the regularisation, their objective."""
    tables = external.parse_probound_tables(line, frames)
    loss = external.parse_probound_model(
        line, config, tables, regularization="stage"
    ).double()
    with torch.no_grad():
        value = loss(tables)
        if len(tables) == 1:
            total = float(value.negloglik) * float(tables[0].counts_per_round.sum())
        else:
            pairs = zip(loss.transforms, tables, strict=True)
            total = sum(float(loss.negloglik(*pair)[0]) for pair in pairs)
    penalty = float(value.regularization)
    return total, penalty, float(value.negloglik) + penalty


@pytest.mark.parametrize("name", FITS)
def test_every_stage_has_its_recorded_objective(data_dir, name):
    lines, frames, config = load(data_dir, name)
    previous, found = None, (0.0, 0.0, 0.0)
    for line in lines:
        recorded = line["metadata"]
        stage = recorded["fitName"]
        # Stages that changed nothing need no second evaluation.
        content = (line["coefficients"], stage.endswith("-all"))
        if content != previous:
            previous, found = content, evaluate(line, frames, config)
        keys = ("logLikelihood", "regularization", "logLikelihoodPerRead")
        for key, value in zip(keys, found, strict=True):
            assert value == pytest.approx(recorded[key], rel=RELATIVE), (stage, key)


@pytest.mark.parametrize("name", ["exdhox di", "rbfox3"])
def test_the_last_stage_needs_no_option(data_dir, name):
    lines, frames, config = load(data_dir, name)
    tables = external.parse_probound_tables(lines[-1], frames)
    loss = external.parse_probound_model(lines[-1], config, tables)
    recorded = lines[-1]["metadata"]
    with torch.no_grad():
        value = loss(tables)
    expected = recorded["logLikelihoodPerRead"] - recorded["regularization"]
    assert float(value.negloglik) == pytest.approx(expected, rel=1e-6)
    penalty = float(value.regularization)
    assert penalty == pytest.approx(recorded["regularization"], rel=1e-6)


def test_an_imported_model_can_be_trained_on(data_dir):
    _, frames, config = load(data_dir, "rbfox3")
    line = external.get_fit_final(data_dir / "rbfox3/models.json", stage=5)
    tables = external.parse_probound_tables(line, frames)
    loss = external.parse_probound_model(line, config, tables).double()
    value = sum(loss(tables))
    value.backward()
    # This stage is an optimum of all but the activities and depths of mode 0.
    motif = loss.transforms[0].rounds[1].aggregate.contributions[1].binding
    gradient = motif.layers[-1].layer_spec.betas["3"].grad
    assert gradient.abs().max() < 1e-5
