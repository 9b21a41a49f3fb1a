"""Losses: likelihood, regularisation, weights, and the splitting of rows."""

import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import (
    BaseLoss,
    Batch,
    CountBatch,
    CountTable,
    Experiment,
    Loss,
    Mode,
    MultiExperimentLoss,
    MultiRoundMSLELoss,
    Transform,
)
from pyprobound.alphabets import DNA
from pyprobound.layers import PSAM, NonSpecific
from pyprobound.loss.rows import parts
from pyprobound.rounds import BoundRound, BoundUnsaturatedRound, InitialRound

INFINITY = float("inf")
ALPHABET = DNA()
CPU = torch.device("cpu")


def make_table(n=9, columns=2, length=7, seed=0):
    generator = np.random.default_rng(seed)
    reads = ["".join(generator.choice(list("ACGT"), length)) for _ in range(n)]
    counts = generator.integers(0, 9, (n, columns))
    counts[:, 0] += 1
    return CountTable(pd.DataFrame(counts, index=reads), ALPHABET)


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    return module


def make_experiment(table, psam=None):
    psam = psam or PSAM(kernel_size=3, alphabet=ALPHABET, pairwise_distance=1)
    modes = [
        Mode.from_nonspecific(NonSpecific(ALPHABET), table),
        Mode.from_psam(psam, table),
    ]
    rounds = [InitialRound()]
    for _ in range(table.target.shape[1] - 1):
        rounds.append(BoundUnsaturatedRound.from_binding(modes, rounds[-1]))
    return randomised(Experiment(rounds, table.counts_per_round))


def make_loss(tables, **options):
    return MultiExperimentLoss([make_experiment(table) for table in tables], **options)


def gradients(loss, value):
    trained = [p for p in loss.parameters() if p.requires_grad]
    found = torch.autograd.grad(value, trained, allow_unused=True)
    return [torch.zeros(1) if g is None else g for g in found]


class Shares(Transform):
    """Given log shares, for rows that are numbered."""

    def __init__(self, log_shares):
        super().__init__(name="shares")
        self.log_shares = torch.nn.Parameter(torch.tensor(log_shares))
        self.observed_rounds = log_shares[0]

    def components(self):
        yield from ()

    def forward(self, seqs):
        return self.log_shares[seqs]


def given_loss(log_shares, counts, **options):
    loss = MultiExperimentLoss([Shares(log_shares)], lambda_l2=0, **options)
    counts = torch.tensor(counts, dtype=torch.float32)
    return loss, [CountBatch(torch.arange(len(counts)), counts)]


# --- likelihood ------------------------------------------------------------------


@pytest.mark.parametrize("full_loss", [False, True])
def test_likelihood_of_an_experiment(full_loss):
    table = make_table(columns=3)
    loss = make_loss([table], full_loss=full_loss)
    counts = table.target.double().numpy()
    shares = loss.transforms[0](table.seqs).detach().double().exp().numpy()
    if full_loss:
        means = counts.sum(axis=1, keepdims=True) * shares
        expected = -scipy.stats.poisson.logpmf(counts, means).sum()
    else:
        expected = -(counts * np.log(shares)).sum()
    total, reads = loss.negloglik(loss.transforms[0], table)
    assert total.item() == pytest.approx(expected, rel=1e-5)
    assert reads.item() == counts.sum()
    value = loss([table])
    assert isinstance(value, Loss)
    assert value.negloglik.item() == pytest.approx(expected / counts.sum(), rel=1e-5)
    assert value.negloglik.dtype == value.regularization.dtype == torch.float64
    assert value.negloglik.shape == value.regularization.shape == ()


@pytest.mark.parametrize("full_loss", [False, True])
def test_d3_rows_without_counts_contribute_nothing(full_loss):
    loss, batch = given_loss(
        [[-0.5, -1.0], [-0.25, -2.0]], [[2, 3], [0, 0]], full_loss=full_loss
    )
    reduced = [CountBatch(batch[0].seqs[:1], batch[0].target[:1])]
    assert loss(batch).negloglik.item() == loss(reduced).negloglik.item()


