"""The position-specific affinity matrix."""

import copy
import io
import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import CountTable, Mode
from pyprobound.alphabets import DNA, RNA
from pyprobound.layers import PSAM, Conv1d

DNA_ALPHABET = DNA()


def make_table(n=20, length=12, seed=0, **kwargs):
    generator = np.random.default_rng(seed)
    seqs = ["".join(generator.choice(list("ACGT"), length)) for _ in range(n)]
    counts = generator.integers(1, 9, (n, 2))
    return CountTable(pd.DataFrame(counts, index=seqs), DNA_ALPHABET, **kwargs)


def randomised(psam, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in psam.parameters():
            value.copy_(torch.randn(value.shape, generator=generator))
    return psam


def psam(kernel_size=4, **kwargs):
    return PSAM(kernel_size=kernel_size, alphabet=DNA_ALPHABET, **kwargs)


# --- values -----------------------------------------------------------------------


def test_new_letters_are_uniform_and_new_pairs_zero():
    torch.manual_seed(3)
    motif = psam(100, pairwise_distance=1)
    bound = math.sqrt(1 / 400)
    values = motif.get_filter(0).detach()
    assert values.abs().max() <= bound
    assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.1)
    assert not motif.get_filter(1).any()


def test_the_second_strand_is_the_reverse_complement():
    motif = randomised(psam(pairwise_distance=2, out_channels=4))
    letters = motif.get_filter(0)
    assert torch.equal(letters[3], letters[0].flip(0, 1))
    assert torch.equal(letters[2], letters[1].flip(0, 1))
    pairs = motif.get_filter(2)
    for channel in (0, 1):
        mirrored = pairs[channel].flip(0, 1, 2).transpose(0, 1)
        assert torch.equal(pairs[3 - channel], mirrored)


def test_single_stranded_alphabets_have_one_channel():
    motif = PSAM(kernel_size=3, alphabet=RNA())
    assert motif.n_strands == motif.out_channels == 1
    assert motif.get_filter(0).shape == (1, 4, 3)


def test_normalised_positions_have_mean_zero():
    motif = randomised(psam(normalize=True, out_channels=4, pairwise_distance=1))
    assert motif.get_filter(0)[:2].mean((0, 1)).abs().max() < 1e-6
    assert motif.get_filter(1)[:2].mean((0, 1, 2)).abs().max() < 1e-6


@pytest.mark.parametrize("distance", [-1, 2])
def test_there_is_no_filter_beyond_the_pairwise_distance(distance):
    with pytest.raises(ValueError, match="between 0 and 1"):
        psam(pairwise_distance=1).get_filter(distance)


def test_a_value_can_be_reached_by_its_name_in_version_1_5():
    motif = randomised(psam(pairwise_distance=1))
    assert motif.betas["2-3"] == motif.get_filter(0)[0, 3, 1]
    assert motif.betas["2-3-6"] == motif.get_filter(1)[0, 1, 2, 1]
    motif.betas["2-3"].fill_(7.0)
    assert motif.get_filter(0)[0, 3, 1] == 7.0
    with pytest.raises(KeyError):
        motif.betas["9-1"]


def test_d30_parameters_stand_in_the_order_of_their_features():
    motif = psam(3, pairwise_distance=2)
    expected = ["1", "2", "3", "1:2@1", "2:3@1", "1:3@2"]
    assert list(motif.betas.keys()) == expected
    motif.update_footprint(left_shift=1)
    assert list(motif.betas.keys())[:4] == ["4", "1", "2", "3"]
    names = [name for name in motif.state_dict() if name.startswith("betas.")]
    assert names == [f"betas.{key}" for key in motif.betas]


def test_d31_values_that_are_not_trained_are_never_trainable():
    motif = psam(train_betas=False, pairwise_distance=1)
    assert not any(value.requires_grad for value in motif.betas.values())
    motif.unfreeze("all")
    assert not any(value.requires_grad for value in motif.betas.values())


