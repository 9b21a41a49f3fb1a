"""The configuration: what is accepted, and what is said of what is not."""

from __future__ import annotations

import copy
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pyprobound.config import (
    FitConfig,
    dump_config,
    load_config,
    parse_symmetry,
    validate,
)
from pyprobound.errors import InputError

GOOD = """\
tables:
  ctcf:
    path: data.tsv
psams:
  motif:
    kernel_size: 8
modes:
  ns: {type: nonspecific}
  m: {type: psam, psam: motif}
experiments:
  e:
    table: ctcf
    rounds:
      - type: InitialRound
      - type: BoundRound
        reference_round: 0
"""


def load(tmp_path, text):
    path = tmp_path / "fit.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def message(tmp_path, text):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    found = str(caught.value)
    assert found.startswith(str(tmp_path / "fit.yaml"))
    return found.removeprefix(str(tmp_path / "fit.yaml"))


def test_small_configuration(tmp_path):
    config = load(tmp_path, GOOD)
    assert config.tables["ctcf"].path == str(tmp_path / "data.tsv")
    assert config.experiments["e"].round_names == ["0", "1"]
    assert config.bindings("e") == [[], ["ns", "m"]]
    assert config.modes_of("e") == ["ns", "m"]
    assert config.loss.lambda_l2 == 1e-6


def test_written_configuration_reads_the_same(tmp_path):
    config = load(tmp_path, GOOD)
    again = load(tmp_path, dump_config(config))
    assert again == config
    assert validate(yaml.safe_load(dump_config(config))) == config


