"""safetensors files and what torch.save wrote are read as their own libraries read them."""

from __future__ import annotations

import json
import os
import struct
from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from realishuman.errors import PackError
from realishuman.files import steady
from realishuman.packs.checkpoint import open_checkpoint
from realishuman.packs.tensor_file import DTYPES, TensorFile
from realishuman.packs.torch_zip import PickleRefusedError, TorchZip


def values(dtype):
    made = torch.arange(-3, 9, dtype=torch.float32).reshape(3, 4)
    return made.to(dtype) if dtype is not torch.uint8 else made.abs().to(dtype)


@pytest.fixture
def stored(tmp_path):
    """A file with a tensor of each type, a number and an empty one, and what it holds."""
    tensors = {name: values(dtype) for name, dtype in DTYPES.items()}
    tensors |= {"number": torch.tensor(2.5), "empty": torch.zeros(0, 4)}
    save_file(tensors, tmp_path / "a.safetensors", metadata={"some": "text"})
    return TensorFile.open(tmp_path / "a.safetensors"), tensors


def test_every_type_is_read_as_the_library_reads_it(stored):
    file, tensors = stored
    theirs = load_file(file.path)

    assert file.metadata == {"some": "text"}
    assert file.tensors.keys() == tensors.keys()
    with file.reading() as read:
        for name, wanted in theirs.items():
            assert read(name).dtype is wanted.dtype
            assert torch.equal(read(name), wanted), name


def test_tensors_do_not_follow_the_file(stored):
    file, tensors = stored
    found = file.read("F32")

    os.truncate(file.path, 100)

    assert torch.equal(found, tensors["F32"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: os.truncate(path, 100), "incomplete: it has 100 of"),
        (lambda path: path.write_bytes(path.read_bytes() + b"0"), "was changed"),
        (lambda path: os.utime(path, ns=(1, 1)), "was changed"),
        (lambda path: path.unlink(), "does not exist"),
    ],
)
def test_a_file_that_changes_while_it_is_read_is_noticed(stored, change, message):
    file, _ = stored

    with pytest.raises(PackError, match=message), file.reading() as read:
        read("F32")
        change(file.path)
        read("F16")
        if not file.path.exists():  # what is open is read on, and missed next time
            file.read("F32")


def test_another_file_of_the_same_size_and_time_is_noticed(stored):
    file, tensors = stored
    before = file.path.stat()
    save_file(tensors, file.path, metadata={"some": "tent"})
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.path.stat().st_size == before.st_size

    with pytest.raises(PackError, match="was changed or replaced"):
        file.read("F32")


def test_too_little_memory_is_a_sentence(stored, monkeypatch):
    def refuse(*_args, **_named):
        raise RuntimeError("DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(steady.torch, "empty", refuse)

    with pytest.raises(PackError, match=r"MB of memory left\. Close other programs"):
        stored[0].read("F32")


def test_a_drive_that_goes_away_is_a_sentence(stored, monkeypatch):
    def fail(_file):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(steady, "_stamp", fail)

    with pytest.raises(PackError, match=r"cannot be read \(Input/output error\): is its drive"):
        stored[0].read("F32")


def with_index(path, index, size=64):
    text = json.dumps(index).encode() if not isinstance(index, bytes) else index
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(size))
    return path


ONE = {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"a": ONE | {"dtype": "F8"}}, "type F8 cannot be read"),
        ({"a": ONE | {"shape": [4, 5]}}, "64 bytes cannot hold"),
        ({"a": ONE | {"shape": [-4, -4]}}, "whole numbers"),
        ({"a": ONE | {"data_offsets": [8, 72]}}, "begins at byte"),
        ({"a": ONE, "b": ONE}, "begins at byte"),
        ({"a": {}}, "header.*dtype"),
        ({"a": 5}, "no readable safetensors header"),
        ([], "no readable safetensors header"),
        (b"{" * 5000, "no readable safetensors header"),
        ({}, "is damaged: it has"),
    ],
)
def test_a_header_without_sense_is_refused(tmp_path, index, message):
    with pytest.raises(PackError, match=message):
        TensorFile.open(with_index(tmp_path / "a.safetensors", index))


@settings(max_examples=60)
@given(
    content=st.binary(max_size=300), mark=st.sampled_from([b"", b"PK\x03\x04", b"\x10" + bytes(7)])
)
def test_any_bytes_are_refused_with_a_sentence(tmp_path_factory, content, mark):
    path = tmp_path_factory.mktemp("any") / "a.ckpt"
    path.write_bytes(mark + content)

    with pytest.raises(PackError, match=r"a\.ckpt"):
        TensorFile.open(path)
    with pytest.raises(PackError, match=r"a\.ckpt"):
        open_checkpoint(path, "a file")


def test_what_torch_saved_is_read_as_torch_reads_it(tmp_path):
    path = tmp_path / "a.ckpt"
    base = torch.arange(24.0).reshape(4, 6)
    table = OrderedDict(
        plain=base,
        turned=base.t(),
        part=base[1:3, 2:5],
        last=base[-1],
        number=torch.tensor(7.0),
        empty=torch.zeros(0, 3),
        spread=torch.ones(1, 3).expand(5, 3),
        parameter=nn.Parameter(torch.ones(2)),
        **{str(dtype): values(dtype) for dtype in DTYPES.values()},
    )
    table._metadata = {"version": 1}
    torch.save({"state_dict": table, "global_step": 12}, path)
    theirs = torch.load(path, weights_only=True)["state_dict"]

    found = open_checkpoint(path, "a file")

    assert found.step == 12
    assert found.shapes == {name: tuple(one.shape) for name, one in theirs.items()}
    for name, wanted in theirs.items():
        assert found.load(name).dtype is wanted.dtype
        assert torch.equal(found.load(name), wanted), name


def test_a_checkpoint_that_changes_is_noticed(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"a": torch.ones(1000)}, path)
    found = open_checkpoint(path, "a file")
    assert found.load("a").sum() == 1000

    os.truncate(path, 900)

    with pytest.raises(PackError, match="incomplete: it has 900 of"):
        found.load("a")


class Evil:
    def __reduce__(self):
        return os.getcwd, ()


def test_a_name_that_is_not_in_the_table_is_refused(tmp_path):
    torch.save({"a": torch.ones(2), "b": Evil()}, tmp_path / "a.ckpt")

    with pytest.raises(PickleRefusedError, match="getcwd"):
        TorchZip.open(tmp_path / "a.ckpt", {})
