"""Tests of simulated experiments: what is counted is what the model predicts."""

import itertools
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from pyprobound.aggregate import Aggregate, Contribution
from pyprobound.alphabets import DNA, RNA
from pyprobound.experiment import Experiment
from pyprobound.layers import PSAM, Conv0d, Conv1d, NonSpecific
from pyprobound.mode import Mode
from pyprobound.rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    InitialRound,
    UnboundRound,
)
from pyprobound.stats import library
from pyprobound.stats.simulation import builtin_model, simulate

LENGTH = 5


def small_experiment(
    length=LENGTH, size=3, seed="GAC", alphabet=None, kind=BoundRound, **options
):
    """A motif with clear preferences, and some binding of everything else."""
    alphabet = alphabet or DNA()
    psam = PSAM(size, alphabet, seed=[seed], seed_scale=8)
    lengths = (length, length, length)
    mode = Mode([Conv1d(psam, *lengths, **options)])
    everywhere = Mode([Conv0d(NonSpecific(alphabet), *lengths)])
    aggregate = Aggregate(
        [
            Contribution(everywhere, log_activity=-6.0),
            Contribution(mode, log_activity=-6.0),
        ]
    )
    start = InitialRound()
    bound = kind(aggregate, start)
    return Experiment([start, bound])


def all_sequences(alphabet, length):
    return list(map("".join, itertools.product(alphabet.alphabet, repeat=length)))


def log_enrichments(experiment, sequences, alphabet=None):
    codes, _ = (alphabet or DNA()).translate_many(sequences)
    with torch.no_grad():
        columns = [
            step.log_cumulative_enrichment(torch.from_numpy(codes)).double().numpy()
            for step in experiment.observed_rounds
        ]
    return np.stack(columns, axis=1)


def expected_counts(log_weights, frequencies, reads):
    """The mean counts of all sequences in an infinite library."""
    shares = np.exp(log_weights) * frequencies[:, None]
    return reads * shares / shares.sum(axis=0)


def dispersion(counts, means):
    """The mean squared deviation in units of the variance of Poisson's distribution."""
    return float(((counts - means) ** 2 / means).mean())


@pytest.mark.parametrize("sampling", ["poisson", "multinomial"])
@pytest.mark.parametrize("kind", [BoundRound, BoundUnsaturatedRound, UnboundRound])
def test_counts_of_every_sequence_are_those_of_the_model(kind, sampling):
    experiment = small_experiment(kind=kind)
    composition = [0.4, 0.3, 0.2, 0.1]
    size, reads = 500_000, 60_000

    frame = simulate(
        experiment,
        reads_per_round=reads,
        seed=1,
        library_size=size,
        composition=composition,
        sampling=sampling,
    )

    sequences = all_sequences(DNA(), LENGTH)
    counts = frame.reindex(sequences, fill_value=0).to_numpy()
    letters = DNA().translate_many(sequences)[0]
    frequencies = np.prod(np.array(composition)[letters], axis=1)
    means = expected_counts(log_enrichments(experiment, sequences), frequencies, reads)
    enough = means[:, 0] > 2
    for column in range(2):
        # A sequence has a random number of molecules, which adds to the variance.
        spread = 1 + means[enough, column] / (size * frequencies[enough])
        scaled = dispersion(counts[enough, column], means[enough, column])
        assert scaled == pytest.approx(spread.mean(), abs=0.25)
    assert counts.sum() == frame.to_numpy().sum()