def test_infinite_values_survive_yaml_and_json(tmp_path):
    text = (
        GOOD + "        contributions: [{binding: ns}, {binding: m, log_activity: 1}]\n"
    )
    config = load(tmp_path, text + "loss: {exponential_bound: .inf}\n")
    assert config.loss.exponential_bound == math.inf
    first = config.experiments["e"].rounds[1].contributions[0]
    assert first.log_activity == -math.inf
    assert FitConfig.model_validate_json(config.model_dump_json()) == config
    assert load(tmp_path, dump_config(config)) == config


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "kernel_size:",
            "kernel_siz:",
            (
                ", line 6: psams.motif.kernel_siz: the key is not known (did you mean"
                " 'kernel_size'?); known here: dilation,"
            ),
        ),
        ("tables:", "tabels:", ", line 1: tabels: the key is not known (did you mean"),
        (
            "psam: motif}",
            "psam: motif, train_posbiass: true}",
            (
                ", line 9: modes.m.train_posbiass: the key is not known (did you mean"
                " 'train_posbias'?)"
            ),
        ),
        (
            "type: nonspecific",
            "type: nonspecific, psam: motif",
            (
                ", line 8: modes.ns.psam: the key is not known; known here: ignore_length,"
                " train_posbias, type"
            ),
        ),
        (
            "reference_round: 0",
            "reference_roud: 0",
            ", line 16: experiments.e.rounds[1].reference_roud: the key is not known",
        ),
        ("psam: motif", "psam: motiv", ", line 9: modes.m.psam: there is no motif"),
        (
            "table: ctcf",
            "table: ctfc",
            ", line 12: experiments.e.table: there is no ta",
        ),
        (
            "type: psam",
            "type: psa",
            (
                ", line 9: modes.m.type: 'psa' is not known (did you mean 'psam'?); expected"
                " one of nonspecific, psam"
            ),
        ),
        ("type: psam, ", "", ", line 9: modes.m: the key 'type' is missing; expected"),
        (
            "reference_round: 0",
            "reference_round: 1",
            ", line 16: experiments.e.rounds[1].reference_round: the round '1' is list",
        ),
        (
            "reference_round: 0",
            "reference_round: 7",
            ", line 16: experiments.e.rounds[1].reference_round: the round '7' does not",
        ),
        (
            "        reference_round: 0\n",
            "",
            ", line 15: experiments.e.rounds[1]: the key 'reference_round' is missing",
        ),
        (
            "kernel_size: 8",
            "kernel_size: eight",
            ", line 6: psams.motif.kernel_size: input should be a valid integer",
        ),
        ("kernel_size: 8", "kernel_size: 0", "greater than 0 (found 0)"),
        (
            "kernel_size: 8",
            "kernel_size: 8\n    symmetry: '1,2'",
            ", line 7: psams.motif.symmetry: has 2 positions, but the motif has 8",
        ),
        (
            "kernel_size: 8",
            "kernel_size: 2\n    symmetry: 'A.'",
            ", line 7: psams.motif.symmetry: 'A.' is no symmetry; expected one id",
        ),
        ("kernel_size: 8", "kernel_size: 2\n    symmetry: [0, 1]", "holds the id 0"),
        (
            "kernel_size: 8",
            "kernel_size: 8\n    pairwise_distance: 8",
            "psams.motif.pairwise_distance: 8 is too far for a motif of 8 positions",
        ),
        (
            "kernel_size: 8",
            "kernel_size: 8\n    pairwise_distance: 1\n    dilation: 2",
            ", line 8: psams.motif.dilation: must be 1",
        ),
        ("kernel_size: 8", "kernel_size: 8\n    seed: [ACGT]", "seed[0]: 'ACGT' has 4"),
        ("kernel_size: 8", "kernel_size: 8\n    max_kernel_size: 7", "is below 8"),
        (
            "kernel_size: 8",
            "kernel_size: 8\n    kernel_size: 9",
            ", line 7: psams.motif.kernel_size: the key is given twice",
        ),
        ("path: data.tsv", "path: [data.tsv", ", line 4: is no valid YAML: expected"),
        ("path: data.tsv", "path: *a", ", line 3: is no valid YAML: found undefined"),
        (
            "path: data.tsv",
            "path: data.tsv\n    alphabet: DMA",
            ", line 4: tables.ctcf.alphabet: input should be 'DNA', 'RNA', 'Protein' or",
        ),
        (
            "path: data.tsv",
            "path: data.tsv\n    alphabet: {letters: ACGT}",
            ", line 4: tables.ctcf.alphabet.letters: the key is not known",
        ),
        (
            "path: data.tsv",
            "path: data.tsv\n    left_flank_length: -1",
            ", line 4: tables.ctcf.left_flank_length: input should be greater than or",
        ),
        ("path: data.tsv", "path: data.tsv\n    columns: []", "tables.ctcf.columns"),
        ("modes:", "seed: -1\nmodes:", ", line 7: seed: input should be greater"),
        ("modes:", "loss: {1: 2}\nmodes:", ", line 7: loss.1: the key is not known"),
        (
            "modes:",
            "loss: 3\nmodes:",
            ", line 7: loss: expected a mapping with some of",
        ),
        ("modes:", "loss: {weights: [1, 2]}\nmodes:", "loss.weights: has 2 values"),
        (
            "modes:",
            "optimizer: {optimizer: torch.optim.Adam}\nmodes:",
            "optimizer.optimizer: 'torch.optim.Adam' is no class of torch.optim",
        ),
        (
            "modes:",
            "optimizer: {optim_args: {lr: .nan}}\nmodes:",
            "optimizer.optim_args: lr is nan",
        ),
        (
            "modes:",
            "training: {order: [[ns]]}\nmodes:",
            "training.order: lacks the modes 'm'",
        ),
        (
            "modes:",
            "training: {order: [[ns, m], [m]]}\nmodes:",
            "training.order[1][0]: the mode 'm' is listed twice",
        ),
        (
            "modes:",
            "training: {order: [[x]]}\nmodes:",
            "training.order[0][0]: there is no mode 'x'; there are: 'ns', 'm'",
        ),
        (
            "modes:",
            "training: {mode: simultaneous, order: [[ns, m]]}\nmodes:",
            "training.order: needs mode: sequential",
        ),
        ("psams:", "  other: {path: b.tsv}\npsams:", "no experiment uses this table"),
        ("modes:", "  other: {kernel_size: 3}\nmodes:", "no mode uses this motif"),
        (
            "reference_round: 0",
            "reference_round: 0\n        binding: [ns]",
            ", line 9: modes.m: no round binds by this mode",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        binding: [ns, x]",
            "rounds[1].binding[1]: there is no mode 'x'",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        binding: [ns, ns]",
            "rounds[1].binding: the mode 'ns' is given twice",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        binding: [ns]\n        from_round: 0",
            "rounds[1].from_round: cannot be given together with binding",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        from_round: 0",
            "rounds[1].from_round: the round '0' is an InitialRound",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        from_round: 9",
            "rounds[1].from_round: there is no earlier round '9'",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        observed: false",
            "rounds[1].train_depth: must be false",
        ),
        (
            "- type: InitialRound",
            "- type: InitialRound\n        observed: false",
            "experiments.e.rounds: one observed round needs train_depth: false",
        ),
        (
            "reference_round: 0",
            "reference_round: 0\n        name: 0",
            "rounds[1].name: there are two rounds called '0'",
        ),
        (
            "reference_round: 0",
            (
                "reference_round: 0\n        contributions:\n          - {binding: m}\n"
                "          - {binding: ns, train_activity: false}"
            ),
            ", line 19: experiments.e.rounds[1].contributions[1]: has no log_activity",
        ),
        (
            "reference_round: 0",
            (
                "reference_round: 0\n      - {type: UnboundRound, reference_round: 0,"
                " from_round: 1, target_concentration: 3}"
            ),
            "rounds[2].target_concentration: belongs to the round '1'",
        ),
        ("  e:\n", "  a/b:\n", "experiments.a/b"),
    ],
)
def test_errors_name_line_and_key(tmp_path, old, new, expected):
    assert old in GOOD
    found = message(tmp_path, GOOD.replace(old, new, 1))
    assert expected in found, found


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "# nothing\n"])
def test_a_configuration_is_a_mapping(tmp_path, text):
    assert "expected a mapping with some of the keys coop" in message(tmp_path, text)


