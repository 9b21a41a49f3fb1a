"""Fisher matrices against derivatives taken row by row."""

import numpy as np
import pandas as pd
import pytest
import torch

from pyprobound import (
    Cooperativity,
    CountBatch,
    CountTable,
    Experiment,
    Mode,
    MultiExperimentLoss,
    MultiRoundMSLELoss,
    Spacing,
)
from pyprobound.alphabets import DNA
from pyprobound.layers import PSAM, Conv1d, NonSpecific
from pyprobound.rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    InitialRound,
    RhoGammaRound,
    UnboundRound,
)

ALPHABET = DNA()


def make_table(rows=23, columns=2, low=9, high=11, seed=0):
    generator = np.random.default_rng(seed)
    lengths = generator.integers(low, high + 1, rows)
    reads = ["".join(generator.choice(list("ACGT"), length)) for length in lengths]
    counts = generator.integers(0, 9, (rows, columns))
    counts[:, 0] += 1
    return CountTable(
        pd.DataFrame(counts, index=reads), ALPHABET, left_flank="AC", right_flank="GT"
    )


def randomised(loss, seed=1):
    generator = torch.Generator().manual_seed(seed)
    loss.unfreeze("all")
    with torch.no_grad():
        for value in loss.parameters():
            value.copy_(0.5 * torch.randn(value.shape, generator=generator))
    return loss.double()


def modes_of(table, psam=None, **options):
    psam = psam or PSAM(kernel_size=4, alphabet=ALPHABET, pairwise_distance=2)
    return [
        Mode.from_nonspecific(NonSpecific(ALPHABET), table, train_posbias=True),
        Mode.from_psam(psam, table, **options),
    ]


def loss_of(rounds, **options):
    return MultiExperimentLoss([Experiment(rounds)], **options)


def by_rows(loss, tables, parameters):
    """The matrix of the likelihood by gradients of the log shares of single rows."""
    total = 0
    for weight, transform, table in zip(
        loss.weights, loss.transforms, tables, strict=True
    ):
        size = sum(p.numel() for p in parameters)
        matrix = torch.zeros(size, size, dtype=torch.float64)
        for row in range(len(table)):
            shares = transform(table.seqs[row : row + 1])[0]
            reads = table.target[row].sum().double()
            for share in shares:
                found = torch.autograd.grad(
                    share, parameters, retain_graph=True, allow_unused=True
                )
                flat = torch.cat(
                    [
                        torch.zeros(p.numel()).double() if g is None else g.flatten()
                        for g, p in zip(found, parameters, strict=True)
                    ]
                )
                matrix += reads * share.exp().detach() * torch.outer(flat, flat)
        total = total + weight * matrix / table.target.sum()
    return total


def check(loss, *tables):
    parameters = [p for p in loss.parameters() if p.requires_grad]
    found = loss.fisher_matrix(tables, parameters)
    expected = by_rows(loss, tables, parameters)
    torch.testing.assert_close(found.likelihood, expected, rtol=1e-8, atol=1e-10)
    assert float(expected.diagonal().max()) > 1e-6
    return found


SATURATIONS = [BoundRound, BoundUnsaturatedRound, UnboundRound, ExponentialRound]


@pytest.mark.parametrize("kind", [*SATURATIONS, RhoGammaRound])
def test_matrix_of_two_rounds_is_that_of_single_rows(kind):
    table = make_table()
    start = InitialRound()
    rounds = [start, kind.from_binding(modes_of(table, train_hill=True), start)]
    check(randomised(loss_of(rounds)), table)


def test_matrix_of_several_rounds_with_a_shared_motif():
    table = make_table(columns=4)
    modes = modes_of(table)
    rounds = [InitialRound()]
    for _ in range(3):
        rounds.append(BoundRound.from_binding(modes, rounds[-1]))
    check(randomised(loss_of(rounds)), table)


@pytest.mark.parametrize(
    "options",
    [
        {"bias_mode": "channel"},
        {"bias_mode": "same", "bias_bin": 3},
        {"bias_mode": "reverse", "length_specific_bias": False},
        {"bias_mode": "reverse", "mirror": "row", "normalize": True},
    ],
)
def test_matrix_with_a_position_bias(options):
    table = make_table()
    start = InitialRound()
    modes = modes_of(table, train_posbias=True, **options)
    rounds = [start, BoundUnsaturatedRound.from_binding(modes, start)]
    check(randomised(loss_of(rounds)), table)


@pytest.mark.parametrize(
    "options",
    [
        {"symmetry": [1, 2, -2, -1], "pairwise_distance": 1},
        {"normalize": True, "pairwise_distance": 1},
        {"score_reverse": False, "out_channels": 2},
        {"dilation": 2},
        {"train_bias": True},
    ],
)
def test_matrix_of_other_motifs(options):
    table = make_table()
    start = InitialRound()
    psam = PSAM(kernel_size=4, alphabet=ALPHABET, **options)
    rounds = [start, BoundRound.from_binding(modes_of(table, psam), start)]
    check(randomised(loss_of(rounds)), table)