def test_d32_information_is_finite_when_a_share_underflows():
    motif = psam(2)
    with torch.no_grad():
        motif.betas["1"].copy_(torch.tensor([[0.0, -2000.0, -2000.0, -2000.0]]))
    assert motif.get_information(0) == pytest.approx(2.0)


def test_information_of_an_even_position_is_zero():
    motif = psam(seed=["NACG"])
    assert motif.get_information(0) == pytest.approx(0.0, abs=1e-9)
    assert motif.get_information(1) > 0.01
    assert motif.get_information(-1) == motif.get_information(3)


def test_the_prior_density_counts_every_class_once():
    motif = randomised(psam(3, symmetry=[1, 2, 1]))
    expected = sum(
        torch.log_softmax(motif.betas[key].flatten(), 0).sum() for key in ("1", "2")
    )
    assert torch.allclose(motif.get_dirichlet(), expected)


# --- seeds ------------------------------------------------------------------------


def test_seeded_letters_are_preferred_with_the_variance_of_random_values():
    motif = psam(seed=["ACRN"], seed_scale=2)
    letters = motif.get_filter(0)[0].detach()
    assert letters[:, 0].argmax() == 0
    assert letters[:, 1].argmax() == 1
    assert letters[0, 2] == letters[2, 2] > letters[1, 2] == letters[3, 2]
    assert not letters[:, 3].any()
    expected = 4 / (3 * 4 * 4)
    assert letters[:, 0].pow(2).mean() == pytest.approx(expected)
    assert letters[:, 2].pow(2).mean() == pytest.approx(expected)


@pytest.mark.parametrize(
    "options",
    [{"seed": ["ACG"]}, {"seed": ["ACGT", "ACGT"]}],
)
def test_seeds_that_do_not_fit_are_refused(options):
    with pytest.raises(ValueError, match="seed"):
        psam(**options)


def test_a_seed_needs_an_alphabet():
    with pytest.raises(ValueError, match="alphabet"):
        PSAM(kernel_size=2, in_channels=4, seed=["AC"])


# --- training ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "trained"),
    [("monomer", {1}), ("pairwise", {2}), ("all", {1, 2})],
)
def test_kinds_of_values_are_unfrozen_on_their_own(word, trained):
    motif = psam(pairwise_distance=1, train_bias=True)
    motif.freeze()
    motif.unfreeze(word)
    assert motif.bias.requires_grad
    for key, part in motif.betas.classes.items():
        assert motif.betas[key].requires_grad == (len(part.ids) in trained)


def test_unknown_words_are_refused_and_the_known_ones_named():
    with pytest.raises(ValueError, match="'all', 'monomer', 'pairwise'"):
        psam().unfreeze("posbias")


def test_frozen_values_stay_when_the_rest_of_their_tensor_is_trained():
    motif = psam(2, frozen_parameters={"1-0", "2-0", "2-1", "2-2", "2-3"})
    assert not motif.betas["2"].requires_grad
    motif.unfreeze("all")
    assert not motif.betas["2"].requires_grad
    motif.get_filter(0).sum().backward()
    assert motif.betas["1"].grad[0].tolist() == [0.0, 2.0, 2.0, 2.0]


def test_frozen_positions_name_every_value_of_a_position():
    names = PSAM.frozen_positions([1], [1, 2], 1, 4)
    assert {"1-0", "1-3", "1-2-0", "1-2-15", "1-1-15", "1-4-15"} <= names
    assert not any(name.startswith("2-") for name in names)
    motif = psam(2, pairwise_distance=1, frozen_parameters=names)
    trainable = {key for key, value in motif.betas.items() if value.requires_grad}
    assert trainable == {"2"}


def test_an_indel_motif_shares_the_parameters_of_common_positions():
    motif = randomised(psam(4, pairwise_distance=1))
    shorter = motif.make_indel_psam([1, 2, 4])
    assert shorter.betas["1"] is motif.betas["1"]
    assert shorter.betas["1:2@1"] is motif.betas["1:2@1"]
    assert "2:4@1" in shorter.betas
    assert not shorter.bias.any()
    assert motif.make_indel_psam(name="other").name == "other"


