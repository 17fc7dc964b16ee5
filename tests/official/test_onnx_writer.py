"""Networks are written as ONNX with their weights beside them, whole or not at all."""

from __future__ import annotations

import errno
import shutil
from collections import namedtuple

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from realishuman.errors import ModelError
from realishuman.onnx_files.session import open_session
from realishuman.onnx_files.writer import weights_of, whole_pair, write_onnx
from realishuman.progress import Interrupted, Silent


class Small(nn.Module):
    """Two matrices, one of them used in two ways, and what Linear adds."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.matrix = nn.Parameter(torch.arange(9.0).reshape(3, 3) / 7)

    def forward(self, x):
        x = self.layer(x[:, None])
        return x @ self.matrix + x @ self.matrix.T


class Stops(Silent):
    """Ends the work after the first weight."""

    def __init__(self, error):
        self.error = error

    def step(self, count=1):
        raise self.error


def write(target, progress=None, net=None, half=lambda _name, _values: False):
    torch.manual_seed(0)
    net = (net or Small()).eval()
    with whole_pair(target) as draft:
        write_onnx(
            net,
            {"x": torch.zeros(1, 4)},
            ["y"],
            draft,
            half=half,
            constants={"three": torch.full((2,), 3.0)},
            note={"source": "a test"},
            progress=progress or Silent(),
        )
    return net


def run(target, x):
    return open_session(target, None, provider="cpu").run(x=x.numpy())


def test_what_is_written_computes_the_same_for_any_batch(tmp_path):
    x = torch.randn(5, 4)

    net = write(tmp_path / "small.onnx")

    found = run(tmp_path / "small.onnx", x)
    np.testing.assert_allclose(found["y"], net(x).detach().numpy(), rtol=0, atol=1e-6)
    assert found["three"].tolist() == [3, 3]


def test_float16_weights_are_computed_with_as_float32(tmp_path):
    x = torch.randn(5, 4)

    net = write(tmp_path / "small.onnx", half=lambda name, _values: name != "layer.bias")

    rounded = Small()
    rounded.load_state_dict({n: v.half().float() for n, v in net.state_dict().items()})
    rounded.layer.bias = net.layer.bias
    found = run(tmp_path / "small.onnx", x)["y"]
    np.testing.assert_allclose(found, rounded(x).detach().numpy(), rtol=0, atol=1e-6)
    model = onnx.load(tmp_path / "small.onnx", load_external_data=False)
    kinds = {one.name: one.data_type for one in model.graph.initializer}
    assert kinds["layer.bias"] == kinds["three.constant"] == onnx.TensorProto.FLOAT
    assert kinds["layer.weight"] == kinds["matrix"] == onnx.TensorProto.FLOAT16


def test_a_weight_too_large_for_float16_stays_float32(tmp_path):
    net = Small()
    net.matrix.data[0, 0] = 1e6
    x = torch.randn(5, 4)

    write(tmp_path / "small.onnx", net=net, half=lambda _name, _values: True)

    found = run(tmp_path / "small.onnx", x)["y"]
    np.testing.assert_allclose(found, net(x).detach().numpy(), rtol=2e-3, atol=1)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("error", [Interrupted, KeyboardInterrupt])
def test_an_interrupted_export_leaves_what_was_there(tmp_path, before, error):
    target = tmp_path / "small.onnx"
    if before:
        target.write_bytes(b"old")
        weights_of(target).write_bytes(b"older")

    with pytest.raises(error):
        write(target, Stops(error()))

    names = ["small.onnx", "small.onnx.data"] if before else []
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    if before:
        assert target.read_bytes() == b"old"
        assert weights_of(target).read_bytes() == b"older"


def test_an_export_replaces_an_older_one(tmp_path):
    target = tmp_path / "small.onnx"
    target.write_bytes(b"old")
    weights_of(target).write_bytes(b"older")

    write(target)

    assert run(target, torch.zeros(1, 4))["three"].tolist() == [3, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.onnx", "small.onnx.data"]


def test_too_small_a_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10**9, 10**9, 1000))

    with pytest.raises(ModelError, match=r"has 0.00 GB left but small.onnx takes 0.00 GB: free"):
        write(tmp_path / "small.onnx")
    assert not list(tmp_path.iterdir())


def test_a_disk_that_fills_up_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"is full.*nothing is left of it"):
        write(tmp_path / "small.onnx", Stops(OSError(errno.ENOSPC, "No space left on device")))
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match="is not a folder"):
        write(tmp_path / "none" / "small.onnx")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    net = Small()
    net.layer.weight.data[0, 0] = float("nan")

    with pytest.raises(ModelError, match=r"layer.weight holds NaN"):
        write(tmp_path / "small.onnx", net=net)
    assert not list(tmp_path.iterdir())
