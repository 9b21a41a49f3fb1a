"""Tests of the readers and writers of motif files."""

import gzip
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyprobound.errors import InputError
from pyprobound.io.motifs import (
    FORMATS,
    Motif,
    format_of_name,
    format_text,
    psam_of_motif,
    read_motifs,
    read_psams,
    to_kind,
    write_motifs,
)
from pyprobound.io.motifs.source import read_source

DNA_FORMATS = sorted(FORMATS)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.:-]{0,12}", fullmatch=True)


@st.composite
def energies(draw, letters="ACGT"):
    """A motif whose best letters have energy 0."""
    size = draw(st.integers(1, 12))
    matrix = draw(
        arrays(np.float64, (size, len(letters)), elements=st.floats(-9, 0, width=64))
    )
    matrix -= matrix.max(axis=1, keepdims=True)
    return Motif(draw(NAMES), matrix, "energies", tuple(letters))


def write(path, text):
    path.write_bytes(text.encode())
    return path


def written(tmp_path_factory, motifs, name):
    path = tmp_path_factory.mktemp("motifs") / "motifs.txt"
    write_motifs(path, motifs, name)
    return path


# --- round trips --------------------------------------------------------------------


@pytest.mark.parametrize("name", DNA_FORMATS)
@settings(deadline=None, max_examples=25)
@given(motifs=st.lists(energies(), min_size=1, max_size=3))
def test_energies_survive_every_format(tmp_path_factory, name, motifs):
    converted = [to_kind(motif, FORMATS[name].kind) for motif in motifs]
    path = written(tmp_path_factory, converted, name)
    found, again = read_motifs(path, name)
    assert found.name == name
    assert len(again) == len(motifs)
    for motif, back in zip(motifs, again, strict=True):
        if name != "cisbp" or len(motifs) > 1:
            assert back.name == motif.name
        assert back.letters == motif.letters
        recovered = to_kind(back, "energies", 0.0)
        recovered_matrix = recovered.matrix - recovered.matrix.max(1, keepdims=True)
        np.testing.assert_allclose(recovered_matrix, motif.matrix, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in DNA_FORMATS if n != "jaspar-raw"])
@settings(deadline=None, max_examples=25)
@given(motif=energies())
def test_the_format_is_recognised(tmp_path_factory, name, motif):
    # A matrix of four positions without words may be read in two ways.
    matrix = np.vstack([motif.matrix, [[0, -1, -2, -3], [0, -1, -2, -3]]])
    if len(matrix) == 4:
        matrix = matrix[:3]
    motif = Motif("x", matrix, "energies")
    path = written(tmp_path_factory, [to_kind(motif, FORMATS[name].kind)], name)
    assert read_motifs(path)[0].name == name


def test_rows_without_letters_are_recognised(tmp_path):
    path = write(tmp_path / "x", ">a b\n1 2 3\n3 2 1\n4 4 4\n2 2 2\n")
    found, (motif,) = read_motifs(path)
    assert found.name == "jaspar"
    assert motif.metadata == {"title": "b"}
    np.testing.assert_array_equal(motif.matrix[:, 0], [1, 2, 3])


@pytest.mark.parametrize(("rows", "expected"), [("rows", "jaspar-raw"), ("cols", None)])
def test_four_by_four_is_told_by_the_sums(tmp_path, rows, expected):
    matrix = np.array([[7, 1, 1, 1], [2, 4, 2, 2], [0, 0, 9, 1], [1, 8, 0, 1]])
    values = matrix.T if rows == "rows" else matrix
    lines = "\n".join(" ".join(map(str, row)) for row in values)
    found, (motif,) = read_motifs(write(tmp_path / "x", f">a\n{lines}\n"))
    assert found.name == (expected or "hocomoco-pcm")
    np.testing.assert_array_equal(motif.matrix, matrix)


def test_four_by_four_that_fits_both_ways_is_refused(tmp_path):
    path = write(tmp_path / "x", ">a\n" + "1 1 1 1\n" * 4)
    with pytest.raises(InputError, match="--from jaspar or --from hocomoco-pcm"):
        read_motifs(path)


