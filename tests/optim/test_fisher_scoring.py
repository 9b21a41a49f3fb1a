"""The second-order optimizer, alone and in the training of models."""

import functools
import logging

import pytest
import torch

from pyprobound import (
    Experiment,
    Mode,
    MultiExperimentLoss,
    Optimizer,
)
from pyprobound.layers import PSAM, Conv1d
from pyprobound.optim import FisherScoring
from pyprobound.optim.curvature import Curvature
from pyprobound.rounds import BoundRound, InitialRound

from ..test_fisher import ALPHABET, make_table, modes_of


def quadratic(scale, target):
    """A quadratic function of a vector, its optimizer's curvature, and the vector."""
    values = torch.nn.Parameter(torch.zeros(len(scale), dtype=torch.float64))

    def loss():
        return (scale * (values - target) ** 2).sum()

    def fisher(parameters):
        assert parameters[0] is values
        return torch.diag(2 * scale), torch.zeros(len(scale), len(scale)).double()

    return values, loss, fisher


def closure_of(optimizer, loss, evaluations=None):
    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        if evaluations is not None:
            evaluations.append(float(value.detach()))
        return value.detach()

    return closure


def test_quadratic_function_is_minimised_in_a_few_steps():
    scale = torch.logspace(-3, 3, 9, dtype=torch.float64)
    target = torch.linspace(-3, 3, 9, dtype=torch.float64)
    values, loss, fisher = quadratic(scale, target)
    optimizer = FisherScoring([values], fisher)
    evaluations = []
    first = optimizer.step(closure_of(optimizer, loss, evaluations))
    assert float(first) == evaluations[0]
    assert float(loss().detach()) < 1e-9
    assert len(evaluations) < 15


def rosenbrock(values):
    return (1 - values[0]) ** 2 + 100 * (values[1] - values[0] ** 2) ** 2


def gauss_newton(parameters):
    (values,) = parameters
    rows = torch.tensor([[-1.0, 0.0], [-20.0 * float(values[0]), 10.0]]).double()
    return 2 * rows.T @ rows, torch.zeros(2, 2).double()


def test_loss_never_increases_along_a_curved_valley():
    values = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    optimizer = FisherScoring([values], gauss_newton, max_iter=1)
    before = float(rosenbrock(values).detach())
    for _ in range(60):
        optimizer.step(closure_of(optimizer, lambda: rosenbrock(values)))
        after = float(rosenbrock(values).detach())
        assert after <= before
        before = after
    torch.testing.assert_close(
        values.detach(), torch.ones(2).double(), atol=1e-4, rtol=0
    )


def test_a_wrong_curvature_is_damped_and_corrected():
    scale = torch.full((3,), 50.0, dtype=torch.float64)
    values, loss, _ = quadratic(scale, torch.ones(3).double())
    wrong = torch.eye(3).double(), torch.zeros(3, 3).double()
    optimizer = FisherScoring([values], lambda _: wrong, max_iter=60)
    optimizer.step(closure_of(optimizer, loss))
    assert float(loss().detach()) < 1e-9


def test_parameters_are_left_alone_where_no_step_helps():
    values = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    one = torch.eye(1).double()
    optimizer = FisherScoring([values], lambda _: (one, 0 * one))

    def closure():
        values.grad = torch.ones_like(values)  # a gradient that is not true
        return torch.tensor(0.0)

    optimizer.step(closure)
    assert values.item() == 1.0


def test_a_loss_that_is_not_a_number_changes_nothing():
    values, _, fisher = quadratic(torch.ones(2).double(), torch.ones(2).double())
    optimizer = FisherScoring([values], fisher)
    before = values.detach().clone()
    optimizer.step(closure_of(optimizer, lambda: values.sum() * float("nan")))
    assert torch.equal(values.detach(), before)


def test_flat_directions_of_the_likelihood_are_not_damped():
    flat = torch.tensor([1.0, -1.0], dtype=torch.float64)
    likelihood = torch.ones(2, 2, dtype=torch.float64)
    curvature = Curvature()
    curvature.set_matrices(likelihood, 1e-6 * torch.eye(2).double())
    step = curvature.step(1e-6 * flat, damping=100.0)
    torch.testing.assert_close(step, -flat, rtol=1e-3, atol=1e-3)
    across = curvature.step(torch.ones(2).double(), damping=100.0)
    assert float(across.abs().max()) < 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iter": 0}, "max_iter"),
        ({"damping": 0.0}, "damping"),
        ({"tolerance_grad": -1.0}, "tolerance_grad"),
        ({"tolerance_change": float("nan")}, "tolerance_change"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FisherScoring([torch.nn.Parameter(torch.zeros(1))], **options)


def test_several_groups_are_refused():
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)]
    with pytest.raises(ValueError, match="one group"):
        FisherScoring(groups)


