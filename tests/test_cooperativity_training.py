"""Cooperativity: changes of structure, checkpoints and sequential training."""

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pyprobound as pp
from pyprobound import Cooperativity, CountTable, Mode, Spacing
from pyprobound.alphabets import DNA
from pyprobound.layers import PSAM, NonSpecific
from pyprobound.rounds import BoundUnsaturatedRound, InitialRound

ALPHABET = DNA()
FLANKS = {"left_flank": "GATTACA", "right_flank": "CCGTAAT"}


def make_table(low=9, high=None, n=6, seed=0, **options):
    generator = np.random.default_rng(seed)
    sizes = generator.integers(low, (high or low) + 1, n)
    sizes[:2] = (low, high or low)
    reads = ["".join(generator.choice(list("ACGT"), size)) for size in sizes]
    frame = pd.DataFrame(generator.integers(1, 9, (n, 2)), index=reads)
    return CountTable(frame, ALPHABET, **FLANKS, **options)


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return module


def make_pair(table, sizes=(3, 4), spacing=None, psam=None, **options):
    a, b = (
        Mode.from_psam(PSAM(size, ALPHABET, **(psam or {})), table) for size in sizes
    )
    own = Spacing(a.key(), b.key(), **(spacing or {}))
    return randomised(Cooperativity(own, a, b, **options))


def shift(matrix, rows, columns):
    """Adds or removes rows and columns at both ends of the last two axes."""
    return torch.nn.functional.pad(matrix, (*columns, *rows))


def bias_of(pair):
    layout = pair._layout
    return layout.by_length(layout.joined(pair.log_posbias, False)).detach()


CHANGE = st.tuples(st.integers(-2, 3), st.integers(-2, 3))