@settings(deadline=None, max_examples=25)
@given(motif=energies(), data=st.data())
def test_psem_holds_pairs_background_and_strands(tmp_path_factory, motif, data):
    pairs = {
        distance: data.draw(
            arrays(
                np.float64,
                (len(motif) - distance, 4, 4),
                elements=st.floats(-5, 5, width=64),
            )
        )
        for distance in range(1, min(3, len(motif)))
    }
    full = Motif(
        "x",
        motif.matrix,
        "energies",
        background=(0.1, 0.2, 0.3, 0.4),
        n_sites=12.5,
        pairs=pairs,
        both_strands=False,
    )
    path = written(tmp_path_factory, [full], "psem")
    _, (again,) = read_motifs(path)
    np.testing.assert_array_equal(again.matrix, full.matrix)
    assert again.pairs.keys() == pairs.keys()
    for distance, block in pairs.items():
        np.testing.assert_array_equal(again.pairs[distance], block)
    assert again.background == full.background
    assert again.n_sites == 12.5
    assert again.both_strands is False


@pytest.mark.parametrize("letters", ["ACGU", "ACDEFGHIKLMNPQRSTVWY", "CTGmA"])
@pytest.mark.parametrize("name", ["meme", "transfac", "cisbp", "psem", "psam"])
def test_other_alphabets(tmp_path, name, letters):
    matrix = np.random.default_rng(0).normal(size=(5, len(letters)))
    matrix -= matrix.max(axis=1, keepdims=True)
    motif = Motif("x", matrix, "energies", tuple(letters))
    write_motifs(tmp_path / "x", [to_kind(motif, FORMATS[name].kind)], name)
    _, (again,) = read_motifs(tmp_path / "x")
    # MEME sorts letters.
    order = [again.letters.index(letter) for letter in letters]
    back = to_kind(again, "energies", 0.0).matrix[:, order]
    np.testing.assert_allclose(back, matrix, rtol=0, atol=1e-12)


def test_codons_only_as_psem(tmp_path):
    motif = Motif("x", np.zeros((2, 2)), "energies", ("AAA", "AAC"))
    write_motifs(tmp_path / "x", [motif], "psem")
    assert read_motifs(tmp_path / "x")[1][0].letters == ("AAA", "AAC")
    with pytest.raises(InputError, match="several characters"):
        format_text([to_kind(motif, "probabilities")], "meme")


def test_a_gzip_file_and_names_of_files(tmp_path):
    motif = Motif("x", np.full((3, 4), 0.25), "probabilities")
    write_motifs(tmp_path / "x.meme.gz", [motif], "meme")
    assert gzip.decompress((tmp_path / "x.meme.gz").read_bytes()).startswith(b"MEME")
    assert read_motifs(tmp_path / "x.meme.gz")[1][0].name == "x"
    assert format_of_name("a/b.PFM.gz") is FORMATS["jaspar-raw"]
    assert format_of_name("a/b.txt") is None


def test_psams_of_a_file(tmp_path):
    write(tmp_path / "x.pcm", ">one\n1 2 3 4\n5 5 0 0\n>two\n1 1 1 1\n")
    found = read_psams(tmp_path / "x.pcm")
    assert [name for name, _ in found] == ["one", "two"]
    assert str(found[0][1].bias.dtype) == "torch.float64"
    # sqrt(10) is added, a quarter of it to each letter.
    expected = np.log(np.array([5, 5, 0, 0]) + np.sqrt(10) / 4)
    np.testing.assert_allclose(
        found[0][1].get_filter(0)[0, :, 1].numpy(), expected - expected.max()
    )
    assert read_psams(write(tmp_path / "y", "hello\n")) is None


# --- files of others ----------------------------------------------------------------

