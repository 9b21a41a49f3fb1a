"""What is written for ProBound is read back as the same model."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pyprobound import (
    Aggregate,
    Contribution,
    Cooperativity,
    CountTable,
    Experiment,
    MultiExperimentLoss,
    external,
)
from pyprobound.alphabets import DNA, RNA, Alphabet, Codon, Protein
from pyprobound.cooperativity import Spacing
from pyprobound.errors import InputError
from pyprobound.external.export import (
    ScoringMode,
    TableSettings,
    export_fit,
    export_scoring_model,
    write_probound_lines,
)
from pyprobound.external.lines import ModelLine
from pyprobound.layers import (
    PSAM,
    Conv1d,
    MaxPool1d,
    MaxPool1dSpec,
    NonSpecific,
    get_padding_layers,
)
from pyprobound.mode import Mode
from pyprobound.rounds import (
    BoundRound,
    BoundUnsaturatedRound,
    ExponentialRound,
    InitialRound,
    RhoGammaRound,
    UnboundRound,
)

LEFT, RIGHT = "GATCC", "TTGCA"
SEQUENCES = ["ACGTACGTAC", "TTGACTTGGG", "CCCCATTGAC", "GGTTTTACGA", "ACTGACTGAC"]


@pytest.fixture(autouse=True)
def double_precision():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def make_table(n_columns=2, flanks=(3, 3), **options):
    frame = pd.DataFrame(
        {column: [1 + column] * len(SEQUENCES) for column in range(n_columns)},
        index=SEQUENCES,
    )
    return CountTable(
        frame,
        DNA(),
        left_flank=LEFT,
        right_flank=RIGHT,
        left_flank_length=flanks[0],
        right_flank_length=flanks[1],
        **options,
    )


def random_psam(seed=0, size=4, alphabet=None, **options):
    generator = torch.Generator().manual_seed(seed)
    psam = PSAM(size, alphabet or DNA(), **options)
    with torch.no_grad():
        for value in psam.betas.values():
            value.copy_(torch.randn(value.shape, generator=generator))
    return psam


def randomize(*tensors, seed=1):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in tensors:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))


def contributions(*modes, seed=3):
    values = np.random.default_rng(seed).normal(size=len(modes))
    return [
        Contribution(mode, log_activity=value)
        for mode, value in zip(modes, values, strict=True)
    ]


def make_loss(rounds, **options):
    return MultiExperimentLoss([Experiment(rounds, name="e")], **options)


def round_trip(loss, table, losses=()):
    """Writes and reads a model; both must give the same shares of the rounds."""
    exported = export_fit(loss, [TableSettings.from_table(table, "a.tsv.gz", "a")])
    assert len(exported.losses) == len(losses), exported.losses
    for text, part in zip(exported.losses, losses, strict=True):
        assert part in text
    document = json.loads(json.dumps(exported.document, allow_nan=False))
    tables = external.parse_probound_tables(
        document, [pd.DataFrame(table.target.numpy(), index=SEQUENCES)]
    )
    read = external.parse_probound_model(
        document, document, tables, noncumulative_reference="none"
    )
    with torch.no_grad():
        expected = loss.transforms[0](table.seqs)
        found = read.transforms[0](tables[0].seqs)
    assert torch.isfinite(expected).all()
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    again = export_fit(read, [TableSettings.from_table(tables[0], "a.tsv.gz", "a")])
    return document, again.document, read


def nested_equal(found, expected, tolerance=1e-12):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            nested_equal(found[key], value, tolerance)
    elif isinstance(expected, list) and any(isinstance(v, list) for v in expected):
        for one, other in zip(found, expected, strict=True):
            nested_equal(one, other, tolerance)
    elif isinstance(expected, list):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    else:
        assert found == expected


# --- shared data --------------------------------------------------------------------

FITS = {
    "bcd": ("bcd/bcd.models.json", "component1-4-all"),
    "ctcf": ("ctcf/two_modes.models.json", "component2-4-all"),
    "exdhox mono": ("exdhox/mono.models.json", "component1-4-all"),
    "exdhox di": ("exdhox/di.models.json", "component1-4-all"),
    "exdhox coop": ("exdhox/coop.models.json", "component3-1-f0"),
    "rbfox3": ("rbfox3/models.json", "component1-4-all"),
    "znf891": ("znf891/models.json", "component3-4-all"),
}


@pytest.mark.parametrize("name", FITS)
def test_recorded_fits_are_written_as_they_were(data_dir, name):
    file, stage = FITS[name]
    original = external.get_fit_final(data_dir / file, stage=stage)
    line = ModelLine(original)
    frames = [
        pd.DataFrame(
            {column: [1] for column in range(settings["nColumns"])},
            index=["A" * settings["variableRegionLength"]],
        )
        for settings in line.tables
    ]
    tables = external.parse_probound_tables(original, frames)
    loss = external.parse_probound_model(original, original, tables)
    settings = [
        TableSettings.from_table(table, part["countTableFile"], part["componentName"])
        for table, part in zip(tables, line.tables, strict=True)
    ]
    exported = export_fit(loss, settings)
    assert exported.losses == ()
    found = ModelLine(exported.document)
    order = [found.letter_order.index(letter) for letter in line.letter_order]
    for mode in range(line.n_modes):
        np.testing.assert_allclose(
            found.monomers(mode)[:, order], line.monomers(mode), rtol=1e-12
        )
        for distance in range(1, line.pair_distance(mode) + 1):
            np.testing.assert_allclose(
                found.pairs(mode, distance), line.pairs(mode, distance), rtol=1e-12
            )
        stored = original["coefficients"]["bindingModes"][mode]
        written = exported.document["coefficients"]["bindingModes"][mode]
        np.testing.assert_allclose(written["activity"], stored["activity"], rtol=1e-12)
        assert found.mode_name(mode) == line.mode_name(mode)
        assert found.flank_length(mode) == line.flank_length(mode)
    for key in ("countTable", "enrichmentModel"):
        nested_equal_lists(exported.document["coefficients"][key], original, key)
    for place, pair in enumerate(line.interactions):
        stored = original["coefficients"]["bindingModeInteractions"][place]
        written = exported.document["coefficients"]["bindingModeInteractions"][place]
        for key in ("activity", "positionMatrix"):
            np.testing.assert_allclose(written[key], stored[key], rtol=1e-12)
        for key in ("bindingModes", "maxOverlap", "maxSpacing", "positionBias"):
            assert found.interactions[place][key] == pair[key]
    for place, table in enumerate(line.tables):
        for key in ("leftFlank", "rightFlank", "nColumns", "inputFileType"):
            assert found.tables[place][key] == table[key]
        enrichment = line.enrichment(place)
        for key in ("modelType", "concentration", "bindingModes", "bindingSaturation"):
            assert found.enrichment(place)[key] == enrichment[key]


def nested_equal_lists(found, original, key):
    for written, stored in zip(found, original["coefficients"][key], strict=True):
        nested_equal(written, stored)


def test_motif_central_survives_the_round_trip(data_dir):
    file = data_dir / "motifcentral/MotifCentral.v1.0.0.json"
    models = external.read_probound_lines(file)
    assert len(models) == 874
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 4, (20, 30)))
    for number, model in enumerate(models):
        psam = external.parse_probound_psam(model, 0)
        exported = export_scoring_model([ScoringMode(psam, 0.0, psam.name)])
        assert exported.losses == ()
        written = exported.document["coefficients"]["bindingModes"][0]
        stored = model["coefficients"]["bindingModes"][0]
        assert written == stored, number
        settings = exported.document["modelSettings"]
        for key in ("letterOrder", "letterComplement"):
            assert settings[key] == model["modelSettings"][key]
        expected = model["modelSettings"]["bindingModes"][0]
        assert expected.items() <= settings["bindingModes"][0].items()
        if number % 25 == 0:
            back = external.parse_probound_psam(exported.document, 0)
            scores = [Conv1d(p, 30, 30, 30)(codes) for p in (psam, back)]
            torch.testing.assert_close(scores[1], scores[0], rtol=0, atol=1e-12)


# --- rounds -------------------------------------------------------------------------


def two_modes(table):
    specific = Mode.from_psam(random_psam(), table, name="motif")
    unspecific = Mode.from_nonspecific(
        NonSpecific(DNA(), ignore_length=True, name="ns"), table
    )
    return unspecific, specific


@pytest.mark.parametrize(
    ("kind", "expected"), [(BoundUnsaturatedRound, False), (BoundRound, True)]
)
def test_a_chain_of_rounds_is_a_cumulative_selection(kind, expected):
    table = make_table(3)
    modes = two_modes(table)
    first = InitialRound()
    second = kind(Aggregate(contributions(*modes)), first, log_depth=0.3)
    third = kind(Aggregate(contributions(*modes, seed=9)), second, log_depth=-1)
    document, again, _ = round_trip(make_loss([first, second, third]), table)
    model = document["modelSettings"]["enrichmentModel"][0]
    assert model["modelType"] == "SELEX"
    assert model["bindingSaturation"] is expected
    assert model["cumulativeEnrichment"] is True
    assert document["coefficients"]["countTable"][0]["h"] == [0, 0.3, -1]
    nested_equal(again["coefficients"]["countTable"][0], {"h": [0, 0.3, -1]})


def test_rounds_of_several_kinds_are_powers_of_binding():
    table = make_table(4)
    modes = two_modes(table)
    first = InitialRound()
    bound = BoundRound(Aggregate(contributions(*modes)), first, log_depth=0.2)
    unbound = UnboundRound.from_round(bound)
    power = RhoGammaRound(
        Aggregate(contributions(*modes, seed=4)), first, rho=0.4, gamma=-0.7
    )
    document, _, _ = round_trip(make_loss([first, bound, unbound, power]), table)
    values = document["coefficients"]["enrichmentModel"][0]
    assert values == {"rho": [0, 1, 0, 0.4], "gamma": [0, -1, -1, -0.7]}
    settings = document["modelSettings"]["enrichmentModel"][0]
    assert settings["modelType"] == "RhoGamma"
    assert settings["cumulativeEnrichment"] is False


def test_kinetics_of_several_times_refer_to_one_library():
    table = make_table(3)
    modes = two_modes(table)
    first = InitialRound()
    early = ExponentialRound(Aggregate(contributions(*modes)), first, delta=-2)
    late = ExponentialRound.from_round(early, target_concentration=5)
    document, _, _ = round_trip(make_loss([first, early, late]), table)
    assert document["coefficients"]["enrichmentModel"][0]["delta"] == [0, -2, -2]
    settings = document["modelSettings"]["enrichmentModel"][0]
    assert settings["modelType"] == "ExponentialKinetics"
    assert document["coefficients"]["countTable"][0]["h"][0] == math.log(2)


def test_a_background_that_is_nothing_is_a_finite_number():
    table = make_table(2)
    first = InitialRound()
    last = ExponentialRound(
        Aggregate(contributions(*two_modes(table))), first, delta=-math.inf
    )
    document, _, _ = round_trip(make_loss([first, last]), table)
    assert document["coefficients"]["enrichmentModel"][0]["delta"] == [0, -700]


def test_a_common_concentration_is_written_as_such_and_others_into_activities():
    table = make_table(3)
    modes = two_modes(table)
    first = InitialRound()
    rounds = [first]
    for concentration in (20.0, 20.0):
        aggregate = Aggregate(contributions(*modes), target_concentration=concentration)
        rounds.append(BoundRound(aggregate, rounds[-1]))
    document, _, _ = round_trip(make_loss(rounds), table)
    assert document["modelSettings"]["enrichmentModel"][0]["concentration"] == 20
    with torch.no_grad():
        rounds[2].aggregate.log_target_concentration.fill_(math.log(7))
    document, _, _ = round_trip(make_loss(rounds), table)
    assert document["modelSettings"]["enrichmentModel"][0]["concentration"] == 1


def test_modes_of_single_rounds_are_listed():
    table = make_table(3)
    unspecific, specific = two_modes(table)
    first = InitialRound()
    second = BoundRound(Aggregate(contributions(unspecific)), first)
    third = BoundRound(Aggregate(contributions(unspecific, specific)), second)
    document, _, _ = round_trip(make_loss([first, second, third]), table)
    settings = document["modelSettings"]["enrichmentModel"][0]
    assert settings["roundSpecificBindingModes"] == [[0, 1], [0], [0, 1]]
    activity = document["coefficients"]["bindingModes"][1]["activity"][0]
    assert activity[:2] == [0, -39]


@pytest.mark.parametrize("observed", [[0, 1], [1, 2]])
def test_unobserved_rounds_are_left_out_where_they_do_not_matter(observed):
    table = make_table(2)
    modes = two_modes(table)
    first = InitialRound()
    second = BoundRound(Aggregate(contributions(*modes)), first, train_depth=False)
    third = BoundRound(Aggregate(contributions(*modes, seed=8)), second)
    rounds = [first, second, third]
    round_trip(make_loss([rounds[i] for i in observed]), table)


def test_selections_that_branch_are_refused():
    table = make_table(4)
    modes = two_modes(table)
    first = InitialRound()
    second = BoundRound(Aggregate(contributions(*modes)), first)
    third = BoundRound(Aggregate(contributions(*modes, seed=8)), second, name="third")
    fourth = BoundRound(Aggregate(contributions(*modes, seed=9)), second)
    loss = make_loss([first, second, third, fourth])
    with pytest.raises(InputError, match=r"experiment 'e'.*'third'"):
        export_fit(loss, [TableSettings.from_table(table, "a.tsv")])


def test_a_round_of_ones_own_is_refused_by_its_name():
    class OwnRound(BoundRound):
        pass

    table = make_table(2)
    first = InitialRound()
    own = OwnRound(Aggregate(contributions(*two_modes(table))), first, name="r")
    with pytest.raises(InputError, match="OwnRound"):
        export_fit(make_loss([first, own]), [TableSettings.from_table(table, "a.tsv")])


# --- modes --------------------------------------------------------------------------


def loss_of(table, *modes):
    first = InitialRound()
    last = BoundRound(Aggregate(contributions(*modes)), first)
    return make_loss([first, last])


@pytest.mark.parametrize("bias_mode", ["channel", "same", "reverse"])
@pytest.mark.parametrize("bias_bin", [1, 3])
def test_position_biases_keep_their_strands(bias_mode, bias_bin):
    table = make_table()
    mode = Mode.from_psam(
        random_psam(pairwise_distance=2),
        table,
        train_posbias=True,
        bias_mode=bias_mode,
        bias_bin=bias_bin,
    )
    randomize(mode.layers[0].log_posbias)
    document, again, _ = round_trip(loss_of(table, mode), table)
    bias = np.array(document["coefficients"]["bindingModes"][0]["positionBias"])
    assert bias.shape == (1, 2, 13)
    by_window = mode.layers[0].get_log_posbias()[-1].detach().numpy()
    np.testing.assert_array_equal(bias[0, 0], by_window[0])
    np.testing.assert_array_equal(bias[0, 1], by_window[-1][::-1])
    nested_equal(
        again["coefficients"]["bindingModes"][0],
        document["coefficients"]["bindingModes"][0],
    )


def test_constants_become_activities():
    table = make_table()
    psam = random_psam(train_bias=True)
    unspecific = Mode.from_nonspecific(NonSpecific(DNA()), table, train_posbias=True)
    randomize(psam.bias, unspecific.layers[0].log_posbias)
    document, _, _ = round_trip(
        loss_of(table, unspecific, Mode.from_psam(psam, table)), table
    )
    assert document["modelSettings"]["bindingModes"][0]["size"] == 0


@pytest.mark.parametrize(
    "options",
    [
        {"out_channels": 4, "train_bias": True},
        {"dilation": 2},
        {"score_reverse": False},
        {"normalize": True, "pairwise_distance": 3},
        {"symmetry": [1, 2, -2, -1], "pairwise_distance": 2},
        {"symmetry": [1, 2, 1, 2]},
    ],
)
def test_motifs_of_all_kinds(options):
    table = make_table()
    psam = random_psam(**options)
    losses = ["motifs are written as modes"] if psam.n_motifs > 1 else []
    randomize(psam.bias)
    document, _, _ = round_trip(
        loss_of(table, Mode.from_psam(psam, table, name="m")), table, losses
    )
    assert document.get("pyprobound", {}).get("losses", []) == [
        "mode 'm': its 2 motifs are written as modes" for _ in losses
    ]


@pytest.mark.parametrize(
    ("symmetry", "text"),
    [
        ([1, 2, 3, 4], "null"),
        ([-1, 2, 3, -4], "null"),
        ([1, 2, -2, -1], "ABba"),
        ([3, 1, 3, 1], "ABAB"),
    ],
)
@pytest.mark.parametrize("distance", [0, 3])
def test_symmetry_is_written_and_read(symmetry, text, distance):
    psam = random_psam(symmetry=symmetry, pairwise_distance=distance)
    document = export_scoring_model([ScoringMode(psam)]).document
    constraints = document.get("modelFittingConstraints", {"bindingModes": [{}]})
    found = constraints["bindingModes"][0].get("symmetryString", "null")
    assert found == text
    back = external.parse_probound_psam(document, 0, symmetry="tied")
    assert len(set(map(abs, back.ids))) == len(set(map(abs, symmetry)))
    for step in range(distance + 1):
        torch.testing.assert_close(
            back.get_filter(step), psam.get_filter(step), rtol=0, atol=0
        )


def test_values_that_contradict_the_symmetry_are_read_without_it():
    psam = random_psam(symmetry=[1, 2, -2, -1])
    document = export_scoring_model([ScoringMode(psam)]).document
    document["coefficients"]["bindingModes"][0]["mononucleotide"][0] += 1
    back = external.parse_probound_psam(document, 0, symmetry="tied")
    assert back.ids == (1, 2, 3, 4)


def test_a_symmetry_of_another_size_is_an_error():
    psam = random_psam(symmetry=[1, 2, -2, -1])
    document = export_scoring_model([ScoringMode(psam)]).document
    document["modelFittingConstraints"]["bindingModes"][0]["symmetryString"] = "ABCba"
    with pytest.raises(InputError, match=r"symmetryString.*5 positions.*4"):
        external.parse_probound_psam(document, 0, symmetry="tied")


def test_pairs_tied_as_in_1_5_lose_their_symmetry():
    psam = random_psam(
        symmetry=[1, 2, -2, -1], pairwise_distance=1, pair_symmetry="1.5"
    )
    exported = export_scoring_model([ScoringMode(psam, name="m")])
    assert "modelFittingConstraints" not in exported.document
    assert len(exported.losses) == 1
    assert "mode 'm': of its symmetry" in exported.losses[0]


def hill_mode(table):
    mode = Mode.from_psam(random_psam(), table)
    with torch.no_grad():
        mode.log_hill.fill_(0.5)
    return mode


def pooled_mode(table):
    conv = Conv1d.from_psam(random_psam(), table)
    spec = MaxPool1dSpec(in_channels=2, kernel_size=3)
    return Mode([conv, MaxPool1d.from_spec(spec, conv)])


def padded_mode(table):
    pads = get_padding_layers(DNA(), table, left=2, right=2)
    return Mode([*pads, Conv1d.from_psam(random_psam(), pads[-1])])


def cropped_mode(table):
    pads = get_padding_layers(DNA(), table, left=-1)
    return Mode([*pads, Conv1d.from_psam(random_psam(), pads[-1])])


def partial_mode(table):
    psam = random_psam(out_channels=4)
    return Mode.from_psam(psam, table, out_channel_indexing=[0, 2])


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (hill_mode, "Hill"),
        (pooled_mode, "MaxPool1d"),
        (padded_mode, "wildcards"),
        (cropped_mode, "2 letters of the left and 3"),
        (partial_mode, r"channels \[0, 2\]"),
    ],
)
def test_what_has_no_counterpart_is_refused(make, problem):
    table = make_table()
    with pytest.raises(InputError, match=f"mode '.*': .*{problem}"):
        export_fit(
            loss_of(table, make(table)), [TableSettings.from_table(table, "a.tsv")]
        )


def test_modes_that_crop_both_flanks_have_their_own_flank_length():
    table = make_table()
    pads = get_padding_layers(DNA(), table, left=-2, right=-2)
    cropped = Mode([*pads, Conv1d.from_psam(random_psam(3), pads[-1])])
    document, _, _ = round_trip(
        loss_of(table, Mode.from_psam(random_psam(), table), cropped), table
    )
    modes = document["modelSettings"]["bindingModes"]
    assert [mode["flankLength"] for mode in modes] == [3, 1]


def test_the_forward_strand_alone_is_a_single_strand():
    table = make_table()
    mode = Mode.from_psam(random_psam(), table, out_channel_indexing=[0])
    document, _, _ = round_trip(loss_of(table, mode), table)
    assert document["modelSettings"]["bindingModes"][0]["singleStrand"] is True


def test_lengths_that_differ_are_reported():
    frame = pd.DataFrame({0: [1, 1], 1: [1, 2]}, index=["ACGTACGT", "ACGTAC"])
    table = CountTable(frame, DNA())
    unspecific = Mode.from_nonspecific(NonSpecific(DNA(), name="ns"), table)
    specific = Mode.from_psam(random_psam(), table)
    exported = export_fit(
        loss_of(table, unspecific, specific),
        [TableSettings.from_table(table, "a.csv", "a")],
    )
    found = sorted(exported.losses)
    assert len(found) == 3
    assert "mode 'ns'" in found[0]
    assert "8 letters" in found[0]
    assert "one length" in found[1]
    assert "a.csv" in found[2]
    assert exported.document["pyprobound"]["losses"] == list(exported.losses)


# --- interactions -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_overlap": 1},
        {"max_overlap": -1, "max_spacing": 3},
        {"score_same": False},
        {"score_mode": "positive", "max_spacing": 2},
    ],
)
@pytest.mark.parametrize("train_posbias", [True, False])
def test_interactions_keep_their_energies(options, train_posbias):
    table = make_table()
    first = random_psam(1, size=3, train_bias=True)
    randomize(first.bias)
    mode_a = Mode.from_psam(first, table, train_posbias=train_posbias, name="a")
    pads = get_padding_layers(DNA(), table, left=-2, right=-2)
    mode_b = Mode([*pads, Conv1d.from_psam(random_psam(2), pads[-1])], name="b")
    spacing = Spacing(
        mode_a.key(), mode_b.key(), ignore_pad=True, name="pair", **options
    )
    pair = Cooperativity(spacing, mode_a, mode_b, train_posbias=train_posbias)
    randomize(spacing.log_spacing, seed=5)
    if train_posbias:
        randomize(*pair.log_posbias, mode_a.layers[0].log_posbias, seed=6)
    excluded = bool({"score_same", "score_mode"} & options.keys()) or (
        options.get("max_overlap", 0) < 0
    )
    losses = ["excluded beyond overlap"] if excluded else []
    document, _, _ = round_trip(loss_of(table, mode_a, mode_b, pair), table, losses)
    settings = document["modelSettings"]["bindingModeInteractions"][0]
    assert settings["bindingModes"] == [0, 1]
    assert settings["positionBias"] is train_posbias or excluded


def test_a_partner_that_does_not_bind_alone_is_a_member():
    table = make_table()
    mode_a = Mode.from_psam(random_psam(1), table, name="a")
    mode_b = Mode.from_psam(random_psam(2), table, name="b")
    pair = Cooperativity(Spacing(mode_a.key(), mode_b.key()), mode_a, mode_b)
    document, _, _ = round_trip(loss_of(table, mode_a, pair), table)
    settings = document["modelSettings"]["enrichmentModel"][0]
    assert settings["bindingModes"] == [0, 1]
    assert settings["roundSpecificBindingModes"] == [[0, 1], [0]]


# --- letters ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alphabet", "order", "complement"),
    [
        (DNA(), "ACGT", "C-G,A-T"),
        (RNA(), "ACGU", "A-A,C-C,G-G,U-U"),
        (Alphabet("ABCDEF", complement=True), "ABCDEF", "C-D,B-E,A-F"),
        (Alphabet("ACGT", complement=False), "ACGT", "A-A,C-C,G-G,T-T"),
        (Protein(), None, None),
    ],
)
def test_letters(alphabet, order, complement):
    psam = random_psam(alphabet=alphabet, pairwise_distance=1)
    document = export_scoring_model([ScoringMode(psam, -1.5, "m")]).document
    if order is not None:
        assert document["modelSettings"]["letterOrder"] == order
        assert document["modelSettings"]["letterComplement"] == complement
    back = external.parse_probound_psam(document, 0)
    assert back.alphabet == alphabet
    assert back.score_reverse is psam.score_reverse
    for distance in (0, 1):
        torch.testing.assert_close(
            back.get_filter(distance), psam.get_filter(distance), rtol=0, atol=0
        )
    assert document["coefficients"]["bindingModes"][0]["activity"] == [[-1.5]]


def test_letters_of_several_characters_are_refused():
    with pytest.raises(InputError, match="alphabet"):
        export_scoring_model([ScoringMode(random_psam(alphabet=Codon()))])
    with pytest.raises(InputError, match="alphabet"):
        export_scoring_model([ScoringMode(PSAM(3, in_channels=4))])
    with pytest.raises(InputError, match="different letters"):
        export_scoring_model(
            [ScoringMode(random_psam()), ScoringMode(random_psam(alphabet=RNA()))]
        )


# --- scoring models and files -------------------------------------------------------


def test_the_template_of_a_scoring_model():
    psam = PSAM(2, DNA())
    external.modes.write_monomers(
        psam, np.array([[0, -1, -2, -3], [0, -0.5, -1, -1.5]])
    )
    document = export_scoring_model(
        [ScoringMode(psam), ScoringMode(None, -3.0)]
    ).document
    assert document["coefficients"]["bindingModes"] == [
        {
            "mononucleotide": [0, -1, -2, -3, 0, -0.5, -1, -1.5],
            "dinucleotide": [],
            "positionBias": [],
            "activity": [[0]],
            "modifications": [],
        },
        {
            "mononucleotide": [],
            "dinucleotide": [],
            "positionBias": [],
            "activity": [[-3]],
            "modifications": [],
        },
    ]
    assert "countTable" not in document["modelSettings"]
    assert document["modelSettings"]["bindingModeInteractions"] == []
    assert [m["size"] for m in document["modelSettings"]["bindingModes"]] == [2, 0]


def test_scoring_models_need_something_that_binds():
    with pytest.raises(InputError, match="needs a mode"):
        export_scoring_model([ScoringMode(random_psam(), -math.inf)])
    exported = export_scoring_model(
        [ScoringMode(random_psam()), ScoringMode(None, -math.inf, "ns")]
    )
    assert exported.losses == ("mode 'ns': it does not bind, and is left out",)


def test_infinite_values_are_written_as_large_ones():
    psam = random_psam()
    with torch.no_grad():
        psam.betas["1"][0, 2] = -math.inf
    exported = export_scoring_model([ScoringMode(psam, name="m")])
    assert "-700" in exported.losses[0]
    assert exported.document["coefficients"]["bindingModes"][0]["mononucleotide"][
        2
    ] == (-700)
    with torch.no_grad():
        psam.betas["1"][0, 2] = math.nan
    with pytest.raises(InputError, match=r"mode 'm'.*not a number"):
        export_scoring_model([ScoringMode(psam, name="m")])


def test_files_are_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "model.json"
    document = export_scoring_model([ScoringMode(random_psam())]).document
    write_probound_lines(path, document)
    assert external.read_probound_lines(path) == [document]
    with pytest.raises(InputError, match="cannot be written as JSON"):
        write_probound_lines(path, [document, {"a": math.inf}])
    assert external.read_probound_lines(path) == [document]
    write_probound_lines(path, [document, document])
    assert len(external.read_probound_lines(path)) == 2
    assert [file.name for file in Path(tmp_path).iterdir()] == ["model.json"]


def test_the_number_of_tables_must_be_that_of_the_experiments():
    table = make_table()
    with pytest.raises(InputError, match="one table for each of 1"):
        export_fit(loss_of(table, *two_modes(table)), [])


def test_settings_of_the_loss_are_written():
    table = make_table()
    first = InitialRound()
    last = BoundRound(Aggregate(contributions(*two_modes(table))), first)
    loss = make_loss([first, last], lambda_l2=1e-4, lambda_l1=0.5, pseudocount=0)
    loss.exponential_bound = math.inf
    exported = export_fit(loss, [TableSettings.from_table(table, "a.tsv")])
    settings = exported.document["optimizerSetting"]
    assert settings["lambdaL2"] == 1e-4
    assert settings["expBound"] == 1e6
    assert exported.losses == ("the regularisation: lambda_l1 = 0.5",)