def test_d3_impossible_rounds_without_counts_contribute_nothing():
    loss, batch = given_loss([[0.0, -INFINITY], [-0.5, -1.0]], [[4, 0], [1, 1]])
    value = loss(batch).negloglik
    assert value.item() == pytest.approx((0.5 + 1.0) / 6)
    (gradient,) = torch.autograd.grad(value, loss.transforms[0].log_shares)
    torch.testing.assert_close(gradient, -batch[0].target / 6)


def test_counts_in_impossible_rounds_make_the_loss_infinite():
    loss, batch = given_loss([[0.0, -INFINITY], [-0.5, -1.0]], [[4, 1], [1, 1]])
    assert loss(batch).negloglik.item() == INFINITY


@pytest.mark.parametrize("max_split", [None, 1])
def test_d4_reads_are_counted_in_double_precision(max_split):
    huge = float(2**24)
    loss, batch = given_loss([[-1.0]] * 4, [[huge], [1], [1], [1]], max_split=max_split)
    _, reads = loss.negloglik(loss.transforms[0], batch[0])
    assert reads.item() == huge + 3
    assert loss(batch).negloglik.item() == 1.0


def test_d5_a_table_without_counts_is_refused():
    loss, batch = given_loss([[-1.0, -2.0]] * 3, [[0, 0]] * 3)
    with pytest.raises(ValueError, match=r"Shares 'shares' .* 3 rows have no counts"):
        loss(batch)


def test_columns_must_fit_the_rounds():
    table = make_table(columns=2)
    loss = make_loss([make_table(columns=3)])
    with pytest.raises(ValueError, match=r"3 observed rounds .* \(9, 2\)"):
        loss([table])


def test_the_number_of_batches_must_fit():
    table = make_table()
    loss = make_loss([table])
    for batches in ([], [table, table]):
        with pytest.raises(ValueError, match="one batch for each of 1"):
            loss(batches)
    with pytest.raises(ValueError, match="list of batches"):
        loss(table)


# --- splitting rows --------------------------------------------------------------


@given(max_split=st.integers(1, 10), n=st.integers(1, 10))
@settings(deadline=None, max_examples=25)
def test_splitting_changes_nothing(max_split, n):
    table = make_table(n=n)
    loss = make_loss([table], full_loss=True)
    split = copy.deepcopy(loss)
    split.max_split = max_split
    whole, pieces = loss([table]), split([table])
    torch.testing.assert_close(pieces.negloglik, whole.negloglik)
    expected = gradients(loss, 3 * whole.negloglik + whole.regularization)
    found = gradients(split, 3 * pieces.negloglik + pieces.regularization)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_splitting_without_gradients():
    table = make_table()
    loss = make_loss([table], max_split=2)
    expected = loss([table]).negloglik
    for context in (torch.inference_mode(), torch.no_grad()):
        with context:
            value = loss([table]).negloglik
        assert not value.requires_grad
        torch.testing.assert_close(value.item(), expected.item())
    loss.freeze()
    assert not loss([table]).negloglik.requires_grad


def test_splitting_reaches_parameters_that_are_not_parts():
    class Twice(BaseLoss):
        def negloglik(self, transform, batch):
            return transform(batch.seqs).sum(), torch.tensor(batch.batchlen())

    table = make_table()
    initial = InitialRound()
    modes = [Mode.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET), table)]
    one = randomised(BoundRound.from_binding(modes, initial))
    two = BoundRound.from_binding(
        [Mode.from_nonspecific(NonSpecific(ALPHABET), table)], one
    )
    two.aggregate.contributions[0].set_contribution()
    assert one.aggregate.contributions[0].log_activity not in set(two.parameters())
    found = []
    for max_split in (None, 2):
        value = Twice([two], max_split=max_split)([table]).negloglik
        motif = modes[0].layers[0].layer_spec.betas.values()
        found.append(torch.autograd.grad(value, list(motif)))
    for whole, pieces in zip(*found, strict=True):
        torch.testing.assert_close(pieces, whole)


def test_large_tables_are_split_by_themselves(monkeypatch):
    table = make_table()
    loss = make_loss([table])
    sizes = []
    plain = loss.negloglik

    def spy(transform, batch):
        sizes.append(batch.batchlen())
        return plain(transform, batch)

    monkeypatch.setattr(loss, "negloglik", spy)
    loss([table])
    assert sizes == [9]
    monkeypatch.setattr("pyprobound.loss.base._MAX_ROWS", 4)
    loss([table])
    assert sizes == [9, 4, 4, 1]


