"""Scores that are kept while a binding is not trained: never a stale number."""

import copy
import gc
import logging
import math
import threading
import weakref

import pandas as pd
import pytest
import torch

import pyprobound
from pyprobound import kernels, layers, rounds
from pyprobound.alphabets import DNA
from pyprobound.cooperativity import Spacing
from pyprobound.evaluation import scope

ALPHABET = DNA()


def make_table(rows=400, seed=0, **kwargs):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(0, 4, (rows, 14), generator=generator).tolist()
    seqs = ["".join("ACGT"[i] for i in row[: 12 + row[0] % 3]) for row in codes]
    counts = torch.randint(1, 9, (rows, 2), generator=generator).numpy()
    return pyprobound.CountTable(
        pd.DataFrame(counts, index=seqs),
        ALPHABET,
        left_flank="ACGTACGT",
        right_flank="TTGCATGC",
        **kwargs,
    )


def make_psam(size=5, seed=0, **kwargs):
    torch.manual_seed(seed)
    psam = layers.PSAM(size, ALPHABET, **kwargs)
    with torch.no_grad():
        for parameter in psam.parameters():
            parameter.normal_()
    return psam


class Setting:
    """A loss with a frozen and a trainable mode."""

    def __init__(self, frozen=None, **kwargs):
        self.table = make_table(**kwargs)
        self.frozen = frozen or pyprobound.Mode.from_psam(make_psam(), self.table)
        self.trained = pyprobound.Mode.from_psam(make_psam(4, seed=1), self.table)
        initial = rounds.InitialRound()
        self.bound = rounds.BoundRound.from_binding(
            [self.frozen, self.trained], initial
        )
        for contribution in self.bound.aggregate.contributions:
            contribution.set_contribution()
        self.frozen.freeze()
        experiment = pyprobound.Experiment([initial, self.bound])
        self.loss = pyprobound.MultiExperimentLoss([experiment])

    def value(self):
        return self.loss([self.table]).negloglik.item()

    def is_right(self):
        """Whether the loss is that of a copy, of which nothing is known."""
        found = self.value()
        return found == copy.deepcopy(self.loss)([copy.deepcopy(self.table)])[0].item()


@pytest.fixture
def setting():
    setting = Setting()
    setting.value()
    return setting


@pytest.fixture
def scored(caplog):
    """Which bindings were scored."""

    def names(action):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="pyprobound.evaluation"):
            action()
        return [
            record.args[0]
            for record in caplog.records
            if isinstance(record.args[0], pyprobound.Binding)
        ]

    return names


# --- what is kept ----------------------------------------------------------------


def test_a_frozen_binding_is_scored_once(setting, scored):
    assert scored(setting.value) == [setting.trained]
    setting.trained.freeze()
    assert scored(setting.value) == [setting.trained]
    assert scored(setting.value) == []
    setting.trained.unfreeze("all")
    assert scored(setting.value) == [setting.trained]


def test_kept_scores_give_the_same_loss_and_gradients(setting):
    def results(loss, table):
        value = sum(loss([table]))
        trained = [p for p in loss.parameters() if p.requires_grad]
        return [value, *torch.autograd.grad(value, trained)]

    kept = results(setting.loss, setting.table)
    fresh = results(copy.deepcopy(setting.loss), copy.deepcopy(setting.table))
    assert all(torch.equal(a, b) for a, b in zip(kept, fresh, strict=True))


def test_parts_of_a_table_are_kept_too(scored):
    setting = Setting(rows=1050)
    setting.loss.max_split = 350
    assert setting.frozen in scored(setting.value)
    assert setting.frozen not in scored(setting.value)
    assert setting.is_right()


def test_each_table_has_scores_of_its_own(setting, scored):
    other = make_table(seed=5)
    first = setting.value()
    second = setting.loss([other])[0].item()
    assert first != second
    assert scored(lambda: setting.loss([other])) == [setting.trained]
    assert setting.value() == first


def test_a_call_by_the_user_computes(setting, scored):
    scores = setting.frozen(setting.table.seqs)
    scores.zero_()  # it is the user's own
    assert scored(lambda: setting.frozen(setting.table.seqs)) == [setting.frozen]
    assert setting.is_right()