def test_reloading_keeps_tied_parameters_tied():
    motif = psam(3)
    longer = motif.make_indel_psam([1, 2, 3, 3])
    longer.reload_from_state_dict(
        randomised(psam(4, symmetry=[1, 2, 3, 3])).state_dict()
    )
    assert longer.betas["1"] is motif.betas["1"]


# --- gauge ------------------------------------------------------------------------


@given(
    left=st.integers(0, 2),
    distance=st.integers(0, 3),
    motifs=st.integers(1, 2),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=25)
def test_d33_fixing_the_gauge_keeps_scores_whatever_the_order_of_ids(
    left, distance, motifs, seed
):
    table = make_table(length=9)
    motif = psam(4, pairwise_distance=distance, out_channels=2 * motifs)
    layer = Conv1d.from_psam(motif, table)
    motif.update_footprint(left_shift=left)
    randomised(motif, seed).double()
    before = layer(table.seqs)
    motif.fix_gauge()
    assert torch.allclose(layer(table.seqs), before, atol=1e-9)
    for dist in range(distance + 1):
        values = motif.get_filter(dist)
        for axis in range(1, (dist > 0 and 3) or 2):
            assert values.mean(axis).abs().max() < 1e-9


def test_fixing_the_gauge_of_repeated_letters_keeps_scores():
    table = make_table()
    motif = randomised(psam(6, symmetry=[1, 2, 3, -3, -2, -1]).double())
    layer = Conv1d.from_psam(motif, table)
    before = layer(table.seqs)
    motif.fix_gauge()
    assert torch.allclose(layer(table.seqs), before, atol=1e-9)


def test_d33_a_gauge_that_would_change_scores_is_refused():
    motif = psam(4, symmetry=[1, 2, -2, -1], pairwise_distance=1)
    with pytest.raises(ValueError, match="distinct and positive"):
        motif.fix_gauge()


# --- footprint --------------------------------------------------------------------


def test_growing_keeps_values_and_adds_new_ids_outside():
    motif = randomised(psam(3, pairwise_distance=1))
    before = motif.get_filter(0)[0]
    added, removed = motif.update_footprint(left_shift=1, right_shift=2)
    assert motif.symmetry.tolist() == [4, 1, 2, 3, 5, 6]
    assert torch.equal(motif.get_filter(0)[0][:, 1:4], before)
    assert len(added) == 6
    assert not removed
    assert not motif.betas["4:1@1"].requires_grad


def test_new_ids_never_meet_old_complements():
    motif = psam(2, symmetry=[1, -3])
    motif.update_footprint(right_shift=1)
    assert motif.symmetry.tolist() == [1, -3, 4]


def test_shrinking_drops_values_that_nothing_uses():
    motif = psam(4, symmetry=[1, 2, 3, 1])
    added, removed = motif.update_footprint(left_shift=-1)
    assert not added
    assert not removed
    _, removed = motif.update_footprint(right_shift=-1)
    assert len(removed) == 1


@pytest.mark.parametrize(
    ("shift", "message"),
    [((-2, -1), "cannot lose 3"), ((-4, 0), "cannot lose 4"), ((2, 1), "exceed")],
)
def test_impossible_footprints_are_refused(shift, message):
    motif = psam(4, pairwise_distance=1, max_kernel_size=6)
    with pytest.raises(ValueError, match=message):
        motif.update_footprint(*shift)
    assert motif.kernel_size == 4


def test_d34_a_side_that_the_threshold_stops_does_not_count_towards_the_size():
    motif = psam(4, seed=["NACG"], seed_scale=10, max_kernel_size=5)
    motif.update_footprint(1, 1, check_threshold=True)
    assert motif.symmetry.tolist() == [1, 2, 3, 4, 5]


def test_a_threshold_that_stops_both_sides_is_an_error():
    motif = psam(4, seed=["NNNN"])
    with pytest.raises(ValueError, match="threshold"):
        motif.update_footprint(1, 1, check_threshold=True)