def test_second_derivatives_need_unsplit_rows():
    table = make_table()
    loss = make_loss([table])
    depth = loss.transforms[0].rounds[1].log_depth

    def curvature():
        value = loss([table]).negloglik
        (slope,) = torch.autograd.grad(value, depth, create_graph=True)
        return torch.autograd.grad(slope, depth)[0].item()

    shares = loss.transforms[0](table.seqs).detach().double().exp()[:, 1]
    per_row = table.target.double().sum(dim=1)
    expected = (per_row * shares * (1 - shares)).sum() / per_row.sum()
    assert curvature() == pytest.approx(expected.item(), rel=1e-4)
    loss.max_split = 4
    with pytest.raises(RuntimeError, match="set max_split"):
        curvature()


@dataclasses.dataclass(eq=False)
class NoteBatch(Batch):
    seqs: torch.Tensor
    note: str
    scale: torch.Tensor
    derived: int = dataclasses.field(init=False, default=7)

    def batchlen(self):
        return len(self.seqs)


def test_parts_split_tensors_and_repeat_everything_else():
    batch = NoteBatch(torch.arange(5), "kept", torch.tensor(2.0))
    found = list(parts(batch, 2, CPU))
    assert [part.seqs.tolist() for part in found] == [[0, 1], [2, 3], [4]]
    assert {type(part) for part in found} == {NoteBatch}
    assert {part.note for part in found} == {"kept"}
    assert all(part.scale is batch.scale for part in found)


@pytest.mark.parametrize("max_rows", [4, 100])
def test_parts_of_a_table_are_views(max_rows):
    table = make_table()
    found = list(parts(table, max_rows, CPU))
    assert {type(part) for part in found} == {CountBatch}
    assert found[0].seqs.data_ptr() == table.seqs.data_ptr()
    assert found[0].target.data_ptr() == table.target.data_ptr()
    assert sum(part.batchlen() for part in found) == len(table)


# --- weights ---------------------------------------------------------------------


def two_tables():
    return [make_table(), make_table(columns=3, length=6, seed=1)]


def test_weights():
    tables = two_tables()
    loss = make_loss(tables, lambda_l2=0.1)
    terms = [
        loss.negloglik(each, table)[0] / loss.negloglik(each, table)[1]
        for each, table in zip(loss.transforms, tables, strict=True)
    ]
    penalties = [loss.regularization(each) for each in loss.transforms]
    value = loss(tables)
    torch.testing.assert_close(value.negloglik, sum(terms) / 2)
    torch.testing.assert_close(value.regularization, sum(penalties) / 2)
    loss.weights = [0.5, 3.0]
    value = loss(tables)
    torch.testing.assert_close(value.negloglik, 0.5 * terms[0] + 3 * terms[1])
    torch.testing.assert_close(
        value.regularization, 0.5 * penalties[0] + 3 * penalties[1]
    )


def test_equalized_contributions():
    tables = two_tables()
    loss = make_loss(tables, lambda_l2=0.1, weights=torch.tensor([0.5, 3.0]))
    plain = loss(tables).negloglik
    terms = [
        torch.divide(*loss.negloglik(each, table)).detach()
        for each, table in zip(loss.transforms, tables, strict=True)
    ]
    loss.equalize_contribution = True
    value = loss(tables)
    assert value.negloglik.item() == pytest.approx(plain.item())
    weights = [
        weight / term * plain.item() / 3.5
        for weight, term in zip((0.5, 3.0), terms, strict=True)
    ]
    penalty = sum(
        weight * loss.regularization(each)
        for weight, each in zip(weights, loss.transforms, strict=True)
    )
    torch.testing.assert_close(value.regularization, penalty)
    depth = loss.transforms[1].rounds[1].log_depth
    (scaled,) = torch.autograd.grad(value.negloglik, depth)
    loss.equalize_contribution = False
    loss.weights = [float(weight) for weight in weights]
    (fixed,) = torch.autograd.grad(loss(tables).negloglik, depth)
    torch.testing.assert_close(scaled, fixed)