MEME_FULL = """\
********************************************************************************
MEME - Motif discovery tool
********************************************************************************
MEME version 5.4.1 (Release date: Sat Aug 21 19:23:23 2021 -0700)

ALPHABET= ACGT
Sequence name            Weight Length  Sequence name            Weight Length
strands: + -
Letter frequencies in dataset:
A 0.3 C 0.2 G 0.2 T 0.3
Background letter frequencies (from file dataset with add-one prior applied):
A 0.300 C 0.200 G 0.200 T 0.300

********************************************************************************
MOTIF TGA MEME-1\twidth =   3  sites =  17  llr = 181  p-value = 1.0e-12  E-value = 4.1e-009
********************************************************************************
\tMotif TGA MEME-1 Description
Simplified        A  ::a
pos.-specific     C  :::
\tMotif TGA MEME-1 position-specific scoring matrix
log-odds matrix: alength= 4 w= 3 n= 590 bayes= 5.3 E= 4.1e-009
  -100   -200   -300    180
  -100   -200    180   -300
   160   -200   -300   -100
\tMotif TGA MEME-1 position-specific probability matrix
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009
 0.058824  0.058824  0.000000  0.882353
 0.000000  0.000000  1.000000  0.000000
 0.941176  0.000000  0.058824  0.000000
--------------------------------------------------------------------------------
Time  0.53 secs.
"""


def test_text_output_of_meme(tmp_path):
    found, (motif,) = read_motifs(write(tmp_path / "meme.txt", MEME_FULL))
    assert found.name == "meme"
    assert motif.name == "TGA"
    assert motif.metadata == {"title": "MEME-1", "evalue": "4.1e-009"}
    assert motif.n_sites == 17
    assert motif.background == (0.3, 0.2, 0.2, 0.3)
    assert motif.both_strands is True
    assert motif.consensus == "TGA"


def test_meme_alphabet_of_ones_own_and_url(tmp_path):
    text = (
        'MEME version 5\n\nALPHABET "Mine" DNA-LIKE\n'
        'A "Adenine" CC0000 ~ T "Thymine" 008000\n'
        'C "Cytosine" 0000CC ~ G "Guanine" FFB300\n'
        'm "5-Methylcytosine" ~ 1\nN = ACGT\nEND ALPHABET\n\n'
        "MOTIF x the title\nletter-probability matrix: alength= 6 w= 1\n"
        "0.1 0.2 0.3 0.1 0.2 0.1\nURL http://a.b/c\n"
    )
    _, (motif,) = read_motifs(write(tmp_path / "x", text))
    assert motif.letters == ("A", "C", "G", "T", "m", "1")
    assert motif.metadata == {"title": "the title", "url": "http://a.b/c"}
    assert "URL http://a.b/c" in format_text([motif], "meme")


def test_transfac_record(tmp_path):
    text = (
        "VV  TRANSFAC MATRIX TABLE\nXX\n//\nAC  M00001\nXX\nID  V$MYOD_01\nXX\n"
        "NA  MyoD\nXX\nBF  T00526; MyoD\nBF  T00519; other\nXX\n"
        "PO      A      C      G      T\n01      1      2      2      0      S\n"
        "02      2      1      2      0      R\nXX\nBA  5 elements\nXX\n//\n"
    )
    found, (motif,) = read_motifs(write(tmp_path / "x", text))
    assert (found.name, motif.name, motif.kind) == ("transfac", "V$MYOD_01", "counts")
    assert motif.metadata == {
        "accession": "M00001",
        "title": "MyoD",
        "factors": "T00526; MyoD T00519; other",
    }
    np.testing.assert_array_equal(motif.matrix, [[1, 2, 2, 0], [2, 1, 2, 0]])
    again = read_motifs(write(tmp_path / "y", format_text([motif], "transfac")))[1][0]
    assert again.metadata == motif.metadata


def test_homer_header(tmp_path):
    text = (
        ">TGA\tAP-1/x\t6.5\t-10.2\t0\tT:1.0(1%)\n0.1\t0.1\t0.1\t0.7\n"
        "0.1\t0.1\t0.7\t0.1\n0.7\t0.1\t0.1\t0.1\n"
    )
    found, (motif,) = read_motifs(write(tmp_path / "x", text))
    assert (found.name, motif.name) == ("homer", "AP-1/x")
    assert motif.metadata == {
        "consensus": "TGA",
        "threshold": "6.5",
        "statistics": "-10.2\t0\tT:1.0(1%)",
    }
    assert format_text([motif], "homer") == text