def test_a_refused_footprint_changes_nothing():
    table = make_table(length=5)
    motif = psam(4)
    mode = Mode.from_psam(motif, table, train_posbias=True)
    with pytest.raises(ValueError, match="no output"):
        motif.update_footprint(1, 1)
    assert motif.kernel_size == 4
    assert mode.layers[0].log_posbias.shape == (1, 2, 2)
    mode.check_length_consistency()


def test_the_heuristic_centres_the_information():
    motif = psam(6, seed=["NNNNAC"], seed_scale=8)
    motif.shift_heuristic()
    assert motif.symmetry.tolist()[:4] == [3, 4, 5, 6]
    assert psam(3, seed=["NNN"]).shift_heuristic() == ((), ())


# --- states -----------------------------------------------------------------------


@given(
    size=st.integers(1, 5),
    distance=st.integers(0, 3),
    grown=st.booleans(),
    motifs=st.integers(1, 2),
)
@settings(deadline=None, max_examples=25)
def test_both_checkpoint_formats_give_the_same_motif_back(
    size, distance, grown, motifs
):
    options = {
        "pairwise_distance": min(distance, size - 1),
        "out_channels": 2 * motifs,
    }
    motif = psam(size, **options)
    if grown:
        motif.update_footprint(left_shift=1)
    randomised(motif)
    for layout in ("packed", "1.5"):
        buffer = io.BytesIO()
        motif.save(buffer, format=layout)
        buffer.seek(0)
        other = psam(size, **options)
        other.reload(buffer, strict=True)
        for dist in range(other.pairwise_distance + 1):
            assert torch.equal(other.get_filter(dist), motif.get_filter(dist))
        assert torch.equal(other.bias, motif.bias)


def test_the_format_1_5_holds_one_tensor_for_each_value():
    buffer = io.BytesIO()
    psam(2, pairwise_distance=1).save(buffer, format="1.5")
    buffer.seek(0)
    content = torch.load(buffer, weights_only=True)
    names = list(content["state_dict"])
    assert content["metadata"]["version"] == "1.5.0"
    assert names[:4] == ["bias", "symmetry", "betas.1-0", "betas.1-1"]
    assert names[-1] == "betas.1-2-15"
    assert content["state_dict"]["betas.1-0"].ndim == 0


def test_d29_an_old_checkpoint_that_ties_other_pairs_is_refused():
    options = {"symmetry": [1, 2, -2, -1], "pairwise_distance": 1}
    buffer = io.BytesIO()
    psam(4, **options, pair_symmetry="1.5").save(buffer, format="1.5")
    buffer.seek(0)
    with pytest.raises(ValueError, match=r"pair_symmetry='1\.5'"):
        psam(4, **options).reload(buffer)
    with pytest.raises(ValueError, match=r"pair_symmetry='1\.5'"):
        psam(4, **options).save(io.BytesIO(), format="1.5")


def test_a_palindrome_with_pairs_is_read_back():
    options = {"symmetry": [1, 2, -2, -1], "pairwise_distance": 3}
    motif = randomised(psam(4, **options))
    other = psam(4, **options)
    other.reload_from_state_dict(motif.state_dict(), strict=True)
    for distance in range(4):
        assert torch.equal(other.get_filter(distance), motif.get_filter(distance))


def test_a_checkpoint_of_more_letters_is_refused():
    state = psam(2).state_dict()
    state = {k: v for k, v in state.items() if not k.startswith("betas.")}
    state["betas.1-0"] = torch.tensor(1.0)
    with pytest.raises(ValueError, match=r"betas\.1-1"):
        psam(2).reload_from_state_dict(state)


def test_copies_are_independent():
    table = make_table()
    motif = psam()
    mode = Mode.from_psam(motif, table)
    other = copy.deepcopy(mode)
    copied = other.layers[0].layer_spec
    copied.update_footprint(left_shift=1)
    assert motif.kernel_size == 4
    assert len(motif._layers) == 1
    assert list(copied._layers) == [other.layers[0]]
    assert list(other.layers[0]._modes) == [other]


def test_a_motif_describes_itself():
    assert "kernel_size=4" in repr(psam())
    assert str(psam(name="ctcf")) == "PSAM-ctcf"
    with pytest.raises(NotImplementedError):
        psam()()
