"""The loop over epochs, with models of one number."""

import math
from typing import ClassVar

import pytest
import torch

import pyprobound as pp
from optim.small_fits import table
from pyprobound.loss import Loss
from pyprobound.optim import records
from pyprobound.optim.assembly import Assembly, BestState
from pyprobound.optim.training import Trainer, loader_maker, optimizer_maker


class Square(pp.Component):
    """A loss without tables: the square of its parameter."""

    def __init__(self, start=3.0):
        super().__init__()
        self.transforms = []
        self.x = torch.nn.Parameter(torch.tensor(start))
        self.modes = []

    def components(self):
        yield from ()

    def forward(self, batch):
        self.modes.append((self.training, torch.is_inference_mode_enabled()))
        shift = 0.0 if batch is None else batch
        zero = torch.zeros((), dtype=torch.float64)
        return Loss((self.x.double() - shift) ** 2, zero + 0.5)


class Scripted(torch.optim.Optimizer):
    """Sets its parameter to one given value after the other."""

    values: ClassVar[list[float]] = []
    starts: ClassVar[list[float]] = []

    def __init__(self, parameters):
        super().__init__(parameters, {})
        self.starts.append(float(self.param_groups[0]["params"][0].detach()))

    def step(self, closure):
        closure()
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(self.values.pop(0))


@pytest.fixture
def scripted(monkeypatch):
    monkeypatch.setattr(Scripted, "starts", [])

    def make(*values):
        monkeypatch.setattr(Scripted, "values", list(values))
        return optimizer_maker(Scripted, None)

    return make


def make_trainer(model, make_optimizer, loaders=((None,), None), **options):
    seen = []
    trainer = Trainer(
        Assembly(model, []),
        loaders,
        make_optimizer,
        seen.append,
        **{
            "epochs": 20,
            "patience": 3,
            "device": torch.device("cpu"),
            **options,
        },
    )
    return trainer, seen


def train(trainer, best_loss=math.inf):
    best = BestState(trainer.assembly)
    return trainer.train(best, best_loss)


def epochs(seen):
    return [record for record in seen if isinstance(record, records.EpochDone)]


def reason(seen):
    (done,) = (r for r in seen if isinstance(r, records.TrainingDone))
    return done.reason


def test_training_ends_in_the_minimum():
    model = Square()
    trainer, seen = make_trainer(model, optimizer_maker(torch.optim.LBFGS, None))
    assert train(trainer) == pytest.approx(0.5, abs=1e-9)
    assert model.x.item() == pytest.approx(0, abs=1e-4)
    assert epochs(seen)[-1].evaluations == trainer.n_evaluations == len(model.modes)


def test_updates_are_made_in_training_mode_and_losses_measured_in_evaluation_mode(
    scripted,
):
    model = Square()
    trainer, _ = make_trainer(model, scripted(2.0, 2.0))
    train(trainer)
    assert model.modes == [(True, False), (False, True)] * 2
    assert model.training


def test_training_ends_if_nothing_changes(scripted):
    trainer, seen = make_trainer(Square(), scripted(2.0, 2.0))
    assert train(trainer) == 4.5
    assert [epoch.distance for epoch in epochs(seen)] == [1.0, 0.0]
    assert "not change" in reason(seen)


def test_training_ends_without_patience_in_the_best_state(scripted):
    model = Square()
    trainer, seen = make_trainer(model, scripted(2.0, 3.0, 4.0, 1.0, 5.0, 6.0, 7.0))
    assert train(trainer) == 1.5
    assert model.x.item() == 1.0
    assert [epoch.patience_left for epoch in epochs(seen)] == [3, 2, 1, 3, 2, 1, 0]
    assert [epoch.improved for epoch in epochs(seen)].count(True) == 2
    assert "patience" in reason(seen)


def test_training_ends_with_the_last_epoch(scripted):
    trainer, seen = make_trainer(Square(), scripted(2.0, 1.0, 0.0), epochs=2)
    assert train(trainer) == 1.5
    assert "last epoch" in reason(seen)


def test_a_loss_that_is_not_beaten_leaves_the_state_before(scripted):
    model = Square()
    trainer, _ = make_trainer(model, scripted(2.0, 1.0, 2.0, 2.0))
    assert train(trainer, best_loss=1.0) == 1.0
    assert model.x.item() == 3.0


def test_d52_after_nan_training_restarts_from_the_best_state(scripted):
    model = Square()
    trainer, seen = make_trainer(model, scripted(2.0, math.nan, 1.0, 1.0))
    assert train(trainer) == 1.5
    assert Scripted.starts == [3.0, 2.0]
    assert model.x.item() == 1.0
    assert [r.best_loss for r in seen if isinstance(r, records.TrainingRestarted)] == [
        4.5
    ]