def test_reads_of_a_sequence_are_shared_by_the_rounds_as_predicted():
    """Given the sequences read, even of a small library, the counts are binomial."""
    experiment = small_experiment(length=12)
    reads = (40_000, 30_000)
    frame = simulate(experiment, reads_per_round=reads, seed=2, library_size=100_000)

    log_weights = log_enrichments(experiment, list(frame.index))[:, 1]
    sample = np.random.default_rng(0).integers(0, 4, (200_000, 12), dtype=np.int8)
    with torch.no_grad():
        bound = experiment.observed_rounds[1]
        mean = float(
            bound.log_enrichment(torch.from_numpy(sample)).double().exp().mean()
        )
    log_odds = log_weights + np.log(reads[1] / reads[0]) - np.log(mean)
    bins = pd.qcut(log_odds, 12, labels=False, duplicates="drop")
    totals = frame.groupby(bins).sum()
    shares = pd.Series(1 / (1 + np.exp(-log_odds)), index=frame.index)
    expected = (shares * frame.sum(axis=1)).groupby(bins).sum()
    variance = (shares * (1 - shares) * frame.sum(axis=1)).groupby(bins).sum()
    deviations = (totals[1] - expected) / np.sqrt(variance)
    assert len(deviations) > 8
    assert float(np.ptp(log_odds)) > 2
    assert stats.chi2.sf((deviations**2).sum(), len(deviations)) > 0.001


def test_rounds_select_from_the_round_before():
    experiment = small_experiment()
    reads = 50_000
    frame = simulate(
        experiment, rounds=3, reads_per_round=reads, seed=3, library_size=500_000
    )
    assert list(frame.columns) == [0, 1, 2, 3]

    sequences = all_sequences(DNA(), LENGTH)
    single = log_enrichments(experiment, sequences)[:, 1:]
    means = expected_counts(
        single * np.arange(4), np.full(4**LENGTH, 4**-LENGTH), reads
    )
    counts = frame.reindex(sequences, fill_value=0).to_numpy()
    for column in range(4):
        enough = means[:, column] > 2
        spread = 1 + means[enough, column] / (500_000 / 4**LENGTH)
        scaled = dispersion(counts[enough, column], means[enough, column])
        assert scaled == pytest.approx(spread.mean(), rel=0.25)


def test_a_chain_of_rounds_is_the_same_as_a_repeated_round():
    built = simulate(builtin_model(rounds=2), reads_per_round=300, seed=4)
    repeated = simulate(builtin_model(), rounds=2, reads_per_round=300, seed=4)
    pd.testing.assert_frame_equal(built, repeated)


def test_rounds_of_the_experiment_are_columns_in_its_order():
    start = InitialRound()
    aggregate = small_experiment().observed_rounds[1].aggregate
    bound = BoundRound(aggregate, start)
    unbound = UnboundRound.from_round(bound)
    frame = simulate(
        Experiment([unbound, start, bound]), reads_per_round=(100, 200, 0), seed=5
    )
    assert list(frame.columns) == [0, 1, 2]
    assert frame[2].sum() == 0
    assert 40 < frame[0].sum() < 160 < frame[1].sum() < 260


def test_the_result_depends_on_the_seed_alone():
    experiment = small_experiment(length=10)
    arguments = {"reads_per_round": 500, "library_size": 2_000}
    state = torch.get_rng_state()
    np.random.seed(0)  # noqa: NPY002
    first = simulate(experiment, seed=6, **arguments)
    assert torch.equal(state, torch.get_rng_state())
    np.random.seed(1)  # noqa: NPY002
    pd.testing.assert_frame_equal(first, simulate(experiment, seed=6, **arguments))
    assert not first.equals(simulate(experiment, seed=7, **arguments))


def test_the_library_of_a_seed_does_not_depend_on_depth():
    """Deeper sequencing of the same library finds more of the same molecules."""
    experiment = small_experiment(length=12)
    shallow, deep = (
        simulate(experiment, reads_per_round=reads, seed=8, library_size=1_000)
        for reads in (500, 50_000)
    )
    assert set(shallow.index) < set(deep.index)
    assert len(deep) <= 1_000


@pytest.mark.parametrize("sampling", ["poisson", "multinomial"])
def test_depths_are_met(sampling):
    reads = (20_000, 5_000)
    frame = simulate(
        small_experiment(length=12), reads_per_round=reads, seed=9, sampling=sampling
    )
    totals = frame.sum().to_numpy()
    if sampling == "multinomial":
        assert tuple(totals) == reads
    else:
        assert tuple(totals) != reads
        np.testing.assert_array_less(np.abs(totals - reads), 4 * np.sqrt(reads))


