"""Saving models and bringing them back."""

from __future__ import annotations

import json
import struct

import pandas as pd
import pytest
import safetensors.torch
import torch

from pyprobound.config import validate
from pyprobound.config.build import build
from pyprobound.errors import InputError
from pyprobound.io.model import read_model_file, write_model_file
from pyprobound.workflow import load_model, save_model
from pyprobound.workflow.data import load_data
from pyprobound.workflow.models import empty_tables
from workflow.small_tables import small_values, write_table


@pytest.fixture
def data(tmp_path):
    path = write_table(tmp_path / "small.tsv", n_rows=40)
    other = write_table(tmp_path / "other.tsv", n_rows=30, length=7)
    values = small_values(path)
    values["tables"]["other"] = {"path": str(other), "left_flank": "ACG"}
    values["experiments"]["other"] = {
        **values["experiments"]["small"],
        "table": "other",
    }
    return load_data(validate(values))


def make_model(data):
    torch.manual_seed(1)
    model = build(data.config, data.train)
    with torch.no_grad():
        for parameter in model.loss.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return model


def test_round_trip(data, tmp_path):
    model = make_model(data)
    save_model(tmp_path / "m.safetensors", model)
    before = torch.get_rng_state()
    again = load_model(tmp_path / "m.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert again.config == data.config
    assert again.flank_lengths == ((0, 0), (0, 0))
    expected = model.loss(data.train_tables)
    found = again.loss(data.train_tables)
    assert torch.equal(expected.negloglik, found.negloglik)
    assert torch.equal(expected.regularization, found.regularization)
    shared = [modes["motif"].layers[0].layer_spec for modes in again.modes.values()]
    assert shared[0] is shared[1] is again.psams["motif"]


def test_shared_tensors_are_stored_once(data, tmp_path):
    model = make_model(data)
    save_model(tmp_path / "m.safetensors", model)
    stored = safetensors.torch.load_file(tmp_path / "m.safetensors")
    pointers = {t.data_ptr() for t in model.loss.state_dict().values()}
    assert len(stored) == len(pointers)
    tensors, description = read_model_file(tmp_path / "m.safetensors")
    assert set(tensors) == set(model.loss.state_dict())
    assert description["aliases"]


def test_changed_structure_is_restored(data, tmp_path):
    model = make_model(data)
    model.psams["motif"].update_footprint(1, 1, check_threshold=False)
    save_model(tmp_path / "m.safetensors", model)
    again = load_model(tmp_path / "m.safetensors")
    assert again.psams["motif"].kernel_size == 6
    assert torch.equal(
        again.loss(data.train_tables).negloglik, model.loss(data.train_tables).negloglik
    )


def test_a_loss_needs_its_configuration(data, tmp_path):
    model = make_model(data)
    save_model(tmp_path / "m.safetensors", model.loss, data.config)
    assert load_model(tmp_path / "m.safetensors").config == data.config
    with pytest.raises(InputError, match="together with its configuration"):
        save_model(tmp_path / "n.safetensors", model.loss)
    open_values = small_values(tmp_path / "small.tsv")
    with pytest.raises(InputError, match=r"tables\.small: the configuration must be"):
        save_model(tmp_path / "n.safetensors", model.loss, validate(open_values))
    assert not (tmp_path / "n.safetensors").exists()


def test_other_sequences_can_be_scored(data, tmp_path):
    model = make_model(data)
    save_model(tmp_path / "m.safetensors", model, flank_lengths=[(0, 0), (0, 0)])
    again = load_model(tmp_path / "m.safetensors")
    frame = pd.DataFrame({0: [1], 1: [1]}, index=["ACGTACGTAC"])
    table = again.make_table("small", frame)
    expected = model.modes["small"]["motif"](table.seqs)
    assert torch.equal(again.modes["small"]["motif"](table.seqs), expected)
    with pytest.raises(InputError, match=r"tables\.small"):
        again.make_table("small", frame.set_axis(["ACGTACGTACGT"]))


def test_lengths_come_from_the_configuration_alone(data):
    tables = empty_tables(data.config)
    assert tables["other"].max_read_length == 7
    assert len(tables["other"]) == 0


def write_file(path, metadata, tensors=None):
    safetensors.torch.save_file(
        tensors or {"a": torch.zeros(1)}, path, metadata=metadata
    )


def test_files_of_other_kinds(data, tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(InputError, match="no such file"):
        load_model(path)
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match="no readable safetensors file"):
        load_model(path)
    # A header that claims to be longer than any file.
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(InputError, match="no readable safetensors file"):
        load_model(path)
    write_file(path, {"format": "pt"})
    with pytest.raises(InputError, match="no model of pyprobound"):
        load_model(path)
    write_file(path, None)
    with pytest.raises(InputError, match="no model of pyprobound"):
        load_model(path)
    write_file(path, {"pyprobound": "[1"})
    with pytest.raises(InputError, match="no model of pyprobound"):
        load_model(path)


def test_files_that_contradict_themselves(data, tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model(data))
    tensors, description = read_model_file(path)

    def rewrite(**changes):
        text = json.dumps({**description, **changes})
        stored = safetensors.torch.load_file(path)
        write_file(tmp_path / "n.safetensors", {"pyprobound": text}, stored)

    def failure():
        with pytest.raises(InputError) as caught:
            load_model(tmp_path / "n.safetensors")
        return str(caught.value)

    rewrite(format=99, version="9.9")
    assert "format 99, but this release reads format 1" in failure()
    assert "(9.9)" in failure()
    rewrite(aliases={"x": "y"})
    assert "lacks the tensor" in failure()
    config = json.loads(json.dumps(description["config"]))
    config["psams"]["motif"]["kernel_sise"] = 4
    rewrite(config=config)
    assert "psams.motif.kernel_sise: its configuration is not valid" in failure()
    rewrite(flank_lengths=3)
    assert "its description is damaged" in failure()
    some = dict(list(tensors.items())[1:])
    write_model_file(tmp_path / "n.safetensors", some, description)
    assert "its weights do not fit its configuration" in failure()
