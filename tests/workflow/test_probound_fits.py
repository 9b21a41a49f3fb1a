"""Fits of ProBound that have been recorded, from their own configurations."""

from __future__ import annotations

import json

import pytest

from pyprobound.config.probound import translate_file
from pyprobound.workflow import run_fit


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "models"),
    [
        ("exdhox/mono.builder.json", "exdhox/mono.models.json"),
        ("exdhox/di.builder.json", "exdhox/di.models.json"),
        ("exdhox/coop.builder.json", "exdhox/coop.models.json"),
        ("rbfox3/builder.json", "rbfox3/models.json"),
        ("bcd/config.builder.json", "bcd/bcd.models.json"),
        ("znf891/builder.json", "znf891/models.json"),
    ],
)
def test_the_loss_is_not_above_the_recorded_one(
    data_dir, tmp_path, monkeypatch, config, models
):
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *_: None)
    lines = (data_dir / models).read_text().splitlines()
    recorded = json.loads(lines[-1])["metadata"]["logLikelihoodPerRead"]
    found = translate_file(data_dir / config).config
    summary = run_fit(found, tmp_path / "out", jobs=1).summary
    total = summary["nll_per_read"] + summary["regularization"]
    assert total <= recorded + 1e-5
    assert summary["stages"][-1]["fitName"].endswith("-4-all")
