"""Tests of letters, codes and embeddings."""

import copy
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pyprobound import _translation
from pyprobound.alphabets import (
    DNA,
    RNA,
    Alphabet,
    Codon,
    Protein,
    UnknownLetterError,
)

METHYLATED = Alphabet("ACGTmg", complement=True, encoding={"N": "ACGT", "Y": "CTm"})
GREEK = Alphabet("αβγδ")  # cannot be bytes
# More combinations of characters than a lookup table may have.
CODED = Alphabet([f"{chr(i)}ab~" for i in range(33, 127)], monomer_length=4)
ALPHABETS = [DNA(), RNA(), Protein(), METHYLATED, Alphabet("ab"), Codon(), GREEK, CODED]


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: repr(a)[:20])
def test_translation_agrees_with_the_index_letter_by_letter(alphabet):
    generator = np.random.default_rng(1)
    codes = list(alphabet.get_index)
    columns = [
        [codes[i] for i in generator.integers(0, len(codes), n)]
        for n in (7, 0, 12, 3, 12)
    ]
    rows, lengths = alphabet.translate_many(["".join(column) for column in columns])
    assert rows.shape == (5, 12)
    assert lengths.tolist() == [7, 0, 12, 3, 12]
    for row, column in zip(rows, columns, strict=True):
        wanted = [alphabet.get_index[code] for code in column]
        assert row.tolist() == wanted + [alphabet.neginf_pad] * (12 - len(column))
        single = alphabet.translate("".join(column))
        assert single.tolist() == wanted
        assert single.dtype == alphabet.code_dtype
        assert single.numpy().dtype == rows.dtype


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("ACGTRYN*- ", max_size=12), max_size=20), st.integers(1, 5))
def test_blocks_do_not_change_the_translation(sequences, rows):
    dna = DNA()
    whole, lengths = dna.translate_many(sequences)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_translation, "_BLOCK_ROWS", rows)
        blocks, block_lengths = dna.translate_many(sequences)
    np.testing.assert_array_equal(blocks, whole)
    np.testing.assert_array_equal(block_lengths, lengths)
    assert whole.shape == (len(sequences), max(map(len, sequences), default=0))


@pytest.mark.parametrize(
    "column",
    [
        pd.Index(["ACG", "TT"]),
        pd.Index(["ACG", "TT"], dtype=object),
        np.array(["ACG", "TT"]),
        ("ACG", "TT"),
    ],
    ids=lambda column: type(column).__name__,
)
def test_columns_of_any_kind_are_translated(column):
    codes, lengths = DNA().translate_many(column, pad=5)
    assert codes.tolist() == [[0, 1, 2], [3, 3, 5]]
    assert codes.dtype == np.int8
    assert lengths.tolist() == [3, 2]


def test_empty_text_is_translated_into_nothing():
    assert DNA().translate("").shape == (0,)
    codes, lengths = DNA().translate_many([])
    assert codes.shape == (0, 0)
    assert lengths.shape == (0,)


@pytest.mark.parametrize(
    ("alphabet", "text", "letter", "position", "advice"),
    [
        (DNA(), "ACXG", "X", 2, ""),
        (DNA(), "acgt", "a", 0, "upper case"),
        (Alphabet("acgt"), "aC", "C", 1, "lower case"),
        (DNA(), "ACGU", "U", 3, "choose DNA or RNA"),
        (RNA(), "ACT", "T", 2, "choose DNA or RNA"),
        (DNA(), "ACé", "é", 2, ""),
        (GREEK, "βδc", "c", 2, ""),
        (Codon(), "ACGXYZ", "XYZ", 1, ""),
    ],
)
def test_unknown_letters_are_named_with_their_place(
    alphabet, text, letter, position, advice
):
    good = alphabet.alphabet[0]
    with pytest.raises(UnknownLetterError, match=f"^'{letter}' at position") as single:
        alphabet.translate(text)
    with pytest.raises(UnknownLetterError, match="sequence 2 ") as column:
        alphabet.translate_many([good, "", text, text])
    assert isinstance(single.value, KeyError)
    assert isinstance(single.value, ValueError)
    assert (single.value.letter, single.value.row) == (letter, None)
    assert single.value.position == position
    assert column.value.row == 2
    assert column.value.position == position
    assert advice in str(column.value)
    assert str(pickle.loads(pickle.dumps(column.value))) == str(column.value)


def test_rows_of_later_blocks_are_numbered_through(monkeypatch):
    monkeypatch.setattr(_translation, "_BLOCK_ROWS", 3)
    with pytest.raises(UnknownLetterError) as error:
        DNA().translate_many(["A"] * 7 + ["AJ"])
    assert (error.value.row, error.value.position) == (7, 1)


@pytest.mark.parametrize("value", [None, 3, float("nan"), b"ACG"])
def test_values_that_are_no_text_are_refused(value):
    with pytest.raises(TypeError, match=r"sequence 1 is .* not a string"):
        DNA().translate_many(["ACG", value])


