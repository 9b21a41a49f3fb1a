"""Writing a state and reading it back."""

import io
import os
from pathlib import Path

import pytest
import torch

from pyprobound import Mode
from pyprobound.alphabets import DNA
from pyprobound.checkpoint import write_atomically
from pyprobound.layers import PSAM, Conv1d, NonSpecific

ALPHABET = DNA()


def make_mode(size=3, length=9, **kwargs):
    psam = PSAM(kernel_size=size, alphabet=ALPHABET)
    return Mode([Conv1d(psam, length, length, length, **kwargs)])


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    write_atomically(path, lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "new"


def test_a_device_is_written_to_and_not_replaced():
    make_mode().save(os.devnull)
    assert not Path(os.devnull).is_file()


def test_a_checkpoint_holds_state_and_metadata(tmp_path):
    path = tmp_path / "mode.pt"
    mode = make_mode()
    mode.save(path, flank_lengths=[(1, 2)])
    content = torch.load(path, weights_only=True)
    assert set(content) == {"state_dict", "metadata"}
    assert set(content["metadata"]) == {"time", "version", "flank_lengths"}
    assert make_mode().reload(path, strict=True)["flank_lengths"] == ((1, 2),)


def test_a_state_brings_its_structure_along():
    mode = make_mode(4, train_posbias=True)
    psam = mode.layers[0].layer_spec
    psam.update_footprint(1, 1)
    mode.update_read_length(left_shift=2, right_shift=1)
    other = make_mode(4, train_posbias=True)
    other.reload_from_state_dict(mode.state_dict(), strict=True)
    other.check_length_consistency()
    assert other.input_shape == 12
    assert other.layers[0].layer_spec.ids == psam.ids
    seqs = ALPHABET.translate("ACGTACGTACGT").unsqueeze(0)
    assert torch.equal(other(seqs), mode(seqs))


def test_torch_loads_a_state_of_the_same_structure():
    mode = make_mode()
    other = make_mode()
    other.load_state_dict(mode.state_dict())
    seqs = ALPHABET.translate("ACGTACGTA").unsqueeze(0)
    assert torch.equal(other(seqs), mode(seqs))
    moved = mode.state_dict()
    moved["layers.0._input_shape"] = torch.tensor(8)
    other.load_state_dict(moved)
    assert other.input_shape == 8


def test_what_is_trainable_stays_so():
    mode = make_mode()
    other = make_mode()
    other.freeze()
    other.reload_from_state_dict(mode.state_dict())
    assert not any(value.requires_grad for value in other.parameters())


def test_values_keep_the_type_of_the_model():
    mode = make_mode().double()
    mode.reload_from_state_dict(make_mode().state_dict())
    assert all(value.dtype == torch.float64 for value in mode.parameters())


def test_d57_names_that_do_not_match_give_a_warning_or_an_error():
    state = make_mode().state_dict()
    del state["log_hill"]
    state["other.value"] = torch.tensor(1.0)
    message = r"1 values are not in the state \(log_hill\).*other\.value"
    with pytest.warns(UserWarning, match=message):
        make_mode().reload_from_state_dict(state)
    with pytest.raises(ValueError, match=message):
        make_mode().reload_from_state_dict(state, strict=True)


def test_d57_a_component_without_parameters_reads_its_state():
    spec = NonSpecific(ALPHABET)
    spec.reload_from_state_dict(spec.state_dict(), strict=True)


def test_a_file_of_another_kind_is_refused():
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    buffer.seek(0)
    with pytest.raises(ValueError, match="not a checkpoint"):
        make_mode().reload(buffer)


def test_a_format_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"'packed' or '1\.5'"):
        make_mode().save(io.BytesIO(), format="2")
