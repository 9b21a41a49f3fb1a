"""Cooperativities and cropped flanks in a configuration."""

from __future__ import annotations

import random

import pytest
import torch

from pyprobound.config import load_config, validate
from pyprobound.config.build import build
from pyprobound.errors import InputError
from pyprobound.workflow import load_model, run_fit
from pyprobound.workflow.data import load_data

LENGTH = 10


@pytest.fixture
def values(tmp_path):
    draw = random.Random(1)
    for name in ("a", "b"):
        rows = {"".join(draw.choices("ACGT", k=LENGTH)) for _ in range(60)}
        lines = (f"{row}\t4\t{9 if 'GAT' in row else 1}\n" for row in sorted(rows))
        (tmp_path / f"{name}.tsv").write_text("".join(lines))
    rounds = [
        {"type": "InitialRound"},
        {
            "type": "BoundUnsaturatedRound",
            "reference_round": "0",
            "binding": ["ns", "first", "pair"],
        },
    ]
    flanks = {
        "left_flank": "ACGT",
        "right_flank": "TTAC",
        "left_flank_length": 3,
        "right_flank_length": 3,
    }
    return {
        "tables": {
            name: {"path": str(tmp_path / f"{name}.tsv"), **flanks} for name in "ab"
        },
        "psams": {"first": {"kernel_size": 3}, "second": {"kernel_size": 4}},
        "modes": {
            "ns": {"type": "nonspecific", "ignore_length": True},
            "first": {"type": "psam", "psam": "first"},
            "second": {
                "type": "psam",
                "psam": "second",
                "crop_left": 2,
                "crop_right": 1,
            },
        },
        "cooperativities": {
            "pair": {"modes": ["first", "second"], "max_overlap": 0, "max_spacing": 2}
        },
        "experiments": {name: {"table": name, "rounds": rounds} for name in "ab"},
        "device": "cpu",
        "threads": 1,
        "optimizer": {"epochs": 3},
    }


@pytest.fixture
def model(values):
    data = load_data(validate(values))
    return build(data.config, data.train), data


def test_modes_see_what_is_not_cropped(model):
    made, data = model
    for group in made.modes.values():
        assert group["first"].input_shape == LENGTH + 6
        codes = data.train_tables[0].seqs[:5]
        windows = group["first"].score_windows(codes).shape[-1]
        assert windows == LENGTH + 6 - 3 + 1
        windows = group["second"].score_windows(codes).shape[-1]
        assert windows == LENGTH + 3 - 4 + 1


def test_cropped_modes_of_one_name_are_trained_together(model):
    made, _ = model
    first, second = (group["second"] for group in made.modes.values())
    assert first is not second
    assert first.key() == second.key()


def test_cropping_is_not_scoring_the_letters(model):
    made, data = model
    mode = made.modes["a"]["second"]
    table = data.train_tables[0]
    expected = mode.score_windows(table.seqs)
    plain = mode.layers[-1]
    inner = table.seqs[:, 2:-1]
    assert torch.equal(plain(inner), expected)


def test_experiments_share_the_energies_of_a_cooperativity(model):
    made, _ = model
    pairs = [group["pair"] for group in made.cooperativities.values()]
    assert len(pairs) == 2
    assert pairs[0].spacing is pairs[1].spacing
    assert pairs[0].mode_a is made.modes["a"]["first"]
    assert pairs[0].mode_b is made.modes["a"]["second"]
    assert pairs[0].spacing.max_overlap == 0
    assert pairs[0].spacing.max_spacing == 2
    bindings = [
        contribution.binding
        for contribution in made.experiments["a"].rounds[1].aggregate.contributions
    ]
    assert bindings[-1] is pairs[0]


def test_a_fit_trains_saves_and_reports_a_cooperativity(values, tmp_path, monkeypatch):
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *_: None)
    values["training"] = {"order": [["ns"], ["first"], ["pair"]]}
    result = run_fit(validate(values), tmp_path / "out", jobs=1)
    model = result.model
    spacing = model.cooperativities["a"]["pair"].spacing
    finite = spacing.log_spacing[spacing.log_spacing.isfinite()]
    assert finite.abs().max() > 0
    (described,) = result.summary["cooperativities"]
    assert described["name"] == "pair"
    assert described["modes"] == ["first", "second"]
    assert described["log_activity"]["a"]["1"] is not None
    consensus = {mode["name"]: mode["size"] for mode in result.summary["modes"]}
    assert consensus == {"ns": 0, "first": 3, "second": 4}
    loaded = load_model(tmp_path / "out" / "model.safetensors")
    again = loaded.cooperativities["a"]["pair"].spacing.log_spacing
    assert torch.equal(again, spacing.log_spacing)
    # The configuration that is written is complete.
    config = load_config(tmp_path / "out" / "config.yaml")
    assert config.cooperativities["pair"].max_spacing == 2


def test_all_that_there_is_binds_by_default(values):
    del values["experiments"]["a"]["rounds"][1]["binding"]
    config = validate(values)
    assert config.bindings("a") == [[], ["ns", "first", "second", "pair"]]


def _change(values, path, value):
    *parents, last = path
    for part in parents:
        values = values[part]
    values[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("cooperativities", "pair", "modes"), ["first"], "pair.modes: .*at least 2"),
        (("cooperativities", "pair", "modes"), ["first", "x"], "no mode 'x'"),
        (("cooperativities", "pair", "modes"), ["ns", "first"], "'ns' has no motif"),
        (("cooperativities", "first"), {"modes": ["first"] * 2}, "has this name"),
        (("cooperativities", "lost"), {"modes": ["first"] * 2}, "no round binds by it"),
        (("training",), {"order": [["ns"], ["first"]]}, "lacks .*'pair'"),
        (
            ("training",),
            {"order": [["ns"], ["first"], ["second"], ["pair"]]},
            "no round binds by 'second' alone",
        ),
        (("modes", "second", "crop_left"), -1, "crop_left: .*greater"),
    ],
)
def test_parts_that_do_not_fit_are_refused(values, path, value, message):
    _change(values, path, value)
    with pytest.raises(InputError, match=message):
        validate(values)


def test_a_mode_that_crops_too_much_is_refused(values):
    values["modes"]["second"]["crop_left"] = 12
    with pytest.raises(InputError, match="covers 4"):
        load_data(validate(values))
