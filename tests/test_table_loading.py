"""Tests of batches, samplers, loaders and scoring."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, default_collate

from pyprobound.alphabets import DNA
from pyprobound.table import (
    Batch,
    CountBatch,
    CountTable,
    EvenSampler,
    MultitaskLoader,
    Table,
    collate_batch_fn,
    score,
)


def make(sequences):
    counts = [[i + 1, 2 * i] for i in range(len(sequences))]
    return CountTable(pd.DataFrame(counts, index=sequences), DNA())


def random_sequences(n, low, high, seed=0):
    generator = np.random.default_rng(seed)
    return [
        "".join(generator.choice(list("ACGT"), generator.integers(low, high + 1)))
        for _ in range(n)
    ]


# ---------------------------------------------------------------------------
# Batches


@dataclasses.dataclass(eq=False)
class NamedBatch(Batch):
    names: list[str]
    values: torch.Tensor

    def batchlen(self):
        return len(self.values)


def test_rows_are_batches():
    table = make(["ACG", "ACT", "TTT"])
    row = table[1]
    assert type(row) is CountBatch
    assert torch.equal(row.seqs, table.seqs[1])
    assert torch.equal(row.target, table.target[1])
    assert table[[0, 2]].batchlen() == 2
    assert table[1:].batchlen() == 2
    assert len(list(table)) == 3
    assert isinstance(table, Table)
    assert isinstance(table, CountBatch)
    with pytest.raises(IndexError):
        table[3]


def test_base_classes_are_abstract():
    for kind in (Batch, lambda: Table(DNA())):
        with pytest.raises(TypeError, match="abstract"):
            kind()


class Reads(Table[str]):
    """The least that a table can be."""

    input_shape = min_read_length = max_read_length = 3

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return "ACG"


def test_other_tables_need_little():
    table = Reads(DNA(), "AC", "GT", 1, 2)
    assert (table.left_flank, table.right_flank) == ("AC", "GT")
    assert (table.left_flank_length, table.right_flank_length) == (1, 2)
    table.set_flank_length(2, 0)
    assert (table.left_flank_length, table.right_flank_length) == (2, 0)
    assert "Maximum read length: 3" in table.get_setup_string()
    with pytest.raises(ValueError, match="right flank length is -1"):
        table.set_flank_length(0, -1)


@pytest.mark.parametrize("collate", [collate_batch_fn, default_collate])
def test_d22_rows_are_collated_without_a_map(collate):
    table = make(random_sequences(5, 4, 4))
    batch = collate([table[3], table[1]])
    assert type(batch) is CountBatch
    assert torch.equal(batch.seqs, table.seqs[[3, 1]])
    assert torch.equal(batch.target, table.target[[3, 1]])
    named = collate(
        [NamedBatch(["a"], torch.ones(2)), NamedBatch(["b"], torch.ones(2))]
    )
    assert type(named) is NamedBatch
    assert named.values.shape == (2, 2)


@pytest.mark.parametrize("collate", [collate_batch_fn, None])
def test_d22_loaders_draw_minibatches(collate):
    table = make(random_sequences(10, 4, 6))
    batches = list(DataLoader(table, batch_size=4, collate_fn=collate))
    assert [batch.batchlen() for batch in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([batch.seqs for batch in batches]), table.seqs)
    assert torch.equal(torch.cat([batch.target for batch in batches]), table.target)


def test_collating_functions_of_others_see_rows():
    table = make(random_sequences(4, 3, 3))
    (rows,) = DataLoader(table, batch_size=4, collate_fn=lambda rows: rows)
    assert len(rows) == 4
    assert [type(row) for row in rows] == [CountBatch] * 4
    assert torch.equal(rows[2].seqs, table.seqs[2])
    assert torch.equal(torch.stack([row.target for row in rows]), table.target)
    assert len(rows[1:]) == 3


# ---------------------------------------------------------------------------
# Scoring


class Doubler(torch.nn.Module):
    """Doubles codes; remembers how it was called."""

    def __init__(self, parameter=True):
        super().__init__()
        if parameter:
            self.factor = torch.nn.Parameter(torch.tensor(2.0))
        self.frozen = torch.nn.Dropout().eval()
        self.calls = []

    def forward(self, seqs, plus=0.0):
        self.calls.append((len(seqs), self.training, torch.is_grad_enabled()))
        return seqs.sum(dim=1) * getattr(self, "factor", 2.0) + plus

    def explode(self, seqs):
        raise RuntimeError("as told")


@pytest.mark.parametrize("max_split", [None, 1, 3, 100])
def test_scores_do_not_depend_on_the_splits(max_split):
    module, table = Doubler(), make(random_sequences(7, 5, 5))
    target, prediction = score(module, table, max_split=max_split, plus=1.0)
    torch.testing.assert_close(prediction, 2.0 * table.seqs.sum(dim=1) + 1)
    assert torch.equal(target, table.target)
    assert sum(n for n, _, _ in module.calls) == 7
    assert max(n for n, _, _ in module.calls) <= (max_split or 7)
    assert {call[1:] for call in module.calls} == {(False, False)}
    assert not prediction.is_inference()
    assert not target.is_inference()


def test_d23_score_restores_the_mode_of_every_part():
    module, table = Doubler(), make(["ACG"])
    module.train()
    module.frozen.eval()
    score(module, table)
    assert module.training
    assert not module.frozen.training
    with pytest.raises(RuntimeError, match="as told"):
        score(module, table, fun="explode")
    assert module.training
    assert not module.frozen.training


def test_d23_score_needs_no_parameters():
    table = make(["ACG", "TTT"])
    _, prediction = score(Doubler(parameter=False), table)
    assert prediction.tolist() == [6, 18]


def test_scores_of_few_rows():
    module, table = Doubler(), make(["ACG", "TTT"])
    target, prediction = score(module, CountBatch(table.seqs[:0], table.target[:0]))
    assert target.shape == (0, 2)
    assert prediction.shape == (0,)
    with pytest.raises(ValueError, match="max_split is 0"):
        score(module, table, max_split=0)


# ---------------------------------------------------------------------------
# Loading


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 300), st.integers(1, 140))
def test_d27_even_samplers_draw_every_row_once(n, n_bin):
    torch.manual_seed(1)
    sampler = EvenSampler(range(n), n_bin)
    drawn = list(sampler)
    assert sorted(drawn) == list(range(n))
    assert len(sampler) == n
    parts = np.array_split(np.arange(n), n_bin)
    for turn in range(-(-n // n_bin)):
        rows = drawn[turn * n_bin : (turn + 1) * n_bin]
        assert all(row in part for row, part in zip(rows, parts, strict=False))


def test_even_samplers_follow_the_seed():
    sampler = EvenSampler(range(50), 5)
    torch.manual_seed(1)
    first, second = list(sampler), list(sampler)
    torch.manual_seed(1)
    assert list(sampler) == first != second
    with pytest.raises(ValueError, match="n_bin is 0"):
        EvenSampler(range(50), 0)


def loaders(sizes, batch_size, **options):
    tables = [make(random_sequences(n, 4, 4, seed=n)) for n in sizes]
    return tables, [
        DataLoader(t, batch_size=batch_size, collate_fn=collate_batch_fn, **options)
        for t in tables
    ]


def test_whole_tables_are_given_as_they_are():
    tables, several = loaders((5, 3), 10, shuffle=True)
    loader = MultitaskLoader(several)
    (only,) = list(loader)
    assert only[0] is tables[0]
    assert only[1] is tables[1]
    assert len(loader) == 1
    assert loader.dataloaders is several


def test_short_loaders_are_started_again():
    _, several = loaders((10, 4, 7), 3)
    loader = MultitaskLoader(several)
    sizes = [[batch.batchlen() for batch in batches] for batches in loader]
    assert sizes == [[3, 3, 3], [3, 1, 3], [3, 3, 1], [1, 1, 3]]
    assert len(loader) == len(sizes)


def test_loaders_that_start_again_shuffle_anew():
    torch.manual_seed(0)
    _, several = loaders((60, 20), 10, shuffle=True)
    rows = [small.seqs.tolist() for _, small in MultitaskLoader(several)]
    rounds = [rows[i] + rows[i + 1] for i in (0, 2, 4)]
    assert sorted(rounds[0]) == sorted(rounds[1]) == sorted(rounds[2])
    assert rounds[0] != rounds[1]


def test_loaders_have_batches():
    with pytest.raises(ValueError, match="at least one loader"):
        MultitaskLoader([])
    _, several = loaders((10, 4), 5, drop_last=True)
    with pytest.raises(ValueError, match="loader 1 has no batch"):
        MultitaskLoader(several)