def test_d13_monomers_of_several_characters_are_translated_chunk_by_chunk():
    codon = Codon()
    assert codon.translate("ACGTTT").tolist() == [6, 63]
    codes = codon.translate("   ***---NNN").tolist()
    assert codes == [codon.neginf_pad, codon.wildcard_pad, codon.zero_pad, 65]
    pairs = Alphabet(["AA", "AB", "BA"], monomer_length=2, encoding={"A?": "AAAB"})
    assert pairs.translate("ABA?BA").tolist() == [1, 6, 2]
    with pytest.raises(ValueError, match=r"sequence has 4 characters.*multiple of 3"):
        codon.translate("ACGT")
    with pytest.raises(ValueError, match="sequence 1 has 5 characters"):
        codon.translate_many(["ACG", "ACGTT"])


def test_d13_codons_may_mix_plain_and_degenerate_letters():
    codon = Codon()
    assert codon.get_encoding["ANN"] == tuple(range(16))
    assert codon.get_encoding["TTY"] == (61, 63)
    embedded = codon.embed(codon.translate("TTY")[None])[0, :, 0]
    assert embedded[[61, 63]].tolist() == [0.5, 0.5]
    assert embedded.sum() == 1
    # The rows of triplets of degenerate letters alone come first.
    assert codon.encoding[67] == "MMM"
    assert codon.encoding[67 + 11**3 - 1] == "NNN"
    assert len(codon.encoding) == 64 + 3 + 15**3 - 4**3


def test_d14_codons_can_be_built_and_their_pairs_embedded():
    codon = Codon()
    pairs = codon.pairwise_embed(codon.translate("AAAAACNNN")[None], 1)
    assert pairs.shape == (1, 64**2, 2)
    assert pairs[0, :, 0].nonzero().tolist() == [[1]]
    assert pairs[0, :, 1].sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="use pairwise_embed"):
        _ = codon.pairwise_embedding


@pytest.mark.parametrize(
    ("alphabet", "codes"),
    [
        (DNA(), dict(zip("MRWSYKVHDB", range(7, 17), strict=True)) | {"N": 5}),
        (RNA(), dict(zip("MRWSYKVHDB", range(7, 17), strict=True)) | {"N": 5}),
        (Protein(), {"B": 23, "Z": 24, "J": 25, "X": 21}),
    ],
    ids=["DNA", "RNA", "protein"],
)
def test_degenerate_codes_have_their_indices(alphabet, codes):
    n = len(alphabet.alphabet)
    specials = {" ": n, "*": n + 1, "-": n + 2}
    letters = {letter: i for i, letter in enumerate(alphabet.alphabet)}
    assert alphabet.get_index == letters | specials | codes
    assert (alphabet.neginf_pad, alphabet.wildcard_pad, alphabet.zero_pad) == (
        n,
        n + 1,
        n + 2,
    )
    assert alphabet.embedding.weight.shape == (len(codes) + n + 3, n)
    assert not alphabet.embedding.weight.requires_grad


def test_meanings_of_codes():
    dna = DNA()
    assert dna.get_encoding["R"] == (0, 2)
    assert dna.get_encoding[" "] == (4,)
    assert dna.get_encoding["N"] == dna.get_encoding["*"] == (0, 1, 2, 3)
    assert dna.get_encoding["-"] == ()
    assert dna.get_inv_encoding[0, 1, 2, 3] == "*"
    assert RNA().get_encoding["K"] == (2, 3)
    assert Protein().get_encoding["J"] == (7, 9)
    assert METHYLATED.get_encoding["Y"] == (1, 3, 4)


@pytest.mark.parametrize("alphabet", [DNA(), METHYLATED], ids=["DNA", "methylated"])
@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64])
def test_embeddings_spread_codes_over_their_letters(alphabet, dtype):
    text = "".join(code for code in alphabet.encoding if code != " ")
    seqs = alphabet.translate(text)[None].to(dtype)
    one_hot = alphabet.embed(seqs)
    n = len(alphabet.alphabet)
    assert one_hot.shape == (1, n, len(text))
    for i, code in enumerate(text):
        letters = alphabet.get_encoding[code]
        wanted = [1 / len(letters) if j in letters else 0 for j in range(n)]
        assert one_hot[0, :, i].tolist() == pytest.approx(wanted)
    for dist in (1, 2):
        pairs = alphabet.pairwise_embed(seqs, dist)
        wanted = torch.einsum(
            "nal,nbl->nabl", one_hot[..., :-dist], one_hot[..., dist:]
        )
        torch.testing.assert_close(pairs, wanted.flatten(1, 2))


def test_pairs_closer_than_neighbours_are_refused():
    with pytest.raises(ValueError, match="dist is 0"):
        DNA().pairwise_embed(DNA().translate("ACG")[None], 0)


def test_pairs_farther_apart_than_the_row_is_long_do_not_exist():
    assert DNA().pairwise_embed(DNA().translate("ACG")[None], 4).shape == (1, 16, 0)


def test_missing_letters_are_not_finite():
    dna = DNA()
    seqs = dna.translate("A C")[None]
    assert dna.embed(seqs)[0, :, 1].tolist() == [-float("inf")] * 4
    assert not dna.pairwise_embed(seqs, 1).isfinite().any(dim=1).all()