def test_wrong_settings_are_refused():
    experiment = make_experiment(make_table())
    for options, message in (
        ({"weights": [1.0, 2.0]}, "each of 1 components, not 2"),
        ({"max_split": 0}, "max_split"),
    ):
        with pytest.raises(ValueError, match=message):
            MultiExperimentLoss([experiment], **options)
    with pytest.raises(ValueError, match="at least one component"):
        MultiExperimentLoss([])


# --- regularisation --------------------------------------------------------------


def penalty(values, l2=0.0, l1=0.0, bound=INFINITY):
    values = np.asarray(values, np.float64)
    result = l2 * (values**2).sum() + l1 * np.abs(values).sum()
    if not math.isinf(bound):
        result += (np.exp(values - bound) + np.exp(-values - bound)).sum()
    return result


def all_values(module, keep=lambda name: True):
    chosen = [p.flatten() for name, p in module.named_parameters() if keep(name)]
    return torch.cat(chosen).detach().numpy()


@pytest.mark.parametrize(
    "settings_",
    [
        {"l2": 0.3},
        {"l1": 0.2},
        {"bound": 1.5},
        {"l2": 0.1, "l1": 0.2, "bound": 0.5},
        {},
    ],
)
def test_regularization_is_a_sum_over_all_values(settings_):
    table = make_table()
    loss = make_loss(
        [table],
        lambda_l2=settings_.get("l2", 0),
        lambda_l1=settings_.get("l1", 0),
        exponential_bound=settings_.get("bound", INFINITY),
    )
    experiment = loss.transforms[0]
    expected = penalty(all_values(experiment), **settings_)
    loss.freeze()  # frozen parameters count too
    assert loss.regularization(experiment).item() == pytest.approx(expected, rel=1e-5)


def test_a_large_value_does_not_overflow():
    table = make_table()
    loss = make_loss([table])
    with torch.no_grad():
        loss.transforms[0].rounds[1].log_depth.fill_(200.0)
    assert loss([table]).regularization.item() == pytest.approx(math.exp(160), rel=1e-4)


def shared_loss(**options):
    """Two experiments that share a motif."""
    tables = two_tables()
    psam = PSAM(kernel_size=3, alphabet=ALPHABET)
    experiments = [make_experiment(table, psam) for table in tables]
    loss = MultiExperimentLoss(experiments, exponential_bound=INFINITY, **options)
    return tables, loss


def test_a_shared_parameter_counts_once_in_each_component():
    tables, loss = shared_loss(lambda_l2=1.0)
    each = [penalty(all_values(e), l2=1) for e in loss.transforms]
    found = loss(tables).regularization.item()
    assert found == pytest.approx(sum(each) / 2, rel=1e-5)
    loss.dilute_regularization = True
    loss.weights = [5.0, 7.0]
    found = loss(tables).regularization.item()
    assert found == pytest.approx(penalty(all_values(loss), l2=1), rel=1e-5)
    assert found < sum(each)


def test_parameters_are_excluded_by_their_names():
    _, loss = shared_loss(
        lambda_l2=1.0, exclude_regularization=["log_depth", "contributions.1"]
    )
    expected = penalty(
        all_values(
            loss.transforms[1],
            lambda name: "log_depth" not in name and "contributions.1" not in name,
        ),
        l2=1,
    )
    found = loss.regularization(loss.transforms[1]).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_single_text_is_not_taken_apart():
    _, loss = shared_loss(lambda_l2=1.0, exclude_regularization="rounds")
    assert loss.exclude_regularization == ("rounds",)


@pytest.mark.parametrize(
    "text", ["betas.1-3", "betas.2-", "betas.1-2-5", "a.1", "betas"]
)
def test_single_values_of_a_motif_are_excluded_by_their_names(text):
    psam = randomised(PSAM(kernel_size=3, alphabet=ALPHABET, pairwise_distance=1))
    loss = make_loss([make_table()], lambda_l2=1.0, exponential_bound=INFINITY)
    kept = [psam.bias.detach().numpy().ravel()]
    for part in psam.betas.classes.values():
        values = psam.betas[part.key].detach().numpy().ravel()
        names = [f"betas.{name}" for name in psam.betas.scalar_names(part)]
        texts = [*names, f"betas.{part.key}"]
        if text in f"betas.{part.key}":
            continue
        assert len(texts) == len(values) + 1
        kept.append([v for v, n in zip(values, names, strict=True) if text not in n])
    expected = penalty(np.concatenate(kept), l2=1)
    everything = penalty(all_values(psam), l2=1)
    loss.exclude_regularization = (text,)
    found = loss.regularization(psam).item()
    assert found == pytest.approx(expected, rel=1e-5)
    assert (found < everything) == (text != "a.1")
    if text == "betas.1-3":
        difference = psam.betas["1-3"].item() ** 2
        assert everything - found == pytest.approx(difference, rel=1e-3)