def test_a_table_has_each_sequence_once_in_order():
    frame = simulate(small_experiment(), reads_per_round=5_000, seed=10)
    assert frame.index.is_unique
    assert frame.index.is_monotonic_increasing
    assert frame.index.str.len().unique().tolist() == [LENGTH]
    assert (frame.sum(axis=1) > 0).all()
    assert (frame.dtypes == np.int64).all()


def test_reads_of_a_large_random_library_are_mostly_unique():
    frame = simulate(builtin_model(), reads_per_round=2_000, seed=11)
    assert (frame[0] > 1).sum() < 0.08 * (frame[0] > 0).sum()
    assert ((frame[0] > 0) & (frame[1] > 0)).mean() < 0.08


def test_letters_are_drawn_with_their_frequencies():
    frame = simulate(
        small_experiment(),
        reads_per_round=(20_000, 0),
        seed=12,
        composition=[7, 0, 2, 1],
    )
    text = "".join(frame.index.repeat(frame[0]))
    shares = [text.count(letter) / len(text) for letter in "ACGT"]
    np.testing.assert_allclose(shares, [0.7, 0, 0.2, 0.1], atol=0.01)


def test_flanks_take_part_in_binding_but_are_not_in_the_table():
    experiment = small_experiment(length=7, size=3, seed="GAC")
    reads = 40_000
    frame = simulate(
        experiment,
        reads_per_round=reads,
        seed=13,
        library_size=400_000,
        left_flank="TGA",
        right_flank="T",
    )
    sequences = all_sequences(DNA(), 3)
    whole = ["TGA" + sequence + "T" for sequence in sequences]
    means = expected_counts(
        log_enrichments(experiment, whole), np.full(64, 1 / 64), reads
    )
    counts = frame.reindex(sequences).to_numpy()
    spread = 1 + means[:, 1] / (400_000 / 64)
    assert dispersion(counts[:, 1], means[:, 1]) == pytest.approx(
        spread.mean(), abs=0.6
    )
    # GA before a C makes a site that reaches into the flank.
    ratios = (frame[1] / frame[0]).groupby(frame.index.str[0]).mean()
    assert ratios.idxmax() == "C"


def test_molecules_are_drawn_and_scored_in_blocks(monkeypatch):
    monkeypatch.setattr(library, "_ROWS_PER_BLOCK", 128)
    sizes = []
    original = BoundRound.log_cumulative_enrichment

    def spy(self, seqs):
        sizes.append(len(seqs))
        return original(self, seqs)

    monkeypatch.setattr(BoundRound, "log_cumulative_enrichment", spy)
    for sampling in ("poisson", "multinomial"):
        frame = simulate(
            small_experiment(length=10),
            reads_per_round=200,
            library_size=1_000,
            sampling=sampling,
        )
        assert 300 < frame.to_numpy().sum() < 500
    assert max(sizes) == 128
    assert sum(sizes) == 4 * 1_000


def test_a_small_library_is_reported(caplog):
    with caplog.at_level(logging.WARNING, logger="pyprobound"):
        simulate(small_experiment(length=10), reads_per_round=100, library_size=5_000)
        assert not caplog.records
        simulate(small_experiment(length=10), reads_per_round=500, library_size=100)
    assert "500 reads of round 0 come from about 100 molecules" in caplog.text


def test_the_model_is_left_as_it_was():
    experiment = small_experiment()
    experiment.train()
    before = {key: value.clone() for key, value in experiment.state_dict().items()}
    simulate(experiment, reads_per_round=10)
    assert experiment.training
    after = experiment.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_other_alphabets():
    frame = simulate(
        small_experiment(alphabet=RNA(), seed="GAC"), reads_per_round=200, seed=14
    )
    assert set("".join(frame.index)) == set("ACGU")


def test_other_lengths_than_the_model_was_made_for():
    frame = simulate(small_experiment(length=8), length=11, reads_per_round=50)
    assert set(frame.index.str.len()) == {11}
    with pytest.raises(ValueError, match="2 letters are too short for Mode"):
        simulate(small_experiment(), length=2)