def test_cisbp_with_facts(tmp_path):
    text = (
        "TF\tunknown\nTF Name\tHey\nMotif\tM0001_1.02\n"
        "Pos\tA\tC\tG\tU\n1\t.1\t.2\t.3\t.4\n2\t.4\t.3\t.2\t.1\n"
        "TF Name\tHo\nMotif\tM0002_1.02\nPos\tA\tC\tG\tU\n1\t1\t0\t0\t0\n"
    )
    found, motifs = read_motifs(write(tmp_path / "x", text))
    assert found.name == "cisbp"
    assert [m.name for m in motifs] == ["M0001_1.02", "M0002_1.02"]
    assert motifs[0].letters == ("A", "C", "G", "U")
    assert motifs[0].metadata["title"] == "Hey"


def test_uniprobe_and_bare_matrices(tmp_path):
    text = "Gene: X\tMotif: Y\nA:\t.1\t.2\nT:\t.4\t.3\nC:\t.2\t.3\nG:\t.3\t.2\n"
    _, (motif,) = read_motifs(write(tmp_path / "x.txt", text))
    np.testing.assert_array_equal(motif.matrix[0], [0.1, 0.2, 0.3, 0.4])
    _, (bare,) = read_motifs(
        write(tmp_path / "stem.txt", "1,2,3\n1,2,3\n2,0,0\n2,2,0\n")
    )
    assert (bare.name, bare.kind, len(bare)) == ("stem", "counts", 3)
    _, (rows,) = read_motifs(write(tmp_path / "y.txt", ".1 .2 .3 .4\n" * 5))
    assert (rows.kind, len(rows)) == ("probabilities", 5)


def test_line_ends_of_macintosh_and_windows(tmp_path):
    text = ">a\n1 2 3 4\n4 3 2 1\n"
    for end in ("\r", "\r\n"):
        path = write(tmp_path / "x.pcm", text.replace("\n", end))
        assert len(read_motifs(path)[1][0]) == 2
        assert read_source(path).lines[-1].number == 3


def test_psem_sign(tmp_path):
    rows = ">a\nposition A C G T\n1 0 1 2 3\n"
    text = "# PSEM\n# unit: {}\n" + rows
    for unit, sign in (("ddG/RT", -1), ("-ddG/RT", 1)):
        _, (motif,) = read_motifs(write(tmp_path / "x", text.format(unit)))
        np.testing.assert_array_equal(motif.matrix, [[0, sign, 2 * sign, 3 * sign]])


# --- biopython ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("meme", "minimal"),
        ("jaspar", "jaspar"),
        ("transfac", "transfac"),
        ("cisbp", "pfm-four-columns"),
    ],
)
def test_biopython_reads_the_same(tmp_path, name, other):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        motifs = pytest.importorskip("Bio.motifs")
    matrix = np.random.default_rng(1).dirichlet(np.ones(4), size=7)
    # It rounds the probabilities of MEME to counts of whole sites.
    motif = Motif("x", matrix, "probabilities", n_sites=1e7)
    write_motifs(tmp_path / "x", [to_kind(motif, FORMATS[name].kind)], name)
    with (tmp_path / "x").open() as file:
        (found,) = motifs.parse(file, other)
    counts = np.array([found.counts[letter] for letter in "ACGT"]).T
    shares = counts / counts.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, matrix, atol=1e-6 if name == "meme" else 1e-12)


# --- bad files ----------------------------------------------------------------------