@pytest.mark.parametrize(
    "options",
    [{}, {"train_posbias": True}, {"train_posbias": True, "train_hill": True}],
)
def test_matrix_of_cooperativity(options):
    table = make_table(rows=9)
    motifs = [PSAM(kernel_size=k, alphabet=ALPHABET) for k in (3, 4)]
    modes = [Mode.from_psam(psam, table) for psam in motifs]
    spacing = Spacing(modes[0].key(), modes[1].key())
    pair = Cooperativity(spacing, *modes, **options)
    start = InitialRound()
    rounds = [start, BoundRound.from_binding([*modes, pair], start)]
    loss = loss_of(rounds)
    spacing.unfreeze("spacing")
    check(randomised(loss), table)


def test_matrix_of_several_experiments_is_weighted():
    tables = [make_table(seed=0), make_table(seed=1, columns=3)]
    psam = PSAM(kernel_size=4, alphabet=ALPHABET)
    experiments = []
    for table in tables:
        rounds = [InitialRound()]
        for _ in range(table.target.shape[1] - 1):
            rounds.append(BoundRound.from_binding(modes_of(table, psam), rounds[-1]))
        experiments.append(Experiment(rounds))
    loss = randomised(MultiExperimentLoss(experiments, weights=[0.7, 0.3]))
    check(loss, *tables)


def test_regularization_has_its_exact_second_derivatives():
    table = make_table()
    start = InitialRound()
    rounds = [start, BoundRound.from_binding(modes_of(table), start)]
    experiment = Experiment(rounds, counts_per_round=table.target.sum(0))
    loss = MultiExperimentLoss(
        [experiment], lambda_l2=0.1, pseudocount=20, exponential_bound=1
    )
    randomised(loss)
    parameters = [p for p in loss.parameters() if p.requires_grad]
    penalty = loss.regularization(experiment)
    gradients = torch.autograd.grad(penalty, parameters, create_graph=True)
    joined = torch.cat([g.flatten() for g in gradients])
    rows = []
    for value in joined:
        row = torch.autograd.grad(value, parameters, retain_graph=True)
        rows.append(torch.cat([g.flatten() for g in row]))
    found = loss.fisher_matrix([table], parameters).regularization
    torch.testing.assert_close(found, torch.stack(rows))


def test_gauss_newton_matrix_of_squared_errors():
    table = make_table(columns=1)
    table = CountBatch(table.seqs, table.target.double() + 1)
    lengths = make_table(columns=1)
    rounds = BoundUnsaturatedRound.from_binding(modes_of(lengths), None)
    loss = randomised(MultiRoundMSLELoss([rounds]))
    parameters = [p for p in loss.parameters() if p.requires_grad]
    rows = []
    for row in range(len(table.seqs)):
        output = rounds(table.seqs[row : row + 1])[0]
        found = torch.autograd.grad(output, parameters)
        rows.append(torch.cat([g.flatten() for g in found]))
    jacobian = torch.stack(rows)
    expected = 2 * jacobian.T @ jacobian / len(jacobian)
    torch.testing.assert_close(
        loss.fisher_matrix([table], parameters).likelihood, expected
    )


def test_chunks_of_rows_add_up(monkeypatch):
    table = make_table()
    start = InitialRound()
    rounds = [start, BoundRound.from_binding(modes_of(table), start)]
    loss = randomised(loss_of(rounds))
    whole = loss.fisher_matrix([table]).likelihood
    monkeypatch.setattr("pyprobound.loss.base._CURVATURE_ROWS", 5)
    parts = loss.fisher_matrix([table]).likelihood
    torch.testing.assert_close(parts, whole)


def test_frozen_parameters_have_no_part():
    table = make_table()
    start = InitialRound()
    modes = modes_of(table)
    rounds = [start, BoundRound.from_binding(modes, start)]
    loss = randomised(loss_of(rounds))
    loss.freeze()
    modes[1].layers[0].layer_spec.unfreeze("monomer")
    found = check(loss, table)
    assert len(found.likelihood) == 4 * 4


def test_rows_without_reads_and_impossible_rounds_have_no_part():
    table = make_table()
    start = InitialRound()
    rounds = [start, ExponentialRound.from_binding(modes_of(table), start)]
    loss = randomised(loss_of(rounds))
    whole = loss.fisher_matrix([table]).likelihood
    assert bool(whole.isfinite().all())
    with torch.no_grad():
        rounds[1].aggregate.contributions[0].log_activity.fill_(-torch.inf)
    assert bool(loss.fisher_matrix([table]).likelihood.isfinite().all())


def test_a_part_that_cannot_tell_gives_no_matrix():
    table = make_table()
    motif = PSAM(kernel_size=3, alphabet=ALPHABET)
    first = Conv1d.from_psam(motif, table)
    second = Conv1d.from_psam(
        PSAM(kernel_size=2, in_channels=2, out_channels=1, score_reverse=False),
        first,
        one_hot=True,
    )
    start = InitialRound()
    rounds = [start, BoundRound.from_binding([Mode([first, second])], start)]
    loss = randomised(loss_of(rounds))
    assert loss.fisher_matrix([table]) is None


def test_sample_is_spread_over_the_table_and_always_the_same():
    table = make_table(rows=100)
    start = InitialRound()
    loss = loss_of([start, BoundRound.from_binding(modes_of(table), start)])
    first, again = (loss.sampled([table], 10)[0] for _ in range(2))
    assert torch.equal(first.seqs, again.seqs)
    places = [int((table.seqs == row).all(1).nonzero()[0, 0]) for row in first.seqs]
    assert places == sorted(set(places))
    assert [place // 10 for place in places] == list(range(10))
    assert torch.equal(loss.sampled([table], 100)[0].seqs, table.seqs)
