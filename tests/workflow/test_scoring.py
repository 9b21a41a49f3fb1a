"""Scoring sequences of any length with opened models."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound.alphabets import DNA, Protein
from pyprobound.config import validate
from pyprobound.config.build import build
from pyprobound.errors import InputError
from pyprobound.io.sequences import SequenceReader
from pyprobound.layers import PSAM, NonSpecific
from pyprobound.mode import Mode
from pyprobound.table import CountTable, get_dataframe
from pyprobound.workflow import scoring, scoring_modes, scoring_wildcards
from pyprobound.workflow.models import empty_tables, save_model
from pyprobound.workflow.open_model import open_fit, open_line, open_model
from pyprobound.workflow.opened import ModelMode, OpenedModel
from pyprobound.workflow.score_run import score_file
from pyprobound.workflow.scoring import ModelScorer, ScoringOptions
from pyprobound.workflow.scoring_modes import MotifScorer, NonspecificScorer
from pyprobound.workflow.scoring_predictions import predict_table
from pyprobound.workflow.scoring_wildcards import mean_affinity_windows

TEMPLATE = {
    "modelSettings": {
        "letterOrder": "ACGT",
        "letterComplement": "C-G,A-T",
        "bindingModeInteractions": [],
        "bindingModes": [
            {
                "size": 2,
                "flankLength": 0,
                "dinucleotideDistance": 0,
                "positionBias": False,
                "singleStrand": False,
                "fitLogActivity": True,
                "modifications": [],
            }
        ],
    },
    "coefficients": {
        "bindingModeInteractions": [],
        "bindingModes": [
            {
                "mononucleotide": [0, -1, -2, -3, 0, -0.5, -1, -1.5],
                "dinucleotide": [],
                "positionBias": [],
                "activity": [[0]],
                "modifications": [],
            }
        ],
    },
}


def random_motif(size=4, pairs=0, alphabet=None, seed=0, **options):
    torch.manual_seed(seed)
    psam = PSAM(size, alphabet or DNA(), pairwise_distance=pairs, **options)
    with torch.no_grad():
        for values in psam.betas.values():
            values.normal_()
        psam.bias.normal_()
    return psam.double()


def opened(*psams, activities=()):
    modes = tuple(
        ModelMode(f"m{i}", psam, activities=activities) for i, psam in enumerate(psams)
    )
    return OpenedModel(Path("x"), "motif", psams[0].alphabet, modes)


def brute_force(psam, sequence, wildcard="mean-affinity"):
    """Scores of all windows (channels, windows), letter by letter."""
    alphabet = psam.alphabet
    filters = [
        psam.get_filter(d).detach().numpy() for d in range(psam.pairwise_distance + 1)
    ]
    bias = psam.get_bias().detach().numpy()[:, 0]
    size = psam.kernel_size
    windows = []
    for start in range(len(sequence) - size + 1):
        options = [alphabet.get_encoding[c] for c in sequence[start : start + size]]
        scores = []
        for letters in itertools.product(*options):
            score = bias + sum(filters[0][:, a, i] for i, a in enumerate(letters))
            for d in range(1, len(filters)):
                for i in range(size - d):
                    score = score + filters[d][:, letters[i], letters[i + d], i]
            scores.append(score)
        if wildcard == "mean-affinity":
            windows.append(np.log(np.exp(scores).mean(0)))
        else:
            windows.append(np.mean(scores, 0))
    return np.array(windows).T


def codes_of(alphabet, *sequences):
    return alphabet.translate_many(list(sequences))[0]


def score_text(tmp_path, model, sequences, **options):
    path = tmp_path / "in.txt"
    path.write_text("\n".join(sequences) + "\n")
    scorer = ModelScorer(model, ScoringOptions(**options))
    values, profiles = {}, {}
    for block in SequenceReader(path, model.alphabet):
        found = scorer.score(block)
        for name, column in found.values.items():
            values.setdefault(name, []).extend(column.tolist())
        for name, column in found.profiles.items():
            profiles.setdefault(name, []).extend(column)
    return values, profiles, scorer


@settings(deadline=None, max_examples=40)
@given(
    sequence=st.text("ACGTNRYB", min_size=4, max_size=8),
    pairs=st.integers(0, 3),
    wildcard=st.sampled_from(["mean-affinity", "mean-energy"]),
    seed=st.integers(0, 3),
)
def test_letters_that_are_not_known_by_brute_force(sequence, pairs, wildcard, seed):
    psam = random_motif(4, pairs, seed=seed)
    scorer = MotifScorer(psam, wildcard=wildcard)
    expected = brute_force(psam, sequence, wildcard)
    codes = codes_of(DNA(), sequence)
    np.testing.assert_allclose(scorer.windows(codes)[0], expected, rtol=1e-12)
    total = np.logaddexp.reduce(expected, axis=None)
    np.testing.assert_allclose(scorer.totals(codes), [total], rtol=1e-12)
    assert scorer.n_approximated == 0


def test_plain_and_unknown_letters_in_one_batch_and_of_many_rows():
    generator = np.random.default_rng(0)
    rows = ["".join(generator.choice(list("ACGTN"), 9)) for _ in range(40)]
    for pairs in (0, 1):
        psam = random_motif(5, pairs)
        expected = [brute_force(psam, row) for row in rows]
        scorer = MotifScorer(psam)
        codes = codes_of(DNA(), *rows)
        np.testing.assert_allclose(scorer.windows(codes), expected, rtol=1e-11)
        found = scorer.statistics(codes)
        best = [each.max() for each in expected]
        mean = [np.log(np.exp(each).mean()) for each in expected]
        np.testing.assert_allclose(found.greatest, best, rtol=1e-11)
        np.testing.assert_allclose(found.mean, mean, rtol=1e-11)


def test_mean_energy_is_what_the_layers_score():
    psam = random_motif(4, 1)
    table = CountTable(get_frame(["ACNGTACN", "NNNNNNNN"]), DNA())
    mode = Mode.from_psam(psam, table).double()
    found = MotifScorer(psam, wildcard="mean-energy").totals(table.seqs.numpy())
    np.testing.assert_allclose(found, mode(table.seqs).detach(), rtol=1e-12)


def get_frame(sequences):
    import pandas as pd

    return pd.DataFrame({0: [1] * len(sequences)}, index=sequences)


@pytest.mark.parametrize("reach", [1, 3])
def test_too_many_unknown_letters_are_approximated(reach):
    psam = random_motif(5, reach)
    filters = MotifScorer(psam).filters
    codes = codes_of(DNA(), "ACGTACG", "ACGNACG", "NNNNNNN")
    exact, none = mean_affinity_windows(codes, DNA(), filters)
    found, count = mean_affinity_windows(codes, DNA(), filters, most_states=3)
    assert (none, count) == (0, 6)
    # Without unknown letters nothing is approximate.
    np.testing.assert_allclose(found[0], exact[0], rtol=1e-12)
    # What is lost is how pairs of the same letter go together.
    without_pairs = scoring_wildcards.Filters(
        filters.monomer, (), filters.bias, filters.dilation
    )
    ignored, _ = mean_affinity_windows(codes, DNA(), without_pairs)
    assert np.abs(found - exact).mean() < 0.5 * np.abs(ignored - exact).mean()


def test_a_single_pair_is_exact_even_by_the_approximation():
    psam = random_motif(2, 1)
    filters = MotifScorer(psam).filters
    codes = codes_of(DNA(), "NNAN")
    exact, _ = mean_affinity_windows(codes, DNA(), filters)
    found, count = mean_affinity_windows(codes, DNA(), filters, most_states=1)
    assert count == 3
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_windows_that_were_approximated_are_counted():
    psam = random_motif(10, 9)
    scorer = MotifScorer(psam)
    found = scorer.windows(codes_of(DNA(), "N" * 12, "ACGTACGTACGT"))
    assert scorer.n_approximated == 3
    assert np.isfinite(found).all()


def test_a_zero_code_has_no_mean_affinity():
    with pytest.raises(ValueError, match="no mean affinity"):
        MotifScorer(random_motif(4, 1)).windows(codes_of(DNA(), "AC-T"))


def test_rows_of_any_length(tmp_path):
    psam = random_motif(4)
    generator = np.random.default_rng(0)
    rows = [
        "".join(generator.choice(list("ACGTN"), length))
        for length in generator.integers(1, 60, 80)
    ]
    values, profiles, _ = score_text(
        tmp_path,
        opened(psam),
        rows,
        statistics=("sum", "max", "mean"),
        profile=True,
    )
    for i, row in enumerate(rows):
        if len(row) < 4:
            assert values["log_affinity"][i] == -math.inf
            assert values["m0:max"][i] == values["m0:mean"][i] == -math.inf
            assert len(profiles["m0:forward"][i]) == 0
            continue
        windows = brute_force(psam, row)
        total = np.logaddexp.reduce(windows, axis=None)
        assert values["log_affinity"][i] == pytest.approx(total, abs=1e-10)
        assert values["m0:sum"][i] == pytest.approx(total, abs=1e-10)
        assert values["m0:max"][i] == pytest.approx(windows.max(), abs=1e-10)
        mean = total - np.log(windows.size)
        assert values["m0:mean"][i] == pytest.approx(mean, abs=1e-10)
        for strand, expected in zip(("forward", "reverse"), windows, strict=True):
            np.testing.assert_allclose(
                profiles[f"m0:{strand}"][i], expected, atol=1e-10
            )


def test_long_rows_are_scored_in_parts(monkeypatch):
    psam = random_motif(5, 1)
    row = "".join(np.random.default_rng(0).choice(list("ACGT"), 1000))
    codes = codes_of(DNA(), row, row[::-1])
    whole = MotifScorer(psam)
    expected, statistics = whole.totals(codes), whole.statistics(codes)
    monkeypatch.setattr(scoring_modes, "LONG_ROW", 64)
    np.testing.assert_allclose(whole.totals(codes), expected, rtol=1e-12)
    found = whole.statistics(codes)
    np.testing.assert_allclose(found.greatest, statistics.greatest, rtol=1e-12)
    np.testing.assert_allclose(found.mean, statistics.mean, rtol=1e-12)


def test_the_example_of_probound(tmp_path):
    model = open_line("template.json", TEMPLATE)
    values, profiles, _ = score_text(
        tmp_path, model, ["GGTA"], statistics=("sum",), profile=True
    )
    assert math.exp(values["log_affinity"][0]) == pytest.approx(1.00921941, abs=1e-8)
    (name,) = {column.partition(":")[0] for column in profiles}
    forward, reverse = (profiles[f"{name}:{s}"][0] for s in ("forward", "reverse"))
    np.testing.assert_allclose(
        np.exp(forward), [4.97871e-2, 3.01974e-2, 4.97871e-2], rtol=1e-5
    )
    np.testing.assert_allclose(
        np.exp(reverse), [2.23130e-1, 6.06531e-1, 4.97871e-2], rtol=1e-5
    )


def test_a_single_strand_and_other_letters(tmp_path):
    psam = random_motif(3, alphabet=Protein())
    values, profiles, _ = score_text(
        tmp_path, opened(psam), ["MKXWL", "mk"], profile=True
    )
    expected = brute_force(psam, "MKXWL")
    total = np.logaddexp.reduce(expected, axis=None)
    assert values["log_affinity"][0] == pytest.approx(total, abs=1e-10)
    assert len(profiles["m0:forward"][0]) == 3
    assert len(profiles["m0:reverse"][0]) == 0


def test_several_motifs_and_flanks(tmp_path):
    first, second = random_motif(3), random_motif(5, seed=1)
    plain, _, _ = score_text(
        tmp_path, opened(first, second), ["TTACGTAGC", "TTAAAGC"], statistics=("sum",)
    )
    flanked, _, _ = score_text(
        tmp_path,
        opened(first, second),
        ["ACGTA", "AAA"],
        left_flank="TT",
        right_flank="gc",
        statistics=("sum",),
    )
    assert flanked == plain
    both = np.logaddexp(plain["m0:sum"], plain["m1:sum"])
    np.testing.assert_allclose(plain["log_affinity"], both, rtol=1e-12)
    with pytest.raises(InputError, match="--left-flank: letter 'X' at position 2"):
        ModelScorer(opened(first), ScoringOptions(left_flank="AX"))


def test_repeated_names_of_modes_are_told_apart():
    psam = random_motif(3)
    modes = tuple(ModelMode("site", psam) for _ in range(2))
    scorer = ModelScorer(
        OpenedModel(Path("x"), "motif", DNA(), modes),
        ScoringOptions(statistics=("max",)),
    )
    assert scorer.value_columns() == ["log_affinity", "site (1):max", "site (2):max"]


def test_non_specific_binding():
    codes = codes_of(DNA(), "ACGT", "AC")
    assert NonspecificScorer(DNA()).totals(codes).tolist() == [0, 0]
    found = NonspecificScorer(DNA(), ignores_length=False).totals(codes)
    assert found.tolist() == [math.log(4), math.log(2)]
    only = (ModelMode("ns", None, activities=((1.5,),)),)
    model = OpenedModel(Path("x"), "probound-scoring", DNA(), only)
    with pytest.raises(InputError, match="no motif"):
        ModelScorer(model, ScoringOptions(profile=True))


def configuration(n_experiments=1, posbias=False):
    names = [f"e{i}" for i in range(n_experiments)]
    values = {
        "tables": {
            name: {
                "path": f"{name}.tsv",
                "left_flank": "TTTGA",
                "left_flank_length": 2,
                "min_variable_length": 8,
                "max_variable_length": 8,
            }
            for name in names
        },
        "psams": {"motif": {"kernel_size": 4, "seed": ["GACT"]}},
        "modes": {
            "everywhere": {"type": "nonspecific"},
            "site": {"type": "psam", "psam": "motif", "train_posbias": posbias},
        },
        "experiments": {
            name: {
                "table": name,
                "rounds": [
                    {"type": "InitialRound", "name": "0"},
                    *(
                        {
                            "type": "BoundUnsaturatedRound",
                            "name": str(i),
                            "reference_round": str(i - 1),
                            "contributions": [
                                {"binding": b, "log_activity": -float(i)}
                                for b in ("everywhere", "site")
                            ],
                        }
                        for i in (1, 2)
                    ),
                ],
            }
            for name in names
        },
    }
    return validate(values)


def fitted(**options):
    config = configuration(**options)
    return build(config, empty_tables(config))


def test_a_fit_scores_as_its_aggregate(tmp_path):
    model = fitted()
    found, _, _ = score_text(
        tmp_path, open_fit("x", model), ["ACGTGACT", "AAAAAAAA"], left_flank="GA"
    )
    first, _, _ = score_text(
        tmp_path, open_fit("x", model), ["ACGTGACT"], left_flank="GA", column=2
    )
    codes = torch.from_numpy(codes_of(DNA(), "GAACGTGACT", "GAAAAAAAAA"))
    aggregate = model.experiments["e0"].observed_rounds[2].aggregate
    expected = aggregate(codes).detach()
    np.testing.assert_allclose(found["log_affinity"], expected, rtol=1e-5)
    assert first["log_affinity"][0] == pytest.approx(found["log_affinity"][0] + 1)


def test_the_experiment_and_the_round_are_chosen():
    model = open_fit("x", fitted(n_experiments=2))
    with pytest.raises(InputError, match="2 experiments"):
        ModelScorer(model, ScoringOptions())
    ModelScorer(model, ScoringOptions(experiment="e1"))
    ModelScorer(model, ScoringOptions(experiment="2"))
    with pytest.raises(InputError, match="no experiment 'e2'"):
        ModelScorer(model, ScoringOptions(experiment="e2"))
    for column, message in ((4, "there is no round 4"), (1, "nothing binds")):
        with pytest.raises(InputError, match=message):
            ModelScorer(model, ScoringOptions(experiment="e1", column=column))
    motif = opened(random_motif())
    with pytest.raises(InputError, match="--experiment: the model is a motif"):
        ModelScorer(motif, ScoringOptions(experiment="1"))


def test_a_position_bias_is_mentioned():
    model = fitted(posbias=True)
    layer = model.modes["e0"]["site"].layers[-1]
    with torch.no_grad():
        layer.log_posbias.fill_(1.0)
    scorer = ModelScorer(open_fit("x", model), ScoringOptions())
    assert "position bias" in scorer.remarks[0]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_predictions_of_a_fit(tmp_path, suffix):
    model = fitted()
    path = tmp_path / f"model{suffix}"
    if suffix == ".pt":
        model.loss.save(path, flank_lengths=((2, 0),))
        (tmp_path / "config.yaml").write_text(model.config.model_dump_json())
    else:
        save_model(path, model)
    table = tmp_path / "counts.tsv"
    table.write_text("ACGTGACT\t3\t4\t5\nAAAAAAAA\t0\t1\t1\n")
    result = predict_table(open_model(path), table, tmp_path / "out.tsv")
    assert (result.n_sequences, result.reads) == (2, (3, 5, 6))
    rows = (tmp_path / "out.tsv").read_text().splitlines()
    assert rows[0] == "sequence\t0\t1\t2"
    experiment = model.experiments["e0"]
    codes = torch.from_numpy(codes_of(DNA(), "GAACGTGACT", "GAAAAAAAAA"))
    shares = experiment(codes).exp().detach().numpy()
    found = np.array([list(map(float, row.split("\t")[1:])) for row in rows[1:]])
    np.testing.assert_allclose(found, shares * [[12], [2]], rtol=1e-5)
    predict_table(open_model(path), table, tmp_path / "out.parquet", shares=True)
    import polars as pl

    frame = pl.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(frame[["0", "1", "2"]].to_numpy(), shares, rtol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ACGTGACT\t3\t4\n", "2 columns of counts"),
        ("ACGTGACTAA\t3\t4\t5\n", "counts.tsv"),
        ("ACXTGACT\t3\t4\t5\n", "letter 'X'"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, text, message):
    save_model(tmp_path / "model.safetensors", fitted())
    table = tmp_path / "counts.tsv"
    table.write_text(text)
    out = tmp_path / "out.tsv"
    with pytest.raises(InputError, match=message):
        predict_table(open_model(tmp_path), table, out)
    assert not out.exists()


def test_a_motif_predicts_no_counts(tmp_path):
    with pytest.raises(InputError, match="no counts"):
        predict_table(opened(random_motif()), "counts.tsv", None)


def test_predictions_have_the_recorded_likelihood(shared, tmp_path):
    folder = shared / "data" / "bcd"
    model = open_model(folder / "bcd.models.json")
    predict_table(model, folder / "bcd.tsv.gz", tmp_path / "out.parquet", shares=True)
    import polars as pl

    shares = pl.read_parquet(tmp_path / "out.parquet")
    frame = get_dataframe(folder / "bcd.tsv.gz")
    counts = frame.loc[shares["sequence"].to_list()].to_numpy()
    values = shares.drop("sequence").to_numpy()
    loss = -(counts * np.log(values)).sum()
    assert loss == pytest.approx(model.provenance["logLikelihood"], rel=1e-6)


def test_modes_that_bind_together_are_a_part_of_the_total(shared, tmp_path):
    path = shared / "data" / "exdhox" / "coop.models.json"
    model = open_model(path, index=13)
    settings = model.document["modelSettings"]["countTable"][0]
    left, right = settings["leftFlank"][-3:], settings["rightFlank"][:3]
    generator = np.random.default_rng(0)
    rows = ["".join(generator.choice(list("ACGT"), 16)) for _ in range(20)]
    flanks = {"left_flank": left, "right_flank": right}
    found, _, _ = score_text(tmp_path, model, rows, **flanks)
    codes = codes_of(DNA(), *[left + row + right for row in rows])
    aggregate = model.experiments[0].observed_rounds[-1].aggregate
    expected = aggregate(torch.from_numpy(codes)).detach()
    np.testing.assert_allclose(found["log_affinity"], expected, rtol=1e-12)
    with pytest.raises(InputError, match="22 letters only"):
        score_text(tmp_path, model, rows)
    alone, _, _ = score_text(tmp_path, model, rows, **flanks, interactions=False)
    assert (np.array(alone["log_affinity"]) < found["log_affinity"]).all()
    # Without energies for each place, other lengths are known, too.
    homogeneous = open_model(path, index=12)
    shorter = [row[:12] for row in rows]
    found, _, _ = score_text(tmp_path, homogeneous, shorter)
    alone, _, _ = score_text(tmp_path, homogeneous, shorter, interactions=False)
    assert (np.array(alone["log_affinity"]) < found["log_affinity"]).all()


def test_models_of_motif_central(shared, tmp_path):
    path = shared / "data" / "motifcentral" / "MotifCentral.v1.0.0.json"
    document = json.loads(path.read_text())[5]
    model = open_line(path, document)
    values, _, _ = score_text(tmp_path, model, ["ACGTNACGATTACAGATTACATTAGCATGCAGA"])
    (mode,) = model.modes
    expected = brute_force(mode.psam, "ACGTNACGATTACAGATTACATTAGCATGCAGA")
    total = np.logaddexp.reduce(expected, axis=None)
    assert values["log_affinity"][0] == pytest.approx(total, rel=1e-9)


def test_a_file_is_scored_in_order_and_appears_when_it_is_complete(tmp_path):
    psam = random_motif(3)
    path = tmp_path / "in.fa"
    rows = [f">s{i}\n{'ACGT' * (1 + i % 5)}\n" for i in range(30_000)]
    path.write_text("".join(rows))
    steps = []
    for name in ("out.tsv", "out.parquet", "out.csv.gz"):
        result = score_file(
            opened(psam),
            path,
            tmp_path / name,
            ScoringOptions(),
            with_sequence=True,
            on_progress=lambda *step: steps.append(step),
        )
        assert (result.n_scored, result.n_skipped, result.remarks) == (30_000, 0, ())
    size = path.stat().st_size
    assert steps[-1] == (size, size, 30_000)
    import polars as pl

    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame["name"].to_list() == [f"s{i}" for i in range(30_000)]
    text = pl.read_csv(tmp_path / "out.tsv", separator="\t")
    np.testing.assert_allclose(text["log_affinity"], frame["log_affinity"], atol=1e-8)
    assert text["sequence"].to_list() == frame["sequence"].to_list()
    assert pl.read_csv(tmp_path / "out.csv.gz").equals(text)
    path.write_text("".join(rows) + ">last\nAX\n")
    before = (tmp_path / "out.tsv").read_bytes()
    for name in ("out.tsv", "new.parquet"):
        with pytest.raises(InputError, match="letter 'X'"):
            score_file(opened(psam), path, tmp_path / name, ScoringOptions())
    assert (tmp_path / "out.tsv").read_bytes() == before
    left = sorted(each.name for each in tmp_path.iterdir())
    assert left == ["in.fa", "out.csv.gz", "out.parquet", "out.tsv"]


def test_what_was_left_out_is_said(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("ACGT\nAX\nACZ\n")
    result = score_file(
        opened(random_motif(3)),
        path,
        tmp_path / "out.tsv",
        ScoringOptions(),
        on_invalid="skip",
    )
    assert (result.n_scored, result.n_skipped) == (1, 2)
    assert "line 2: letter 'X'" in result.remarks[0]
    path.write_text("AX\nACZ\n")
    with pytest.raises(InputError, match="none of its 2 sequences"):
        score_file(
            opened(random_motif(3)),
            path,
            tmp_path / "out2.tsv",
            ScoringOptions(),
            on_invalid="skip",
        )
    assert not (tmp_path / "out2.tsv").exists()


def test_batches_are_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "_BATCH_LETTERS", 64)
    psam = random_motif(3)
    rows = ["ACGTAC" * (1 + i % 4) for i in range(50)]
    values, _, _ = score_text(tmp_path, opened(psam), rows)
    for row, value in zip(rows, values["log_affinity"], strict=True):
        expected = np.logaddexp.reduce(brute_force(psam, row), axis=None)
        assert value == pytest.approx(expected, abs=1e-10)


def test_the_layer_of_a_fit_may_score_some_channels():
    psam = random_motif(4)
    table = CountTable(get_frame(["ACGTACGT"]), DNA())
    mode = Mode.from_psam(psam, table, out_channel_indexing=[1])
    scorer = MotifScorer(psam, mode.layers[0], log_hill=0.5)
    with torch.no_grad():
        mode.log_hill.fill_(0.5)
    np.testing.assert_allclose(
        scorer.totals(table.seqs.numpy()), mode(table.seqs).detach(), rtol=1e-6
    )
    forward, reverse = scorer.profile(table.seqs.numpy())
    assert np.isneginf(forward).all()
    assert reverse.shape == (1, 5)
    with pytest.raises(ValueError, match="no alphabet"):
        MotifScorer(PSAM(3, in_channels=4))
    assert NonSpecific(DNA()).ignore_length is False