def test_files_that_are_no_text(tmp_path):
    path = tmp_path / "fit.yaml"
    path.write_bytes(b"tables: \xff\n")
    with pytest.raises(InputError, match="UTF-8"):
        load_config(path)
    path.write_bytes(b"tables: \x00\n")
    with pytest.raises(InputError, match="no valid YAML"):
        load_config(path)
    with pytest.raises(InputError, match="no such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path)


def test_aliases_cannot_blow_a_file_up(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        parts = ", ".join([f"*a{number - 1}"] * 9)
        lines.append(f"a{number}: &a{number} [{parts}]")
    assert "too many values" in message(tmp_path, "\n".join(lines))


def test_deep_nesting_is_an_error_not_a_crash(tmp_path):
    assert "fit.yaml" not in message(tmp_path, "[" * 3000)


def test_yaml_tags_run_no_code(tmp_path):
    text = "tables: !!python/object/apply:os.system ['true']\n"
    assert "is no valid YAML" in message(tmp_path, text)


def test_every_constructor_option_of_a_motif_is_there():
    import inspect

    from pyprobound.config import PSAMConfig, PSAMModeConfig
    from pyprobound.layers import PSAM
    from pyprobound.mode import Mode

    options = set(inspect.signature(PSAM).parameters) - {
        "alphabet",
        "in_channels",
        "name",
    }
    assert set(PSAMConfig.model_fields) == options
    options = set(inspect.signature(Mode.from_psam).parameters) - {
        "psam",
        "prev",
        "name",
    }
    own = {"type", "psam", "crop_left", "crop_right"}
    assert set(PSAMModeConfig.model_fields) == options | own


def test_defaults_are_those_of_the_library():
    import inspect

    from pyprobound import config
    from pyprobound.layers import PSAM
    from pyprobound.loss import MultiExperimentLoss
    from pyprobound.mode import Mode
    from pyprobound.optimizer import Optimizer
    from pyprobound.table import CountTable

    for model, function in (
        (config.PSAMConfig, PSAM),
        (config.PSAMModeConfig, Mode.from_psam),
        (config.LossConfig, MultiExperimentLoss),
        (config.OptimizerConfig, Optimizer),
        (config.TableConfig, CountTable),
    ):
        parameters = inspect.signature(function).parameters
        shared = set(model.model_fields) & set(parameters) - {"optimizer"}
        assert len(shared) > 5
        for name in shared:
            default = model.model_fields[name].default
            expected = parameters[name].default
            # A new fit need not repeat what old scripts rely on.
            corrected = name == "mirror" and default == "row"
            given = name in ("alphabet", "kernel_size", "psam")
            if default in ([], {}) or given or corrected:
                continue
            assert default == expected, name


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-9, 9), min_size=1))
def test_symmetry_as_text(ids):
    assert parse_symmetry(",".join(map(str, ids))) == ids
    assert parse_symmetry(" ".join(map(str, ids))) == ids


def test_symmetry_as_letters():
    assert parse_symmetry("ABba") == [1, 2, -2, -1]
    assert parse_symmetry("aBA") == [-1, 2, 1]
    with pytest.raises(ValueError, match="one letter per position"):
        parse_symmetry("1;2")


def test_values_are_checked_in_python_too():
    values = yaml.safe_load(GOOD)
    FitConfig.model_validate(values)
    broken = copy.deepcopy(values)
    broken["modes"]["m"]["psam"] = "{none}"
    with pytest.raises(ValidationError, match=r"there is no motif '\{none\}'"):
        FitConfig.model_validate(broken)
    with pytest.raises(InputError, match=r"^modes.m.psam: there is no motif"):
        validate(broken)


def test_several_errors_are_counted(tmp_path):
    text = GOOD.replace("kernel_size: 8", "kernel_size: 0\n    seed_scale: x")
    assert "(the first of 2 errors)" in message(tmp_path, text)


def test_own_alphabets():
    values = yaml.safe_load(GOOD)
    values["tables"]["ctcf"]["alphabet"] = {
        "alphabet": "ACGTmg",
        "complement": True,
        "encoding": {"Y": ["C", "T"]},
        "color_scheme": {"A": "green"},
    }
    config = validate(values)
    assert config.tables["ctcf"].alphabet.encoding == {"Y": ["C", "T"]}
    values["tables"]["ctcf"]["alphabet"]["complement"] = "perhaps"
    with pytest.raises(
        InputError, match=r"tables\.ctcf\.alphabet\.complement: input shoul"
    ):
        validate(values)
