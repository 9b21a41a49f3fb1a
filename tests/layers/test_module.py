"""Scoring whole sequences with a module."""

import copy
import io

import numpy as np
import pandas as pd
import pytest
import torch

from pyprobound import (
    CountTable,
    Experiment,
    Mode,
    MultiExperimentLoss,
    Optimizer,
    rounds,
)
from pyprobound.alphabets import DNA
from pyprobound.layers import Lengths, ModuleLayer, ModuleSpec

ALPHABET = DNA()


class Share(torch.nn.Module):
    """The weighted share of each letter."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4))
        self.steps = torch.nn.Parameter(torch.tensor(3), requires_grad=False)

    def forward(self, x):
        return torch.einsum("ncl,c->n", x, self.weight).view(-1, 1, 1) / x.shape[2]


def make_table(n=300, length=6, seed=0):
    """Reads of which those with many G are enriched: e^2 times for G alone."""
    generator = np.random.default_rng(seed)
    letters = generator.choice(list("ACGT"), (n, length))
    weight = np.exp(2 * (letters == "G").mean(axis=1))
    bound = generator.multinomial(100 * n, weight / weight.sum())
    frame = pd.DataFrame({0: 100, 1: bound}, index=["".join(row) for row in letters])
    return CountTable(frame, ALPHABET)


def make_layer(module, table=None):
    spec = ModuleSpec(ALPHABET, module, name="head")
    return ModuleLayer.from_spec(spec, make_table(8) if table is None else table)


def test_codes_are_embedded():
    table = make_table(8)
    layer = make_layer(Share(), table)
    with torch.no_grad():
        layer.layer_spec.module.weight.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0]))
    expected = table.seqs.double().mean(dim=1).float()
    for seqs in (table.seqs, ALPHABET.embed(table.seqs)):
        scores = layer(seqs)
        assert scores.shape == (8, 1, 1)
        torch.testing.assert_close(scores.flatten(), expected)
    torch.testing.assert_close(Mode([layer])(table.seqs), expected)


def test_missing_positions_are_minus_infinity():
    seen = []

    class Spy(torch.nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.new_zeros(len(x), 1, 1)

    make_layer(Spy())(ALPHABET.translate("ACG ").unsqueeze(0))
    assert seen[0].dtype == torch.float32
    assert seen[0][0, :, 3].tolist() == [-torch.inf] * 4


def test_the_module_decides_the_precision():
    layer = make_layer(Share().double())
    seqs = make_table(8).seqs
    assert layer(seqs).dtype == torch.float64
    assert layer(ALPHABET.embed(seqs)).dtype == torch.float64
    assert Mode([layer]).expected_log_score() == 0.0


def test_another_shape_is_refused():
    layer = make_layer(torch.nn.Flatten())
    with pytest.raises(ValueError, match=r"shape \(8, 1, 1\), not \(8, 24\)"):
        layer(make_table(8).seqs)


def test_there_is_one_output_for_any_length():
    spec = ModuleSpec(ALPHABET, Share())
    assert spec.out_len(7) == spec.out_len(7, "min") == spec.in_len(1, "min") == 1
    assert spec.in_len(1) is None
    lengths = torch.tensor([3, 9])
    assert spec.out_len(lengths, "max").tolist() == [1, 1]
    assert spec.in_len(lengths, "min").tolist() == [1, 1]
    layer = make_layer(Share())
    assert layer.output_lengths == Lengths(1, 1, 1)
    assert (layer.in_channels, layer.out_channels) == (4, 1)
    assert layer.max_embedding_size() == 4 * 4 * 6


def test_all_unfreezes_the_module_and_other_words_do_nothing():
    layer = make_layer(Share())
    spec, weight = layer.layer_spec, layer.layer_spec.module.weight
    layer.freeze()
    assert not weight.requires_grad
    spec.unfreeze("monomer")
    assert not weight.requires_grad
    layer.unfreeze()
    assert weight.requires_grad
    assert not spec.module.steps.requires_grad


def test_each_module_is_its_own_mode():
    one, two = ModuleSpec(ALPHABET, Share()), ModuleSpec(ALPHABET, Share())
    assert one != two
    assert copy.deepcopy(one) != one


@pytest.mark.parametrize("layout", ["packed", "1.5"])
def test_checkpoints_hold_the_module(layout):
    layer, other = make_layer(Share()), make_layer(Share())
    with torch.no_grad():
        layer.layer_spec.module.weight.copy_(torch.arange(4.0))
    file = io.BytesIO()
    Mode([layer]).save(file, format=layout)
    file.seek(0)
    Mode([other]).reload(file, strict=True)
    assert other.layer_spec.module.weight.tolist() == [0, 1, 2, 3]


def test_sequential_training_trains_the_module_in_its_last_step(tmp_path):
    table = make_table()
    layer = make_layer(Share(), table)
    mode = Mode([layer])
    library = rounds.InitialRound()
    bound = rounds.BoundUnsaturatedRound.from_binding([mode], library)
    loss = MultiExperimentLoss([Experiment([library, bound])])
    (steps,) = (optim.steps for optim in loss.optim_procedure().values())
    for step in steps[:-1]:
        for call in step.calls:
            assert call.cmpt is not layer
            assert call.cmpt is not layer.layer_spec
    optimizer = Optimizer(
        loss,
        [table],
        checkpoint=tmp_path / "model.pt",
        output=io.StringIO(),
        device="cpu",
    )
    optimizer.train_sequential()
    weight = layer.layer_spec.module.weight.detach()
    others = weight[[0, 1, 3]].mean()
    assert float(weight[2] - others) == pytest.approx(2, abs=0.2)