def test_a_missing_function_is_named():
    optimizer = FisherScoring([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(RuntimeError, match="fisher"):
        optimizer.step(lambda: torch.zeros(()))


@pytest.mark.parametrize("options", [{}, {"max_parameters": 2}])
def test_without_a_matrix_lbfgs_takes_over(options, caplog):
    scale = torch.tensor([1.0, 10.0, 3.0], dtype=torch.float64)
    values, loss, fisher = quadratic(scale, torch.ones(3).double())
    function = fisher if options else (lambda _: None)
    optimizer = FisherScoring([values], function, **options)
    with caplog.at_level(logging.INFO, "pyprobound"):
        optimizer.step(closure_of(optimizer, loss))
        optimizer.step(closure_of(optimizer, loss))
    assert float(loss().detach()) < 1e-8
    assert "L-BFGS" in caplog.text


# --- in the training of models ---------------------------------------------------


def make_loss(table, modes, **options):
    start = InitialRound()
    rounds = [start, BoundRound.from_binding(modes, start)]
    return MultiExperimentLoss([Experiment(rounds)], **options)


def train(tmp_path, loss, table, **options):
    optimizer = Optimizer(
        loss,
        [table],
        checkpoint=tmp_path / "best.pt",
        output=tmp_path / "log.txt",
        device="cpu",
        **options,
    )
    return optimizer, float(optimizer.train_sequential())


def test_training_ends_where_the_gradient_is_zero(tmp_path):
    torch.manual_seed(0)
    table = make_table(rows=300)
    loss = make_loss(table, modes_of(table), lambda_l2=1e-3)
    optimizer, best = train(tmp_path, loss, table)
    assert optimizer.optimizer is FisherScoring
    total = sum(loss([table]))
    assert float(total.detach()) == pytest.approx(best, abs=1e-7)
    parameters = [p for p in loss.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(total, parameters)
    assert float(torch.cat([g.flatten() for g in gradients]).norm()) < 1e-5
    again = float(optimizer.train_simultaneous())
    assert best - again < 1e-8


def test_training_ends_at_least_as_low_as_with_lbfgs(tmp_path):
    table = make_table(rows=300)
    found = {}
    for kind in (FisherScoring, torch.optim.LBFGS):
        torch.manual_seed(0)
        loss = make_loss(table, modes_of(table), lambda_l2=1e-3)
        (tmp_path / kind.__name__).mkdir()
        folder = tmp_path / kind.__name__
        _, found[kind] = train(folder, loss, table, optimizer=kind)
    assert found[FisherScoring] <= found[torch.optim.LBFGS] + 1e-6


def test_arguments_of_the_old_default_select_it(tmp_path):
    table = make_table()
    loss = make_loss(table, modes_of(table))
    optimizer, _ = train(
        tmp_path, loss, table, optim_args={"history_size": 5}, epochs=1
    )
    assert optimizer.optimizer is torch.optim.LBFGS


def test_a_layer_without_jacobian_is_trained_all_the_same(tmp_path):
    torch.manual_seed(0)
    table = make_table(rows=60)
    first = Conv1d.from_psam(PSAM(kernel_size=3, alphabet=ALPHABET), table)
    second = Conv1d.from_psam(
        PSAM(kernel_size=2, in_channels=2, out_channels=1, score_reverse=False),
        first,
        one_hot=True,
    )
    loss = make_loss(table, [Mode([first, second])])
    before = float(sum(loss([table])).detach())
    _, best = train(tmp_path, loss, table)
    assert best < before


def test_it_can_be_used_without_the_optimizer_of_the_library():
    torch.manual_seed(0)
    table = make_table(rows=100)
    loss = make_loss(table, modes_of(table), lambda_l2=1e-3)
    for aggregate in [loss.transforms[0].observed_rounds[1].aggregate]:
        for contribution in aggregate.contributions:
            aggregate.activity_heuristic(contribution)
    loss.unfreeze("all")
    parameters = [p for p in loss.parameters() if p.requires_grad]
    fisher = functools.partial(loss.fisher_matrix, [table])
    optimizer = FisherScoring(parameters, fisher, max_iter=50)
    optimizer.step(closure_of(optimizer, lambda: sum(loss([table]))))
    total = sum(loss([table]))
    gradients = torch.autograd.grad(total, parameters)
    assert max(float(g.abs().max()) for g in gradients) < 1e-4


# --- losses that need not be computed again --------------------------------------


def test_minibatches_and_foreign_modules_are_evaluated_every_time(tmp_path):
    table = make_table(rows=60)
    losses = []
    for options in ({}, {"batch_size": len(table)}):
        torch.manual_seed(0)
        loss = make_loss(table, modes_of(table), lambda_l2=1e-3)
        folder = tmp_path / str(len(losses))
        folder.mkdir()
        optimizer, best = train(folder, loss, table, **options)
        losses.append((optimizer.n_evaluations, best))
    assert losses[0][0] < losses[1][0]
    assert losses[0][1] == pytest.approx(losses[1][1], abs=1e-7)