def test_position_biases_hold_for_their_lengths_only():
    experiment = small_experiment(length=8, train_posbias=True)
    with pytest.raises(ValueError, match=r"position biases for molecules of 8 letters"):
        simulate(experiment, length=9)

    psam = PSAM(3, DNA())
    layer = Conv1d(psam, 8, 6, 8, train_posbias=True)
    aggregate = Aggregate([Contribution(Mode([layer]), log_activity=0.0)])
    start = InitialRound()
    experiment = Experiment([start, BoundUnsaturatedRound(aggregate, start)])
    with torch.no_grad():
        # Of the rows with 6 letters only windows at the last place are bound.
        layer.log_posbias.fill_(-50.0)
        layer.log_posbias[0, :, 3] = 0.0
        psam.betas["1"].copy_(torch.tensor([[5.0, 0, 0, 0]]))
    frame = simulate(
        experiment, length=6, reads_per_round=(0, 2_000), library_size=20_000
    )
    text = pd.Series(frame.index.repeat(frame[1]))
    # The motif begins with an A, or ends with a T on the other strand.
    assert ((text.str[3] == "A") | (text.str[5] == "T")).mean() > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1, not 0"),
        ({"reads_per_round": (1, 2, 3)}, "has 3 numbers, but there are 2 rounds"),
        ({"reads_per_round": (1, -1)}, "must not be negative"),
        ({"reads_per_round": 0}, "nor all zero"),
        ({"library_size": 0}, "library_size must be at least 1"),
        ({"length": 0}, "length must be at least 1"),
        ({"left_flank": "A" * 6}, "beside flanks of 6 letters"),
        ({"left_flank": "AX"}, "X"),
        ({"seed": -1}, "seed must not be negative"),
        ({"composition": [1, 1, 1]}, "must have 4 frequencies"),
        ({"composition": [1, 1, -1, 1]}, "must hold frequencies"),
        ({"composition": [0, 0, 0, 0]}, "must hold frequencies"),
        ({"composition": [1, np.nan, 1, 1]}, "must hold frequencies"),
        ({"sampling": "normal"}, "'poisson' or 'multinomial'"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate(small_experiment(), **arguments)


def test_models_that_cannot_be_simulated_are_refused():
    inactive = small_experiment(kind=BoundUnsaturatedRound)
    for part in inactive.observed_rounds[1].aggregate.contributions:
        part.log_activity.data.fill_(-np.inf)
    with pytest.raises(ValueError, match="Round 1 has no molecules"):
        simulate(inactive, reads_per_round=10)
    with pytest.raises(ValueError, match="no round of selection"):
        simulate(Experiment([InitialRound()]), rounds=1)
    broken = small_experiment()
    broken.observed_rounds[1].aggregate.contributions[0].log_activity.data.fill_(np.nan)
    with pytest.raises(ValueError, match="not numbers"):
        simulate(broken, reads_per_round=10)


def test_the_builtin_model_binds_sites_and_anything_else_about_equally():
    experiment = builtin_model()
    aggregate = experiment.observed_rounds[1].aggregate
    sample = np.random.default_rng(0).integers(0, 4, (50_000, 20), dtype=np.int8)
    with torch.no_grad():
        shares = [
            float(part(torch.from_numpy(sample)).double().exp().mean())
            for part in aggregate.contributions
        ]
    assert 0.3 < shares[1] / sum(shares) < 0.6
    best = log_enrichments(experiment, ["ATGACGGAAT" + "C" * 10, "C" * 20])[:, 1]
    assert 3 < best[0] - best[1] < 6
    saturated = builtin_model(saturation=True)
    bound = log_enrichments(saturated, ["ATGACGGAAT" + "C" * 10])[0, 1]
    assert np.exp(bound) == pytest.approx(0.5, abs=0.02)
    with pytest.raises(ValueError, match="rounds must be at least 1"):
        builtin_model(rounds=0)