def test_the_scores_of_few_rows_are_not_kept(scored):
    setting = Setting(rows=20)
    assert setting.frozen in scored(setting.value)
    assert setting.frozen in scored(setting.value)


def test_nothing_lives_longer_because_it_is_kept(setting):
    table, frozen = weakref.ref(setting.table.seqs), weakref.ref(setting.frozen)
    setting.table = make_table(seed=3)
    gc.collect()
    assert table() is None
    setting.frozen = setting.bound = setting.loss = None
    gc.collect()
    assert frozen() is None


# --- what changes the scores -----------------------------------------------------


def betas(setting):
    return next(iter(setting.frozen.layers[0].layer_spec.betas.values()))


def assign_state(setting):
    state = {k: v + 1 for k, v in setting.frozen.state_dict().items() if "betas" in k}
    setting.frozen.load_state_dict(state, strict=False)


def swap_values(setting):
    values = betas(setting).data
    values.copy_(values.flip(-1))


CHANGES = {
    "in place": lambda s: betas(s).add_(1),
    "behind the back": lambda s: betas(s).data.fill_(0.5),
    "numpy": lambda s: betas(s).numpy().__setitem__(0, 0.25),
    "permuted": swap_values,
    "new data": lambda s: setattr(betas(s), "data", betas(s).data + 1),
    "state": assign_state,
    "bias": lambda s: s.frozen.layers[0].layer_spec.bias.data.add_(2),
    "position bias": lambda s: s.frozen.layers[0].log_posbias.data.normal_(),
    "hill": lambda s: s.frozen.log_hill.data.fill_(0.3),
    "footprint": lambda s: s.frozen.layers[0].layer_spec.update_footprint(1, 0),
    "shift": lambda s: s.frozen.layers[0].layer_spec.update_footprint(1, -1),
    "channels": lambda s: setattr(s.frozen.layers[0], "_out_channel_indexing", [0]),
    "normalize": lambda s: setattr(s.frozen.layers[0].layer_spec, "normalize", True),
    "another layer": lambda s: s.frozen.layers.__setitem__(
        0, layers.Conv1d.from_psam(make_psam(5, seed=9), s.table)
    ),
    "codes": lambda s: s.table.seqs[:, 0].fill_(1),
    "new codes": lambda s: setattr(s.table, "seqs", s.table.seqs.flip(0)),
    "codes as data": lambda s: setattr(s.table.seqs, "data", s.table.seqs.flip(0)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(setting, change):
    before = setting.value()
    with torch.no_grad():
        CHANGES[change](setting)
        setting.frozen.freeze()
    assert setting.is_right()
    assert setting.value() != before


def test_a_change_and_its_reversal_are_seen(setting):
    before = setting.value()
    with torch.no_grad():
        betas(setting).data.add_(1)
        assert setting.value() != before
        betas(setting).data.sub_(1)
    assert setting.value() == pytest.approx(before, rel=1e-6)
    assert setting.is_right()


def test_flanks_are_seen(setting):
    before = setting.value()
    for left, right in ((3, 0), (0, 3), (0, 0)):
        old = (setting.table.left_flank_length, setting.table.right_flank_length)
        setting.table.set_flank_length(left, right)
        for mode in (setting.frozen, setting.trained):
            mode.update_read_length(left - old[0], right - old[1])
        assert setting.is_right()
    assert setting.value() == before


def test_rows_that_are_deleted_are_seen(setting):
    before = setting.value()
    del setting.table[::2]
    assert setting.is_right()
    assert setting.value() != before


def test_precision_is_seen(setting):
    assert setting.value() == pytest.approx(setting.value())
    setting.loss.double()
    assert setting.is_right()
    setting.loss.float()
    assert setting.is_right()


def test_the_choice_of_kernels_is_seen(setting, scored):
    with kernels.use("reference"):
        assert setting.frozen in scored(setting.value)


def test_training_in_between_is_seen(setting):
    setting.frozen.unfreeze("all")
    optimizer = torch.optim.SGD(setting.loss.parameters(), 0.1)
    sum(setting.loss([setting.table])).backward()
    optimizer.step()
    setting.frozen.freeze()
    assert setting.is_right()


@pytest.mark.parametrize("outer", [torch.inference_mode, torch.no_grad, scope])
def test_scores_of_one_mode_serve_another(outer):
    setting = Setting()
    with outer():
        first = setting.value()
    sum(setting.loss([setting.table])).backward()
    assert setting.value() == first
    setting.loss.eval()
    with torch.inference_mode():
        assert setting.value() == first


def test_threads_see_the_same(setting):
    expected = setting.value()
    found = []

    def work():
        found.extend(setting.value() for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 40


def test_results_that_were_changed_are_not_used_again(setting):
    with scope():
        kept = setting.frozen(setting.table.seqs)
        kept.zero_()
    assert setting.is_right()


# --- what is never kept ----------------------------------------------------------


class Moody(pyprobound.Mode):
    """A mode whose score depends on how often it was called."""

    calls = 0

    @pyprobound.Transform.cache
    def forward(self, seqs):
        self.calls += 1
        return super().forward(seqs) + self.calls


class Dropping(torch.nn.Module):
    """A module that depends on the mode of training."""

    def __init__(self):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, seqs):
        return self.drop(seqs.nan_to_num(0, 0, 0)).sum((1, 2)).view(-1, 1, 1)


def test_what_a_class_of_the_users_own_does_is_not_known():
    table = make_table()
    setting = Setting(Moody([layers.Conv1d.from_psam(make_psam(), table)]))
    before = setting.frozen.calls
    for calls in (1, 2, 3):
        setting.value()
        assert setting.frozen.calls == before + calls


def test_a_module_of_pytorch_is_not_known():
    table = make_table()
    spec = layers.ModuleSpec(ALPHABET, Dropping())
    setting = Setting(pyprobound.Mode([layers.ModuleLayer.from_spec(spec, table)]))
    assert setting.value() != setting.value()
    setting.loss.eval()
    assert setting.value() == setting.value()


def test_hooks_are_called_each_time(setting):
    calls = []
    handle = setting.frozen.layers[0].layer_spec.register_forward_hook(
        lambda *_: calls.append(1)
    )
    other = setting.frozen.register_forward_hook(lambda *_: calls.append(2))
    setting.value()
    setting.value()
    assert calls == [2, 2]
    handle.remove()
    other.remove()
    assert setting.is_right()


def test_a_method_of_an_object_is_not_known(setting, scored):
    layer = setting.frozen.layers[0]
    plain = layer.log_score
    layer.log_score = lambda seqs, hill: plain(seqs, hill) * 2
    before = setting.value()
    assert setting.frozen in scored(setting.value)
    del layer.log_score
    assert setting.value() != before
    assert setting.is_right()


def test_values_that_are_trained_elsewhere_are_not_kept(setting, scored):
    # The bias is part of both, and trainable.
    spec = setting.frozen.layers[0].layer_spec
    spec.bias.requires_grad_()
    assert setting.frozen in scored(setting.value)
    sum(setting.loss([setting.table])).backward()
    assert spec.bias.grad is not None


def test_a_cooperativity_is_kept_while_both_modes_are_frozen(scored):
    table = make_table()
    modes = [
        pyprobound.Mode.from_psam(make_psam(4, seed=i), table, train_posbias=False)
        for i in (2, 3)
    ]
    spacing = Spacing(*[mode.key() for mode in modes])
    setting = Setting(pyprobound.Cooperativity(spacing, *modes))
    pair = setting.frozen
    setting.value()
    assert pair not in scored(setting.value)
    with torch.no_grad():
        next(iter(modes[1].layers[0].layer_spec.betas.values())).data.add_(1)
    assert pair in scored(setting.value)
    assert setting.is_right()
    spacing.log_spacing.data.fill_(-1)
    assert setting.is_right()
    spacing.log_spacing.requires_grad_()
    assert pair in scored(setting.value)


def test_autocast_is_not_kept(setting, scored):
    with torch.autocast("cpu"):
        assert setting.frozen in scored(setting.value)
    assert math.isfinite(setting.value())