@pytest.mark.parametrize("values", [(math.nan,), (4.0, math.nan)])
def test_d52_nan_without_progress_ends_the_training(scripted, values):
    model = Square()
    trainer, seen = make_trainer(model, scripted(*values))
    assert train(trainer, best_loss=9.6) == 9.6
    assert Scripted.starts == [3.0]
    assert model.x.item() == 3.0
    assert "not a number" in reason(seen)


def test_an_infinite_parameter_that_stays_is_no_change(scripted):
    trainer, seen = make_trainer(Square(-math.inf), scripted(-math.inf))
    train(trainer)
    assert epochs(seen)[0].distance == 0


def test_validation_decides_but_the_regularization_is_that_of_training(scripted):
    model = Square()
    trainer, seen = make_trainer(
        model, scripted(2.0, 1.0, 0.0, -1.0, -1.0), loaders=((None,), (2.0,))
    )
    assert train(trainer) == 0.5
    assert model.x.item() == 2.0
    assert epochs(seen)[0].validation_negloglik == 0
    assert epochs(seen)[0].negloglik == 4


def test_an_optimizer_whose_step_takes_no_closure():
    class Plain(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {})

        def step(self):
            (x,) = self.param_groups[0]["params"]
            with torch.no_grad():
                x.sub_(0.5 * x.grad)

    trainer, _ = make_trainer(Square(), optimizer_maker(Plain, None))
    assert train(trainer) == 0.5


def test_the_loss_of_an_epoch_is_the_mean_over_batches():
    trainer, _ = make_trainer(Square(3.0), optimizer_maker(torch.optim.LBFGS, None))
    loss = trainer.run_one_epoch(False, [1.0, 2.0, 3.0])
    assert isinstance(loss, Loss)
    assert float(loss.negloglik) == pytest.approx(5 / 3)
    assert float(loss.regularization) == 0.5
    assert loss.negloglik.dtype == torch.float64


def test_d51_evaluation_needs_no_torch_optimizer():
    trainer, _ = make_trainer(Square(3.0), optimizer_maker(torch.optim.LBFGS, None))
    assert float(trainer.run_one_epoch(False, (None,)).negloglik) == 9
    with pytest.raises(RuntimeError, match="no torch optimizer yet"):
        trainer.run_one_epoch(True, (None,))


def test_without_trainable_parameters_there_is_nothing_to_train():
    model = Square()
    model.freeze()
    trainer, _ = make_trainer(model, optimizer_maker(torch.optim.LBFGS, None))
    with pytest.raises(ValueError, match="No parameter is trainable"):
        train(trainer)


def test_a_loss_without_gradient_is_left_alone(scripted):
    class Flat(Square):
        def forward(self, batch):
            loss = super().forward(batch)
            return Loss(loss.negloglik.detach(), loss.regularization)

    trainer, _ = make_trainer(Flat(), scripted(2.0, 2.0))
    assert train(trainer) == 4.5


def test_mixed_precision_computes_the_loss_in_the_lower_precision():
    class Product(Square):
        def forward(self, batch):
            product = self.x.reshape(1, 1) @ self.x.reshape(1, 1)
            self.dtype = product.dtype
            return Loss(product.sum().double(), torch.zeros((), dtype=torch.float64))

    model = Product()
    maker = optimizer_maker(torch.optim.LBFGS, None)
    options = {"use_amp": True, "dtype": torch.bfloat16}
    trainer, _ = make_trainer(model, maker, **options)
    trainer.evaluate()
    assert model.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (None, "strong_wolfe"),
        ({"lr": 0.5}, "strong_wolfe"),
        ({"line_search_fn": None}, None),
    ],
)
def test_the_line_search_is_strong_wolfe_unless_given(arguments, expected):
    make = optimizer_maker(torch.optim.LBFGS, arguments)
    optimizer = make([torch.nn.Parameter(torch.zeros(1))])
    assert optimizer.defaults["line_search_fn"] == expected


def test_an_optimizer_without_line_search_gets_none():
    optimizer = optimizer_maker(torch.optim.SGD, {"lr": 0.1})(
        [torch.nn.Parameter(torch.zeros(1))]
    )
    assert optimizer.defaults["lr"] == 0.1


def test_whole_tables_are_the_only_batch_by_default():
    tables = [table(), table(n_rows=50)]
    ((first, second),) = loader_maker(None, None, None)(tables)
    assert first is tables[0]
    assert second is tables[1]


def test_batches_follow_the_sampler():
    rows = table(n_rows=20)
    make_loader = loader_maker(8, pp.EvenSampler, {"n_bin": 4})
    batches = [batch for (batch,) in make_loader([rows])]
    assert [batch.batchlen() for batch in batches] == [8, 8, len(rows) - 16]
    seen = torch.cat([batch.seqs for batch in batches])
    assert sorted(map(tuple, seen.tolist())) == sorted(map(tuple, rows.seqs.tolist()))