@given(walk=st.lists(st.tuples(st.booleans(), CHANGE), min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_pairs_of_windows_keep_their_bias(walk):
    pair = make_pair(make_table(11), train_posbias=True)
    for is_b, (left, right) in walk:
        before = bias_of(pair)
        mode = pair.mode_b if is_b else pair.mode_a
        counts = (pair.n_windows_a, pair.n_windows_b)
        if counts[is_b] + left + right < 1 or counts[is_b] + min(left, 0) < 1:
            continue
        mode.update_read_length(left_shift=left, right_shift=right)
        pair.check_length_consistency()
        rows, columns = ((0, 0), (left, right)) if is_b else ((left, right), (0, 0))
        torch.testing.assert_close(bias_of(pair), shift(before, rows, columns))
        largest = max(pair.n_windows_a, pair.n_windows_b)
        assert pair.spacing.max_num_windows == largest
    assert all(value.requires_grad for value in pair.log_posbias)


def test_lengths_keep_their_bias():
    table = make_table(7, 9)
    pair = make_pair(table, train_posbias=True)
    before = bias_of(pair)
    pair.mode_a.update_read_length(min_len_shift=-1)
    pair.mode_b.update_read_length(max_len_shift=2, right_shift=2)
    pair.check_length_consistency()
    after = bias_of(pair)
    assert after.shape[:2] == (4, 5)
    torch.testing.assert_close(after[1:, :3, ..., :-2], before)
    assert not bool(after[0].any())
    shared = make_pair(table, train_posbias=True, length_specific_bias=False)
    shared.mode_a.update_read_length(min_len_shift=-1)
    assert bias_of(shared).shape[:2] == (1, 1)


@pytest.mark.parametrize("bias_bin", [2, 3])
@given(walk=st.lists(CHANGE, min_size=1, max_size=4))
@settings(deadline=None, max_examples=25)
def test_bins_follow_the_number_of_windows(bias_bin, walk):
    table = make_table(12)
    pair = make_pair(table, train_posbias=True, bias_bin=bias_bin)
    for left, right in walk:
        for mode in (pair.mode_a, pair.mode_b):
            if mode.input_shape + left + right < 5:
                continue
            mode.update_read_length(left_shift=left, right_shift=right)
            pair.check_length_consistency()


def test_windows_that_go_and_come_back_have_lost_their_bias():
    pair = make_pair(make_table(), train_posbias=True, bias_bin=2)
    for left in (-1, 1):
        for mode in (pair.mode_a, pair.mode_b):
            mode.update_read_length(left_shift=left)
    pair.check_length_consistency()
    corner = pair.log_posbias[0].detach()
    assert corner.shape[-1] == 1
    other = pair.log_posbias[pair.n_windows_a - 1].detach()
    assert other.abs().sum() > 0


def test_the_spacing_has_room_for_all_cooperativities_and_no_more():
    short, long = make_table(8), make_table(12)
    pair = make_pair(short)
    psams = [mode.layers[0].layer_spec for mode in (pair.mode_a, pair.mode_b)]
    energies = pair.spacing.log_spacing.detach().clone()
    modes = [Mode.from_psam(psam, long) for psam in psams]
    other = Cooperativity(pair.spacing, *modes)
    assert pair.spacing.max_num_windows == 10
    torch.testing.assert_close(pair.spacing.log_spacing[:, 4:-4].detach(), energies)
    assert bool((pair.spacing.log_spacing[:, :4] == 0).all())
    for mode in modes:
        mode.update_read_length(right_shift=-4)
    assert pair.spacing.max_num_windows == 6
    torch.testing.assert_close(pair.spacing.log_spacing.detach(), energies)
    other.check_length_consistency()


def test_a_refused_change_leaves_everything_as_it_was():
    table = make_table(6)
    pair = make_pair(table, (3, 4), psam={"max_kernel_size": 12}, train_posbias=True)
    before = copy.deepcopy(pair.state_dict())
    with pytest.raises(ValueError, match="shortest input"):
        pair.mode_a.layers[0].layer_spec.update_footprint(right_shift=4)
    with pytest.raises(ValueError, match="shortest input"):
        pair.mode_b.update_read_length(left_shift=-3)
    after = pair.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_same_mode_twice_changes_on_both_sides_at_once():
    table = make_table()
    mode = Mode.from_psam(PSAM(3, ALPHABET), table)
    spacing = Spacing(mode.key(), mode.key(), max_overlap=0)
    pair = randomised(Cooperativity(spacing, mode, mode, train_posbias=True))
    before = bias_of(pair)
    assert [type(part) for part in pair.components()] == [Mode, Spacing]
    mode.update_read_length(left_shift=2, right_shift=1)
    pair.check_length_consistency()
    torch.testing.assert_close(bias_of(pair), shift(before, (2, 1), (2, 1)))


# --- growth of motifs ------------------------------------------------------------


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("sides", [(1, 0), (0, 2), (2, 1)])
def test_d44_energies_stay_with_the_cores_of_the_motifs(which, sides):
    table = make_table(12)
    pair = make_pair(table, (3, 4), {"anchor": "core"}, train_posbias=True)
    # A second experiment that reports the same growth.
    psams = [mode.layers[0].layer_spec for mode in (pair.mode_a, pair.mode_b)]
    longer = make_table(14)
    second = Cooperativity(
        pair.spacing, *(Mode.from_psam(psam, longer) for psam in psams)
    )
    randomised(second)
    for member, members_table in ((pair, table), (second, longer)):
        for mode in (member.mode_a, member.mode_b):
            mode.layers[0].log_posbias.data.zero_()
        for value in member.log_posbias:
            value.data.zero_()
        member.before = member.score_windows(members_table.seqs).detach()
    energies = pair.spacing.log_spacing.detach().clone()
    added, _ = psams[which].update_footprint(*sides)
    for value in added:
        value.data.zero_()
    left, right = sides
    for member, members_table in ((pair, table), (second, longer)):
        member.check_length_consistency()
        after = member.score_windows(members_table.seqs).detach()
        for strand in range(2):
            # On the reverse strand the left end of the motif is on the right.
            start = (left, right)[strand]
            axis = (3, 4)[which]
            chosen = [slice(None)] * 5
            chosen[1 + which] = slice(strand, strand + 1)
            kept = member.before[tuple(chosen)].narrow(axis, start, after.shape[axis])
            torch.testing.assert_close(after[tuple(chosen)], kept)
    psams[which].update_footprint(-left, -right)
    pair.check_length_consistency()
    inner = slice(2 * (left + right), -2 * (left + right))
    torch.testing.assert_close(
        pair.spacing.log_spacing[:, inner].detach(), energies[:, inner]
    )


def test_d44_offsets_of_windows_stay_by_default():
    pair = make_pair(make_table(12), (4, 3))
    before = pair.spacing.log_spacing.detach().clone()
    pair.mode_a.layers[0].layer_spec.update_footprint(left_shift=1)
    torch.testing.assert_close(pair.spacing.log_spacing.detach(), before)


def test_flanks_do_not_change_energies():
    pair = make_pair(make_table(12), spacing={"anchor": "core"})
    before = pair.spacing.log_spacing.detach().clone()
    for mode in (pair.mode_a, pair.mode_b):
        mode.update_read_length(left_shift=2)
    torch.testing.assert_close(pair.spacing.log_spacing[:, 2:-2].detach(), before)


# --- checkpoints -----------------------------------------------------------------


@pytest.mark.parametrize("layout", ["packed", "1.5"])
def test_d56_a_state_of_another_structure_is_restored(tmp_path, layout):
    table = make_table(9)
    pair = make_pair(table, train_posbias=True)
    pair.spacing.unfreeze("spacing")
    pair.save(tmp_path / "before.pt", format=layout)
    scores = pair(table.seqs)
    pair.mode_a.layers[0].layer_spec.update_footprint(-1, 0)
    table.set_flank_length(2, 1)
    for mode in (pair.mode_a, pair.mode_b):
        mode.update_read_length(left_shift=2, right_shift=1)
    randomised(pair, seed=1)
    changed = pair(table.seqs)
    pair.save(tmp_path / "after.pt", format=layout)
    pair.reload(tmp_path / "before.pt")
    pair.check_length_consistency()
    table.set_flank_length(0, 0)
    torch.testing.assert_close(pair(table.seqs), scores)
    assert all(value.requires_grad for value in pair.log_posbias)
    pair.reload(tmp_path / "after.pt")
    pair.check_length_consistency()
    table.set_flank_length(2, 1)
    torch.testing.assert_close(pair(table.seqs), changed)
    # Further changes find the windows of the state, not those of before.
    pair.mode_b.layers[0].layer_spec.update_footprint(0, 1)
    pair.check_length_consistency()
    fresh = make_pair(make_table(9), train_posbias=True)
    fresh.load_state_dict(make_pair(make_table(9), train_posbias=True).state_dict())


def test_d56_values_that_do_not_fit_are_noticed():
    pair = make_pair(make_table(), train_posbias=True)
    other = copy.deepcopy(pair)
    other.log_posbias = pp.containers.TParameterList(list(pair.log_posbias)[1:])
    with pytest.raises(RuntimeError, match="does not fit the windows"):
        other.check_length_consistency()
    other = copy.deepcopy(pair)
    other._windows = (3, 3)
    with pytest.raises(RuntimeError, match=r"built for \(3, 3\) windows"):
        other.check_length_consistency()
    pair.spacing.log_spacing = torch.nn.Parameter(torch.zeros(2, 3))
    with pytest.raises(RuntimeError, match="energies for 2 windows"):
        pair.check_length_consistency()


# --- training --------------------------------------------------------------------


def test_words_make_their_parameters_trainable():
    pair = make_pair(make_table(), train_posbias=True, train_hill=True)
    pair.freeze()
    assert not any(value.requires_grad for value in pair.parameters())
    for word, name in (("hill", "log_hill"), ("posbias", "log_posbias.0")):
        pair.unfreeze(word)
        assert dict(pair.named_parameters())[name].requires_grad
    assert not pair.mode_a.layers[0].layer_spec.betas["1"].requires_grad
    for part in (pair, pair.spacing):
        with pytest.raises(ValueError, match="cannot unfreeze 'monomer'"):
            part.unfreeze("monomer")


def test_d40_a_trained_spacing_is_part_of_everything(tmp_path):
    pair = make_pair(make_table())
    assert pair.spacing in list(pair.components())
    pair.freeze()
    pair.unfreeze("all")
    # As in PyProBound 1.5, unless the spacing was trained before.
    assert not pair.spacing.log_spacing.requires_grad
    pair.spacing.unfreeze("spacing")
    pair.freeze()
    pair.unfreeze("all")
    assert pair.spacing.log_spacing.requires_grad
    pair.save(tmp_path / "state.pt")
    pair.save(tmp_path / "old.pt", format="1.5")
    resumed = make_pair(make_table())
    for name, trained in (("state.pt", True), ("old.pt", False)):
        resumed.freeze()
        resumed.reload(tmp_path / name)
        resumed.unfreeze("all")
        assert resumed.spacing.log_spacing.requires_grad == trained
    resumed.load_state_dict(torch.load(tmp_path / "state.pt")["state_dict"])
    assert resumed.spacing.was_unfrozen


class SmallFit:
    """Two motifs that are enriched together, and their cooperativity alone."""

    def __init__(self, **psam):
        torch.manual_seed(0)
        generator = np.random.default_rng(3)
        reads = sorted(
            {"".join(generator.choice(list("ACGT"), 10)) for _ in range(150)}
        )
        first = generator.integers(20, 40, len(reads))
        bound = [
            read.find("GA") >= 0 and "CA" in read[read.find("GA") :] for read in reads
        ]
        second = np.round(first * np.where(bound, 4.0, 1.0)).astype(int)
        frame = pd.DataFrame({0: first, 1: second}, index=reads)
        self.table = CountTable(frame, ALPHABET, **FLANKS, left_flank_length=1)
        options = {"score_reverse": False, "seed_scale": 2, **psam}
        self.psams = [
            PSAM(2, ALPHABET, seed=[text], name=text, **options)
            for text in ("GA", "CA")
        ]
        self.modes = [Mode.from_psam(psam, self.table) for psam in self.psams]
        spacing = Spacing(*(mode.key() for mode in self.modes), max_overlap=0)
        self.pair = Cooperativity(spacing, *self.modes, train_posbias=True)
        nonspecific = NonSpecific(ALPHABET, name="ns")
        self.nonspecific = Mode.from_nonspecific(nonspecific, self.table)
        self.last = Mode.from_psam(
            PSAM(2, ALPHABET, score_reverse=False, name="last"), self.table
        )
        bindings = [self.nonspecific, self.pair, self.last]
        rounds = [InitialRound(name="0")]
        rounds.append(BoundUnsaturatedRound.from_binding(bindings, rounds[0]))
        self.loss = pp.MultiExperimentLoss([pp.Experiment(rounds)], lambda_l2=1e-3)

    def optimizer(self, folder, **options):
        return pp.Optimizer(
            self.loss,
            [self.table],
            checkpoint=folder / "best.pt",
            output=folder / "log.txt",
            device="cpu",
            epochs=15,
            **options,
        )


def test_d56_greedy_searches_go_on_after_a_rejection(tmp_path):
    fit = SmallFit(increment_footprint=True, increment_flank=True, shift_footprint=True)
    decisions = []
    optimizer = fit.optimizer(
        tmp_path,
        greedy_threshold=1e-4,
        on_record=lambda record: decisions.append(getattr(record, "decision", None)),
    )
    best = optimizer.train_sequential()
    assert {"rejected"} <= set(decisions)
    assert math.isfinite(best)
    fit.loss.check_length_consistency()
    with torch.no_grad():
        found = fit.loss([fit.table])
    assert float(found.negloglik + found.regularization) == pytest.approx(
        float(best), rel=1e-6
    )
    # The motif after the cooperativity froze the spacing, and everything freed it.
    assert fit.pair.spacing.log_spacing.requires_grad


def test_a_rejected_move_restores_everything(tmp_path):
    fit = SmallFit()
    optimizer = fit.optimizer(tmp_path, greedy_threshold=math.inf)
    optimizer.train_sequential()
    before = copy.deepcopy(fit.loss.state_dict())
    flanks = fit.table.left_flank_length
    calls = [pp.Call(fit.psams[0], "update_footprint", {"left_shift": 1})]
    calls += [
        pp.Call(mode, "update_read_length", {"left_shift": 1, "right_shift": 1})
        for mode in fit.modes
    ]
    optimizer.greedy_search(pp.Step(calls, greedy=True), 1.0)
    after = fit.loss.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert fit.table.left_flank_length == flanks
    fit.loss.check_length_consistency()


def test_steps_of_a_pair_whose_motifs_are_trained_with_it(tmp_path):
    fit = SmallFit(increment_footprint=True)
    procedure = fit.loss.optim_procedure()
    steps = procedure[fit.pair.key()].steps
    words = [
        [(call.fun, call.kwargs.get("parameter")) for call in step.calls]
        for step in steps
    ]
    assert words[1] == [
        ("unfreeze", "monomer"),
        ("unfreeze", "spacing"),
        ("unfreeze", "monomer"),
    ]
    assert words[2] == [("unfreeze", "posbias")]
    assert [step.greedy for step in steps] == [False] * 3 + [True, True, False]
    alone = fit.pair.optim_procedure()
    assert list(alone) == [(fit.pair.spacing,)]
    again = fit.pair.optim_procedure(None, dict(alone))
    assert len(again[fit.pair.key()].steps) == len(alone[fit.pair.key()].steps)
