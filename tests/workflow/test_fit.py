"""A fit from beginning to end."""

from __future__ import annotations

import dataclasses
import json
import logging
import math

import pytest
import torch

from pyprobound.config import load_config, validate
from pyprobound.errors import FitError, InputError
from pyprobound.optim.records import EpochDone, StepStarted
from pyprobound.workflow import load_model, run_fit
from pyprobound.workflow.one_start import Start, start_seed
from pyprobound.workflow.records import StartBegun, StartDone
from pyprobound.workflow.starts import best_start
from workflow.small_tables import MOTIF, small_values, write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("data") / "small.tsv")


@pytest.fixture
def no_logos(monkeypatch):
    """Logos take longer than these fits."""
    monkeypatch.setattr("pyprobound.workflow.fit.write_logos", lambda *arguments: None)


def config_of(table, **changes):
    return validate(small_values(table, **changes))


def test_everything_is_written(table, tmp_path):
    records = []
    result = run_fit(
        config_of(table, starts=2), tmp_path / "out", on_record=records.append
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}
    logos = {
        f"logo-motif{end}" for end in (".svg", ".png", "-reverse.svg", "-reverse.png")
    }
    assert names == logos | {
        "config.yaml",
        "fit.log",
        "history.jsonl",
        "model.json",
        "model.pt",
        "model.safetensors",
        "summary.json",
    }
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary == result.summary
    assert summary["nll_per_read"] == pytest.approx(0.5, abs=0.2)
    assert summary["seed"] == 0
    assert summary["n_parameters"] == 4 * 4 + 3
    assert summary["tables"] == [
        {
            "name": "small",
            "path": str(table),
            "sha256": result.config.tables["small"].sha256,
            "rows": 300,
            "reads": summary["tables"][0]["reads"],
            "duplicates_summed": 0,
        }
    ]
    ns, motif = summary["modes"]
    assert (ns["name"], ns["size"], ns["consensus"]) == ("ns", 0, "")
    assert motif["consensus"] in (MOTIF, "GTCA")
    assert [max(row) for row in motif["psam"]] == [0.0] * 4
    assert isinstance(motif["log_activity"]["small"]["1"], float)
    kept = [start for start in summary["starts"] if start["kept"]]
    assert kept[0]["loss"] == min(start["loss"] for start in summary["starts"])
    assert kept[0]["nll_per_read"] == summary["nll_per_read"]
    counted = sum(start["n_evaluations"] for start in summary["starts"])
    assert summary["n_evaluations"] == counted
    epochs = [record for record in records if isinstance(record, EpochDone)]
    lines = (tmp_path / "out" / "history.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert [entry["negloglik"] for entry in history] == [e.negloglik for e in epochs]
    assert {"start", "group", "step", "greedy_round", "epoch"} <= set(history[0])
    assert {entry["start"] for entry in history} == {0, 1}
    assert sum(isinstance(record, StartBegun) for record in records) == 2
    assert sum(isinstance(record, StartDone) for record in records) == 2
    text = (tmp_path / "out" / "fit.log").read_text()
    assert "start 2 of 2: loss" in text
    assert "Epoch   0" in text


def test_resolved_configuration_fits_the_same_to_the_last_bit(
    table, tmp_path, monkeypatch
):
    first = run_fit(config_of(table, starts=2, seed=3), tmp_path / "a")
    monkeypatch.chdir(tmp_path / "a")
    second = run_fit(load_config("config.yaml"), tmp_path / "b")
    assert (tmp_path / "a" / "config.yaml").read_text() == (
        tmp_path / "b" / "config.yaml"
    ).read_text()
    for name in ("model.safetensors", "logo-motif.svg", "logo-motif-reverse.png"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()
    for key in ("nll_per_read", "regularization", "n_evaluations", "modes"):
        assert first.summary[key] == second.summary[key]
    third = run_fit(config_of(table, starts=2, seed=4), tmp_path / "c")
    assert third.summary["nll_per_read"] != first.summary["nll_per_read"]


def test_resolved_configuration_leaves_nothing_open(table, tmp_path, no_logos):
    result = run_fit(config_of(table), tmp_path / "out")
    config = load_config(tmp_path / "out" / "config.yaml")
    assert config == result.config
    small = config.tables["small"]
    assert small.columns == [0, 1]
    assert small.header is False
    assert (small.min_variable_length, small.max_variable_length) == (10, 10)
    assert (small.max_left_flank_length, small.max_right_flank_length) == (0, 0)
    motif = config.psams["motif"]
    assert motif.symmetry == [1, 2, 3, 4]
    assert (motif.score_reverse, motif.out_channels) == (True, 2)
    assert config.experiments["small"].rounds[1].binding == ["ns", "motif"]
    assert (
        config.experiments["small"].counts_per_round
        == (result.summary["tables"][0]["reads"])
    )
    assert config.training.order == [["ns"], ["motif"]]
    assert config.loss.weights == [1.0]
    assert (config.device, config.threads) == ("cpu", 1)


def test_nothing_is_left_behind_in_the_process(table, tmp_path, no_logos):
    before = torch.get_num_threads(), torch.get_rng_state()
    handlers = list(logging.getLogger("pyprobound").handlers)
    run_fit(config_of(table), tmp_path / "out")
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert logging.getLogger("pyprobound").handlers == handlers


def test_model_file_gives_the_fitted_model_back(table, tmp_path, no_logos):
    result = run_fit(config_of(table), tmp_path / "out")
    model = load_model(tmp_path / "out" / "model.safetensors")
    assert result.model.config == model.config
    import pandas as pd

    rows = pd.read_csv(table, sep="\t", header=None, index_col=0)
    loss = model.loss([model.make_table("small", rows)])
    assert float(loss.negloglik) == pytest.approx(
        result.summary["nll_per_read"], abs=1e-7
    )
    assert not model.loss.training
    assert not any(part.requires_grad for part in model.loss.parameters())


def test_weights_in_the_layout_of_1_5(table, tmp_path, no_logos):
    run_fit(config_of(table), tmp_path / "out")
    content = torch.load(tmp_path / "out" / "model.pt", weights_only=True)
    assert set(content) == {"state_dict", "metadata"}
    assert content["metadata"]["flank_lengths"] == ((0, 0),)
    names = list(content["state_dict"])
    assert sum("betas.1-" in name for name in names) == 4
    other = load_model(tmp_path / "out" / "model.safetensors")
    with torch.no_grad():
        other.psams["motif"].betas["1"].zero_()
    fitted = load_model(tmp_path / "out" / "model.safetensors")
    other.loss.reload(tmp_path / "out" / "model.pt")
    for one, two in zip(other.loss.parameters(), fitted.loss.parameters(), strict=True):
        assert torch.equal(one, two)


def test_what_1_5_cannot_hold_is_left_out(table, tmp_path, caplog, no_logos):
    psams = {
        "motif": {"kernel_size": 4, "symmetry": "ABba", "pairwise_distance": 1},
    }
    result = run_fit(config_of(table, psams=psams), tmp_path / "out")
    assert not (tmp_path / "out" / "model.pt").exists()
    assert "model.pt is not written" in caplog.text
    assert "model.pt is not written" in (tmp_path / "out" / "fit.log").read_text()
    assert result.model.psams["motif"].ids == (1, 2, -2, -1)


def test_validation_rows_do_not_train(table, tmp_path, no_logos):
    result = run_fit(config_of(table, validation_fraction=0.2), tmp_path / "out")
    summary = result.summary
    assert summary["validation_nll_per_read"] > 0
    assert summary["tables"][0]["validation_rows"] == 60
    assert summary["tables"][0]["rows"] == 300
    reads = sum(summary["tables"][0]["reads"])
    counts = result.config.experiments["small"].counts_per_round
    assert 0.7 * reads < sum(counts) < 0.9 * reads
    again = run_fit(load_config(tmp_path / "out" / "config.yaml"), tmp_path / "b")
    for key in ("nll_per_read", "validation_nll_per_read"):
        assert again.summary[key] == summary[key]


def test_a_validation_part_without_rows_is_refused(table, tmp_path, no_logos):
    with pytest.raises(
        InputError, match=r"validation_fraction: 0\.001 of the 300 rows"
    ):
        run_fit(config_of(table, validation_fraction=0.001), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_simultaneous_training_gives_every_mode_its_share(table, tmp_path, no_logos):
    training = {"mode": "simultaneous"}
    result = run_fit(config_of(table, training=training), tmp_path / "out")
    motif = result.summary["modes"][1]
    assert math.isfinite(motif["log_activity"]["small"]["1"])
    assert result.config.training.order is None
    sequential = run_fit(config_of(table), tmp_path / "b")
    assert result.summary["nll_per_read"] == pytest.approx(
        sequential.summary["nll_per_read"], abs=0.02
    )


def test_order_of_training(table, tmp_path, no_logos):
    records = []
    training = {"order": [["motif", "ns"]]}
    run_fit(
        config_of(table, training=training), tmp_path / "out", on_record=records.append
    )
    groups = {record.group for record in records if isinstance(record, StepStarted)}
    assert groups == {0}


def test_two_experiments_share_a_motif(table, tmp_path, no_logos):
    values = small_values(table)
    other = write_table(tmp_path / "other.tsv", n_rows=200, length=8, n_rounds=3)
    values["tables"]["other"] = {"path": str(other), "columns": [0, 2]}
    values["experiments"]["other"] = {
        "table": "other",
        "rounds": [
            {"type": "InitialRound", "name": "start"},
            {
                "type": "BoundRound",
                "name": "hidden",
                "reference_round": "start",
                "observed": False,
                "train_depth": False,
            },
            {
                "type": "BoundRound",
                "name": "end",
                "reference_round": "hidden",
                "binding": ["motif"],
            },
        ],
    }
    result = run_fit(validate(values), tmp_path / "out")
    activities = result.summary["modes"][1]["log_activity"]
    assert set(activities) == {"small", "other"}
    assert set(activities["other"]) == {"hidden", "end"}
    model = result.model
    keys = {modes["motif"].key() for modes in model.modes.values()}
    assert len(keys) == 1
    assert len(model.psams) == 1
    assert model.config.loss.weights == [0.5, 0.5]


def test_every_type_of_round_can_be_fitted(table, tmp_path, no_logos):
    many = write_table(tmp_path / "many.tsv", n_rows=100, n_rounds=6)
    start = {"type": "InitialRound", "name": "input"}
    reference = {"reference_round": "input"}
    rounds = [
        start,
        {"type": "BoundRound", "name": "b", "target_concentration": 2, **reference},
        {"type": "UnboundRound", "name": "u", "from_round": "b", **reference},
        {
            "type": "RhoGammaRound",
            "name": "rg",
            "contributions": [{"binding": "ns"}, {"binding": "motif"}],
            **reference,
        },
        {
            "type": "ExponentialRound",
            "name": "e",
            "from_round": "b",
            "target_concentration": 3,
            **reference,
        },
        {"type": "BoundUnsaturatedRound", "name": "bu", "reference_round": "b"},
    ]
    values = small_values(many, optimizer={"epochs": 1, "optim_args": {"max_iter": 2}})
    values["experiments"]["small"]["rounds"] = rounds
    result = run_fit(validate(values), tmp_path / "out")
    made = {
        part.name: part for part in result.model.experiments["small"].observed_rounds
    }
    assert [type(part).__name__ for part in made.values()] == [
        r["type"] for r in rounds
    ]
    assert made["u"].aggregate is made["b"].aggregate
    assert made["e"].aggregate is not made["b"].aggregate
    assert list(made["e"].aggregate.contributions) == list(
        made["b"].aggregate.contributions
    )
    assert float(made["e"].aggregate.log_target_concentration) == pytest.approx(
        math.log(3)
    )
    assert set(result.summary["modes"][0]["log_activity"]["small"]) == set("bu") | {
        "rg",
        "e",
        "bu",
    }


def test_flanks_grow_and_are_remembered(table, tmp_path, no_logos):
    values = small_values(table)
    values["tables"]["small"] |= {
        "left_flank": "acgta",
        "right_flank": "GGTAC",
        "left_flank_length": 1,
        "right_flank_length": 1,
    }
    values["psams"]["motif"] |= {
        "increment_footprint": True,
        "increment_flank_with_footprint": True,
        "max_kernel_size": 6,
    }
    values["optimizer"] = {"epochs": 2, "greedy_threshold": 0}
    result = run_fit(validate(values), tmp_path / "out")
    size = result.summary["modes"][1]["size"]
    assert size > 4, "the case is about a motif that grew"
    flanks = result.model.flank_lengths[0]
    assert sum(flanks) == 2 + size - 4
    import pandas as pd

    rows = pd.read_csv(table, sep="\t", header=None, index_col=0)
    loss = result.model.loss([result.model.make_table("small", rows)])
    assert float(loss.negloglik) == pytest.approx(
        result.summary["nll_per_read"], abs=1e-6
    )


def test_seeds_of_starts_do_not_depend_on_their_number():
    seeds = [start_seed(5, start) for start in range(100)]
    assert len(set(seeds)) == 100
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert start_seed(6, 0) not in seeds


def test_more_starts_begin_like_fewer(table, tmp_path, no_logos):
    one = run_fit(config_of(table), tmp_path / "a").summary["starts"]
    two = run_fit(config_of(table, starts=2), tmp_path / "b").summary["starts"]
    assert two[0]["loss"] == one[0]["loss"]


def some_start(number, loss):
    values = dict.fromkeys((field.name for field in dataclasses.fields(Start)), 0.0)
    return Start(**values | {"start": number, "loss": loss})


def test_the_best_start_is_kept():
    starts = [some_start(0, math.nan), some_start(1, 2.0), some_start(2, 1.0)]
    assert best_start([*starts, some_start(3, 1.0)]).start == 2
    with pytest.raises(FitError, match="no start reached a finite loss"):
        best_start(starts[:1])


def test_a_failing_start_is_no_traceback_of_torch(
    table, tmp_path, monkeypatch, no_logos
):
    from pyprobound.workflow import one_start

    def fail(*arguments):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(one_start, "train", fail)
    with pytest.raises(FitError, match="start 1 failed: out of memory") as caught:
        run_fit(config_of(table), tmp_path / "out")
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"optimizer": {"optimizer": "Nadamax"}},
            r"optimizer\.optimizer: torch.optim has",
        ),
        ({"optimizer": {"optimizer": "Optimizer"}}, r"optimizer\.optim_args: "),
        (
            {"optimizer": {"optimizer": "Adam", "optim_args": {"momentum": 1}}},
            r"optimizer\.optim_args: .*momentum",
        ),
        ({"device": "toaster"}, "device: the device 'toaster' cannot be used"),
        ({"psams": {"motif": {"kernel_size": 11}}}, r"small.tsv, line 1: the shortest"),
        (
            {"psams": {"motif": {"kernel_size": 4, "out_channels": 3}}},
            r"psams\.motif: .*out_channels",
        ),
        (
            {"psams": {"motif": {"kernel_size": 4, "seed": ["ACGX"]}}},
            r"psams\.motif: .*X",
        ),
    ],
)
def test_settings_are_checked_before_anything_is_written(
    table, tmp_path, changes, expected, no_logos
):
    with pytest.raises(InputError, match=expected):
        run_fit(config_of(table, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"left_flank": "ACX"}, r"tables\.small\.left_flank: .*'X'"),
        (
            {"left_flank": "AC", "left_flank_length": 3},
            r"tables\.small\.left_flank_length: 3 letters of the flank cannot",
        ),
        ({"min_variable_length": 11}, r"tables\.small: min_variable_length is 11"),
        ({"columns": [0]}, r"experiments\.small\.rounds: 2 rounds are observed, but"),
        ({"sha256": "0" * 64}, "is not the file that the configuration was written"),
        ({"alphabet": "RNA"}, "line 1: letter 'T'"),
        (
            {"alphabet": {"alphabet": "ACGT", "encoding": {"A": "C"}}},
            r"tables\.small\.alphabet: code 'A'",
        ),
        ({"path": "/nowhere/small.tsv"}, "/nowhere/small.tsv: there is no such file"),
    ],
)
def test_tables_are_checked_before_anything_is_written(
    table, tmp_path, changes, expected, no_logos
):
    values = small_values(table)
    values["tables"]["small"] |= changes
    with pytest.raises(InputError, match=expected):
        run_fit(validate(values), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_d5_a_table_without_reads_is_an_error(tmp_path, no_logos):
    path = tmp_path / "empty.tsv"
    path.write_text("ACGTACGT\t0\t0\n")
    with pytest.raises(InputError, match="holds no reads"):
        run_fit(config_of(path), tmp_path / "out")


def test_one_motif_cannot_score_two_alphabets(table, tmp_path, no_logos):
    values = small_values(table)
    values["tables"]["other"] = {"path": str(table), "alphabet": "Protein"}
    values["experiments"]["other"] = {
        **values["experiments"]["small"],
        "table": "other",
    }
    with pytest.raises(InputError, match=r"psams\.motif: scores the tables 'small'"):
        run_fit(validate(values), tmp_path / "out")


def test_remarks_about_tables_are_logged(tmp_path, caplog, no_logos):
    path = write_table(tmp_path / "small.tsv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[0], lines[1], "AAAAAAAAAA\t0\t0"]) + "\n")
    result = run_fit(config_of(path), tmp_path / "out")
    assert "2 rows repeat the sequence of an earlier row" in caplog.text
    assert "no positive count" in caplog.text
    assert result.summary["tables"][0]["duplicates_summed"] == 2
    assert "2 rows repeat" in (tmp_path / "out" / "fit.log").read_text()


def test_transliterated_methylation(tmp_path, no_logos):
    path = tmp_path / "small.tsv"
    write_table(path)
    values = small_values(path)
    values["tables"]["small"] |= {
        "alphabet": {"alphabet": "ACmgGT", "complement": True},
        "transliterate": {"CG": "mg"},
        "transliterate_flanks": True,
        "left_flank": "ACG",
        "left_flank_length": 2,
    }
    result = run_fit(validate(values), tmp_path / "out")
    assert result.summary["modes"][1]["letters"] == list("ACmgGT")
    assert result.summary["tables"][0]["rows"] == 300


def test_degenerate_letters_need_the_slow_scorer(tmp_path, no_logos):
    path = write_table(tmp_path / "small.tsv", n_rows=50)
    path.write_text(path.read_text() + "ACGTACGTAR\t1\t1\n")
    with pytest.raises(InputError, match="line 51: letter 'R' at position 10 of"):
        run_fit(config_of(path), tmp_path / "out")
    values = small_values(path, optimizer={"epochs": 1})
    values["modes"]["motif"]["one_hot"] = True
    assert (
        run_fit(validate(values), tmp_path / "out").summary["tables"][0]["rows"] == 51
    )


def test_wildcard_padding_lets_short_sequences_in(tmp_path, no_logos):
    path = write_table(tmp_path / "small.tsv", n_rows=50)
    path.write_text(path.read_text() + "ACG\t1\t1\n")
    with pytest.raises(
        InputError, match="line 51: the shortest sequence has 3 letters"
    ):
        run_fit(config_of(path), tmp_path / "out")
    values = small_values(path, optimizer={"epochs": 1})
    values["tables"]["small"]["wildcard_pad"] = True
    result = run_fit(validate(values), tmp_path / "out")
    assert result.config.tables["small"].min_variable_length == 10
    again = run_fit(load_config(tmp_path / "out" / "config.yaml"), tmp_path / "b")
    assert again.summary["nll_per_read"] == result.summary["nll_per_read"]