def test_excluded_values_are_found_again_after_the_motif_has_grown():
    psam = randomised(PSAM(kernel_size=2, alphabet=ALPHABET))
    loss = make_loss([make_table()], lambda_l2=1.0, exponential_bound=INFINITY)
    loss.exclude_regularization = ("betas.3-",)
    before = loss.regularization(psam).item()
    psam.update_footprint(right_shift=1)
    names = dict(psam.named_parameters())
    with torch.no_grad():
        names["betas.3"].fill_(9.0)
    assert loss.regularization(psam).item() == pytest.approx(before)


@pytest.mark.parametrize("component", ["experiment", "loss"])
def test_d6_if_everything_is_excluded_nothing_is_regularised(component):
    table = make_table()
    loss = make_loss([table], exclude_regularization=["r"])
    chosen = loss if component == "loss" else loss.transforms[0]
    assert loss.regularization(chosen).item() == 0.0
    assert loss([table]).regularization.item() == 0.0


def test_a_component_without_parameters_is_not_regularised():
    loss = make_loss([make_table()])
    found = loss.regularization(NonSpecific(ALPHABET))
    assert (found.item(), found.dtype) == (0.0, torch.float64)


def test_absent_parameters_are_not_regularised():
    table = make_table()
    loss = make_loss([table], lambda_l2=1.0, exponential_bound=3.0)
    experiment = loss.transforms[0]
    contribution = experiment.rounds[1].aggregate.contributions[1]
    motif = contribution.binding.layers[0].layer_spec
    names = dict(motif.named_parameters())
    with torch.no_grad():
        contribution.log_activity.fill_(-INFINITY)
        motif.bias.fill_(-INFINITY)  # one tensor: all of it is left out
        names["betas.1"][0, 2] = -INFINITY  # one value of a motif
    present = all_values(experiment)
    assert np.isinf(present).sum() == 3
    expected = penalty(present[np.isfinite(present)], l2=1, bound=3)
    value = loss.regularization(experiment)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    assert all(each.isfinite().all() for each in gradients(loss, value))


def test_a_tensor_with_one_absent_value_is_left_out():
    class Biased(Transform):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Parameter(torch.tensor([1.0, -INFINITY, 2.0]))
            self.second = torch.nn.Parameter(torch.tensor([3.0]))

        def components(self):
            yield from ()

        def forward(self, seqs):
            return seqs

    loss = make_loss([make_table()], lambda_l2=1.0, exponential_bound=INFINITY)
    assert loss.regularization(Biased()).item() == 9.0


# --- pseudocounts ----------------------------------------------------------------


def log_density(psam):
    terms = [
        torch.log_softmax(v.double().flatten(), 0).sum() for v in psam.betas.values()
    ]
    return sum(terms).item()


def test_d7_only_motifs_of_the_experiment_have_pseudocounts():
    tables = two_tables()
    motifs = [PSAM(kernel_size=k, alphabet=ALPHABET) for k in (2, 3)]
    experiments = [make_experiment(t, p) for t, p in zip(tables, motifs, strict=True)]
    loss = MultiExperimentLoss(
        experiments, lambda_l2=0, exponential_bound=INFINITY, pseudocount=3.0
    )
    reads = [table.target.double().sum().item() for table in tables]
    densities = [log_density(motif) for motif in motifs]
    for experiment, n, density in zip(experiments, reads, densities, strict=True):
        found = loss.regularization(experiment).item()
        assert found == pytest.approx(-3 / n * density, rel=1e-5)
    found = loss.regularization(loss).item()
    mean = sum(3 / n for n in reads) / 2
    assert found == pytest.approx(-mean * sum(densities), rel=1e-5)