HEAD = "MEME version 4\n\nMOTIF a\nletter-probability matrix: alength= 4 w= 2"
RECORD = "ID  a\nP0  A C G T\n01  1 2 3 4\n"
BAD = {
    "empty": ("x.meme", "", None, "is empty"),
    "blank": ("x.meme", "\n \n", None, "nothing but blank lines"),
    "unknown": ("x", "hello\n", 1, "no known format"),
    "binary": ("x", "a\0b", 1, "binary data"),
    "mixed ends": ("x.pcm", ">a\r\n1 2 3 4\n", 2, "line ends are mixed"),
    "mixed CR": ("x.pcm", ">a\n1 2 3 4\r5 6 7 8\n", 2, "line ends are mixed"),
    "one long line": ("x", "A" * 10_000_000, 1, "longer than"),
    "meme sum": ("x", f"{HEAD}\n.1 .2 .3 .4\n.1 .2 .3 .9\n", 6, "sum to 1.5, not 1"),
    "meme rows": ("x", f"{HEAD}\n.1 .2 .3 .4\n", 5, "expected 2 rows"),
    "meme more": ("x", f"{HEAD}\n" + ".1 .2 .3 .4\n" * 3, 7, "more rows than w= 2"),
    "meme columns": ("x", f"{HEAD}\n.1 .2 .7\n.1 .2 .7\n", 5, "expected 4 numbers"),
    "meme words": ("x", f"{HEAD}\n.1 .2 .3 .4\n.1 a .3 .4\n", 6, "found 'a'"),
    "meme nan": ("x", f"{HEAD}\n.1 .2 .3 .4\n.1 nan .3 .4\n", 6, "finite number"),
    "meme no matrix": ("x", "MEME version 4\nMOTIF a\n", 2, "no letter-probability"),
    "meme no motif": ("x", "MEME version 4\n", 1, "holds no motif"),
    "meme width": ("x", HEAD.replace("w= 2", "w= x") + "\n.1\n", 4, "w= 'x'"),
    "meme letters": ("x", HEAD.replace("h= 4", "h= 5") + "\n.1\n", 4, "has 4 letters"),
    "meme stray": (
        "x",
        "MEME version 4\nletter-probability matrix:\n",
        2,
        "no line MOTIF",
    ),
    "meme alphabet": ("x", 'MEME version 4\nALPHABET "a"\nA\n', 2, "END ALPHABET"),
    "meme background": (
        "x",
        "MEME version 4\nBackground letter frequencies\nA .5 C .5 G .5 T .5\n",
        2,
        "sum to 1, not to 2",
    ),
    "meme background letter": (
        "x",
        "MEME version 4\nBackground letter frequencies\nA .5 C .5\n",
        2,
        "of G is missing",
    ),
    "jaspar bracket": ("x", ">a\nA [1 2]\nC [1 2\n", 3, "lacks its ']'"),
    "jaspar rows": ("x", ">a\nA [1 2]\nC [1 2]\n", 3, "found 2"),
    "jaspar letters": (
        "x",
        ">a\nA [1 2]\nC [1 2]\nG [1 2]\nG [1 2]\n",
        2,
        "expected a row for each",
    ),
    "jaspar ragged": (
        "x",
        ">a\nA [1 2]\nC [1 2]\nG [1 2]\nT [1]\n",
        5,
        "rows have 2 and 1 numbers",
    ),
    "jaspar negative": (
        "x",
        ">a\nA [-1 2]\nC [1 2]\nG [1 2]\nT [1 2]\n",
        1,
        "negative value -1",
    ),
    "jaspar nothing": (
        "x",
        ">a\nA [0 2]\nC [0 2]\nG [0 2]\nT [0 2]\n",
        1,
        "position 1 has no counts",
    ),
    "no name": ("x", ">\nA [1]\nC [1]\nG [1]\nT [1]\n", 1, "has no name"),
    "no rows": ("x.pcm", ">a\n1 2 3 4\n>b\n", 3, "has no rows"),
    "pcm letters": ("x.pcm", ">a\n1 2 3 4\n1 b 3 4\n", 3, "found 'b'"),
    "pcm columns": ("x.pcm", ">a\n1 2 3 4\n1 2 3\n", 3, "is the file truncated?"),
    "ppm sum": ("x.ppm", ">a\n.1 .2 .3 .4\n.5 .5 .5 0\n", 3, "sum to 1.5"),
    "ppm affinities": (
        "x.ppm",
        ">a\n1 .2 .3 .4\n.1 1 .3 .4\n",
        2,
        "relative affinities, which are read with --from psam",
    ),
    "transfac end": ("x", RECORD, 3, "does not end with '//'"),
    "transfac order": ("x", RECORD + "04  1 2 3 4\n//\n", 4, "position 2, found 04"),
    "transfac columns": ("x", RECORD + "02  1 2 3\n//\n", 4, "expected 4 numbers"),
    "transfac twice": ("x", RECORD + "P0  A C G T\n//\n", 4, "second matrix"),
    "transfac rows": ("x", "ID  a\nP0  A C G T\n//\n", 2, "has no rows"),
    "transfac headless": ("x", "01 1 2\nP0  A C G T\n//\n", 1, "no line 'P0'"),
    "homer sum": ("x", ">A\ta\t6\n.1\t.2\t.3\t.5\n", 2, "sum to 1.1"),
    "cisbp rows": ("x", "Pos\tA\tC\tG\tT\n", 1, "has no rows"),
    "cisbp order": (
        "x",
        "Pos\tA\tC\tG\tT\n1\t1\t0\t0\t0\n3\t1\t0\t0\t0\n",
        3,
        "position 2, found 3",
    ),
    "cisbp columns": ("x", "Pos\tA\tC\tG\tT\n1\t1\t0\t0\n", 2, "expected 5 numbers"),
    "cisbp tail": (
        "x",
        "Pos\tA\tC\tG\tT\n1\t1\t0\t0\t0\nMotif\ta\n",
        3,
        "has no matrix",
    ),
    "plain ragged": ("x", "1 2 3\n1 2\n", 2, "expected 3 numbers"),
    "plain shape": ("x", "1 2 3\n1 2 3\n", 1, "has 2 rows and 3 columns"),
    "plain ambiguous": ("x", "1 1 1 1\n" * 4, 1, "put the letters in front"),
    "plain negative": ("x", "1 -1 1 1\n" * 5, 1, "nothing says what they are"),
    "plain letter": ("x", "A: 1 2\nC: 1 2\nG: 1 2\n1 2\n", 4, "lacks its letter"),
    "plain twice": ("x", "A: 1 2\nA: 1 2\n", 1, "has two rows"),
    "plain nameless": ("x", "a\n1 2 3 4\n2 3 4 1\nb\n", 4, "expected rows of numbers"),
    "psem unit": (
        "x",
        "# PSEM\n# unit: kcal\n>a\nposition A C\n1 0 1\n",
        2,
        "unit 'kcal' is unknown",
    ),
    "psem sign": ("x", "# PSEM\n>a\nposition A C\n1 0 1\n", 4, "look like ddG/RT"),
    "psem shares": (
        "x",
        "# PSEM\n>a\nposition A C\n1 .5 .5\n",
        4,
        "look like probabilities",
    ),
    "psem header": ("x", "# PSEM\n>a\n1 0 1\n", 3, "there is no header"),
    "psem rows": ("x", "# PSEM\n>a\nposition A C\n", 2, "has no rows"),
    "psem word": ("x", "# PSEM\n>a\nplace A C\n", 3, "expected 'position'"),
    "psem order": ("x", "# PSEM\n>a\nposition A C\n2 0 1\n", 4, "position 1, found 2"),
    "psem end": (
        "x",
        "# PSEM\n>a\n# positions: 1\nposition A C\n1 -1 -1\n",
        5,
        "does not end with '# end'",
    ),
    "psem count": (
        "x",
        "# PSEM\n>a\n# positions: 2\nposition A C\n1 -1 -1\n# end\n",
        5,
        "expected 2 positions",
    ),
    "psem pairs": (
        "x",
        "# PSEM\n>a\nposition A C\n1 -1 -1\n2 -1 -1\npairs 1 AA AC CA CC\n",
        6,
        "expected 1 rows of pairs",
    ),
    "psem pair names": (
        "x",
        "# PSEM\n>a\nposition A C\n1 -1 -1\n2 -1 -1\npairs 1 AA CA AC CC\n1 0 0 0 0\n",
        6,
        "in the order",
    ),
    "psem twice": (
        "x",
        "# PSEM\n>a\nposition A C\n1 -1 -1\nposition A C\n",
        5,
        "in disorder",
    ),
    "psem strands": (
        "x",
        "# PSEM\n>a\n# strands: two\nposition A C\n1 -1 -1\n",
        3,
        "expected 'both' or 'one'",
    ),
    "psem background": (
        "x",
        "# PSEM\n>a\n# background: A 1\nposition A C\n1 -1 -1\n",
        3,
        "each letter",
    ),
    "psam zero": ("x", "# PSAM\n>a\nposition A C\n1 0 1\n", 4, "not above 0"),
    "psam shares": (
        "x",
        "# PSAM\n>a\nposition A C\n1 .5 .5\n",
        4,
        "look like probabilities",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_name_the_place(tmp_path, case):
    name, text, line, message = BAD[case]
    path = write(tmp_path / name, text)
    with pytest.raises(InputError, match=message) as caught:
        read_motifs(path)
    assert caught.value.path == path
    assert caught.value.line == line


def test_text_that_is_no_utf8(tmp_path):
    (tmp_path / "x").write_bytes(b">a\n1 2 3 \xff\n")
    with pytest.raises(InputError, match="expected UTF-8") as caught:
        read_motifs(tmp_path / "x")
    assert caught.value.line == 2


def test_too_much_text(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"A C G T\n" * 400_000))
    with pytest.raises(InputError, match="larger than"):
        read_source(path, max_bytes=1 << 20)
    path.write_bytes(gzip.compress(b"\n" * (3 << 20)))
    with pytest.raises(InputError, match="more than 2,097,152 lines"):
        read_source(path)


def test_counts_that_differ_between_positions_are_warned_of(tmp_path):
    path = write(tmp_path / "x.pcm", ">a\n1 2 3 4\n1 2 3 4\n1 2 3 9\n")
    with pytest.warns(UserWarning, match="x.pcm, line 4: the counts of position 3"):
        read_motifs(path)


def test_energies_taken_for_log_odds_are_warned_of(tmp_path):
    path = write(tmp_path / "x.pwm", ">a\n0 -2 -3 -4\n0 -2 -3 -4\n0 -1 -1 -1\n")
    with pytest.warns(UserWarning, match="--from psem"):
        read_motifs(path)


def test_the_wrong_kind_of_numbers_is_not_written(tmp_path):
    motif = Motif("x", np.zeros((2, 4)), "energies")
    for name in ("meme", "jaspar", "hocomoco-pwm"):
        with pytest.raises(InputError, match="convert it before"):
            write_motifs(tmp_path / "x", [motif], name)
    assert not (tmp_path / "x").exists()


def test_what_meme_says_once_must_agree():
    one = Motif("x", np.full((2, 4), 0.25), "probabilities")
    two = Motif("y", one.matrix, "probabilities", background=(0.1, 0.2, 0.3, 0.4))
    with pytest.raises(InputError, match="differ in their background"):
        format_text([one, two], "meme")
    with pytest.raises(InputError, match="differ in their letters"):
        format_text(
            [one, Motif("z", one.matrix, "probabilities", ("A", "C", "G", "U"))], "meme"
        )


@pytest.mark.parametrize("name", ["homer", "hocomoco-ppm", "plain"])
def test_letters_that_a_format_has_no_place_for(name):
    motif = Motif("x", np.full((2, 4), 0.25), "probabilities", ("T", "C", "G", "A"))
    with pytest.raises(InputError, match="write"):
        format_text([motif], name)


def test_psam_refuses_what_it_cannot_hold():
    pairs = {1: np.zeros((1, 4, 4))}
    motif = Motif("x", np.zeros((2, 4)), "energies", pairs=pairs)
    with pytest.raises(InputError, match="write psem"):
        format_text([motif], "psam")
    with pytest.raises(InputError, match="affinity is 0 as a number"):
        format_text([Motif("x", [[0, -800, 0, 0]], "energies")], "psam")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"matrix": np.zeros((0, 4))}, "a row for each position"),
        ({"matrix": np.zeros((2, 3))}, "4 columns"),
        ({"matrix": [[np.inf, 0, 0, 0]]}, "not finite"),
        ({"kind": "bits"}, "is no kind"),
        ({"name": " "}, "needs a name"),
        ({"background": (0.5, 0.5)}, "needs 4 probabilities"),
        ({"pairs": {1: np.zeros((1, 4, 4))}}, "only energies have pairs"),
        ({"kind": "energies", "pairs": {1: np.zeros((2, 4, 4))}}, "must be finite"),
    ],
)
def test_a_motif_checks_its_parts(options, message):
    given_ = {"name": "x", "matrix": np.ones((2, 4)), "kind": "counts"} | options
    with pytest.raises(ValueError, match=message):
        Motif(**given_)


def test_a_psam_of_zeros_asks_for_a_pseudocount():
    motif = Motif("x", [[1, 0, 0, 0]], "probabilities")
    with pytest.raises(InputError, match="give a pseudocount"):
        psam_of_motif(motif)
    assert psam_of_motif(motif, 0.1).kernel_size == 1