def test_the_table_of_pairs_holds_the_outer_products():
    dna = DNA()
    rows = dna.translate("ACGRN*-")
    index = rows[:-1].long() * 18 + rows[1:].long()
    torch.testing.assert_close(
        dna.pairwise_embedding(index).T, dna.pairwise_embed(rows[None], 1)[0]
    )


def test_embeddings_in_float64_are_exact_there():
    protein = Protein()
    seqs = protein.translate("*B")[None]
    one_hot = protein.embed(seqs, dtype=torch.float64)
    assert one_hot.dtype == torch.float64
    assert one_hot[0, 0, 0].item() == 1 / 20
    pairs = protein.pairwise_embed(seqs, 1, dtype=torch.float64)
    assert pairs[0].max().item() == 1 / 40


def test_tables_first_used_in_inference_mode_serve_training():
    dna = DNA()
    with torch.inference_mode():
        dna.embed(dna.translate("ACG")[None])
    weight = torch.ones(4, 1, requires_grad=True)
    loss = (dna.embed(dna.translate("ACG")[None]) * weight).sum()
    assert torch.autograd.grad(loss, weight)[0].flatten().tolist() == [1, 1, 1, 0]


def test_code_types_are_the_smallest_that_fit():
    assert DNA().code_dtype == torch.int8
    assert Protein().code_dtype == torch.int8
    assert Codon().code_dtype == torch.int16
    assert _translation.smallest_code_type(127) == np.int8
    assert _translation.smallest_code_type(128) == np.int16
    assert _translation.smallest_code_type(40_000) == np.int32
    assert _translation.smallest_code_type(1 << 40) == np.int64


def test_reversed_dna_is_its_complement():
    dna = DNA()
    complement = dict(zip("ACGT", "TGCA", strict=True))
    for i, letter in enumerate(dna.alphabet):
        assert dna.alphabet[len(dna.alphabet) - 1 - i] == complement[letter]


def test_letters_come_in_order_without_repeats():
    assert Alphabet("ACCGTAT").alphabet == ("A", "C", "G", "T")
    assert Alphabet(letter for letter in "xyx").alphabet == ("x", "y")


def test_a_single_letter_is_its_own_wildcard():
    only = Alphabet("A")
    assert only.get_index["*"] == only.wildcard_pad == 0
    assert only.zero_pad == 3
    assert only.embed(only.translate("A*-")[None]).tolist() == [[[1, 1, 0]]]


def test_definitions_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="at least one letter"):
        Alphabet("")
    with pytest.raises(ValueError, match="monomer_length is 0"):
        Alphabet("AC", monomer_length=0)
    with pytest.raises(ValueError, match="'AB' has 2 characters"):
        Alphabet(["AB", "C"])
    with pytest.raises(ValueError, match="'A' is defined twice"):
        Alphabet("ACGT", encoding={"A": "CG"})
    with pytest.raises(ValueError, match="'-' is defined twice"):
        Alphabet("AC-")
    with pytest.raises(KeyError, match="'Y' stands for 'U'"):
        Alphabet("ACGT", encoding={"Y": "CU"})
    with pytest.raises(KeyError, match=r"stands for '\*'"):
        Alphabet("ACGT", encoding={"Y": "C*"})


def test_a_code_may_repeat_what_is_known():
    same = Alphabet("ACGT", encoding={"*": "ACGT"})
    assert same.get_index["*"] == 5


def test_alphabets_are_compared_by_definition():
    assert DNA() == DNA()
    assert hash(DNA()) == hash(DNA())
    assert Codon() == Codon()
    assert DNA() != RNA()
    assert Alphabet("ACGT") != Alphabet("ACGT", complement=True)
    assert Alphabet("ACGT") != Alphabet("ACTG")
    assert Alphabet("AC", color_scheme="classic") == Alphabet("AC")
    assert Alphabet("AC") != Alphabet("AC", encoding={"Y": "C"})
    assert DNA() != "DNA"
    assert len({DNA(), DNA(), RNA()}) == 2


@pytest.mark.parametrize("alphabet", ALPHABETS, ids=lambda a: repr(a)[:20])
def test_copies_and_pickles_are_equal(alphabet):
    alphabet.embed(torch.zeros(1, 1, dtype=torch.int8))
    assert copy.copy(alphabet) is alphabet
    assert copy.deepcopy(alphabet) is alphabet
    loaded = pickle.loads(pickle.dumps(alphabet))
    assert loaded == alphabet
    assert hash(loaded) == hash(alphabet)
    text = alphabet.alphabet[0] * 2
    assert loaded.translate(text).tolist() == alphabet.translate(text).tolist()


def test_representations():
    assert repr(DNA()) == "DNA()"
    assert repr(Codon()) == "Codon()"
    assert repr(Alphabet("AB")) == "Alphabet(('A', 'B'))"


def test_codons_are_listed_in_product_order():
    assert list(Codon().alphabet) == [
        "".join(letters) for letters in itertools.product("ACGT", repeat=3)
    ]
    assert not Codon().complement