def test_pseudocounts_need_reads():
    table = make_table()
    modes = [Mode.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET), table)]
    rounds = [InitialRound()]
    rounds.append(BoundRound.from_binding(modes, rounds[0]))
    for counts, message in ((None, "counts_per_round"), ([0, 0], "has none")):
        loss = MultiExperimentLoss([Experiment(rounds, counts)], pseudocount=1.0)
        with pytest.raises(ValueError, match=message):
            loss.regularization(loss.transforms[0])
    loss = make_loss([table], pseudocount=1.0)
    with pytest.raises(ValueError, match="BoundRound '1' has none"):
        loss.regularization(rounds[1])


def test_pseudocounts_without_motifs():
    table = make_table()
    modes = [Mode.from_nonspecific(NonSpecific(ALPHABET), table)]
    rounds = [InitialRound()]
    rounds.append(BoundRound.from_binding(modes, rounds[0]))
    loss = MultiExperimentLoss(
        [Experiment(rounds)], lambda_l2=0, exponential_bound=INFINITY, pseudocount=1.0
    )
    assert loss.regularization(loss.transforms[0]).item() == 0.0


@pytest.mark.parametrize("max_split", [None, 4])
def test_negative_counts_are_refused(max_split):
    table = make_table()
    loss = make_loss([table], max_split=max_split)
    assert loss([table]).negloglik.isfinite()
    table.target[6, 1] = -2.0  # a change in place is noticed
    message = r"negative number \(\d, -2\); compare measured values"
    with pytest.raises(ValueError, match=message):
        loss([table])
    table.target = table.target.abs()
    assert loss([table]).negloglik.isfinite()


# --- intensities -----------------------------------------------------------------


def intensity_loss(values, reference=None, **options):
    reads = ["ACGTAC", "TTGACA", "GGATCC", "CATGCA"][: len(values)]
    table = CountTable(pd.DataFrame(values, index=reads), ALPHABET)
    modes = [Mode.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET), table)]
    made = randomised(BoundRound.from_binding(modes, reference))
    return MultiRoundMSLELoss([made], **options), table


@pytest.mark.parametrize("max_split", [None, 3])
def test_intensities_have_squared_log_errors(max_split):
    loss, table = intensity_loss([0.5, 2.0, 7.0, 1.0], max_split=max_split)
    log_f = loss.transforms[0](table.seqs).detach().double()
    expected = (table.target[:, 0].double().log() - log_f).square().mean()
    value = loss([table]).negloglik
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert [each.name for each in loss.transforms] == ["0"]


def test_wrong_intensities_are_refused():
    for values, reference, message in (
        ([1.0, 2.0], InitialRound(), "reference_round=None"),
        ([[1.0, 2.0], [1.0, 2.0]], None, r"\(2, 2\)"),
        ([1.0, 0.0], None, "not positive"),
    ):
        with np.errstate(all="ignore"):
            loss, table = intensity_loss([1.0] * 2, reference)
        table.target = torch.tensor(values).view(2, -1)
        with pytest.raises(ValueError, match=message):
            loss([table])


# --- parts and texts -------------------------------------------------------------


def test_parts_of_a_loss():
    _, loss = shared_loss()
    assert list(loss.components()) == list(loss.transforms)
    assert loss.experiments is loss.transforms
    assert [each.name for each in loss.transforms] == ["0", "1"]
    assert all(name.startswith("transforms.") for name, _ in loss.named_parameters())
    assert loss.max_embedding_size() >= max(
        each.max_embedding_size() for each in loss.transforms
    )
    with pytest.raises(ValueError, match="monomer"):
        loss.unfreeze("monomer")


def test_setup_string():
    _, loss = shared_loss(
        lambda_l2=0.25, pseudocount=4, exclude_regularization=["hill"]
    )
    motif = loss.transforms[0].rounds[1].aggregate.contributions[1].binding
    motif.layers[0].layer_spec.name = "motif"
    lines = loss.get_setup_string().split("\n")
    titles = [line for line in lines if line.startswith("###")]
    assert len(titles) == 3
    for line in (
        "\tL2 regularization: 0.25",
        "\tPseudocount: 4",
        "\tExcluded from regularization: hill",
        "\tWeights: 0.5, 0.5",
        "\tExperiment-1",
    ):
        assert line in lines
    assert any(line.endswith("PSAM-motif") for line in lines[lines.index(titles[2]) :])
