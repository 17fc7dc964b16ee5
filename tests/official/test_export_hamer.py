"""The exported network computes what torch does, and is written whole or not at all."""

from __future__ import annotations

import shutil

import numpy as np
import onnx
import pytest
import torch

from realishuman.errors import ModelError
from realishuman.mesh.hamer import HAMER
from realishuman.official import export_hamer as module
from realishuman.official.export_hamer import export_hamer
from realishuman.official.hamer import build_hamer, open_hamer
from realishuman.official.mano_file import read_mano
from realishuman.onnx_files.session import open_session
from realishuman.onnx_files.writer import weights_of


class Counts:
    def __init__(self):
        self.stages = {}

    def begin(self, stage, total):
        self.stage = stage
        self.stages[stage] = [total, 0]

    def step(self, count=1):
        self.stages[self.stage][1] += count


def test_the_exported_network_computes_what_torch_does(hamer_files, hamer_onnx):
    crops = torch.randn(3, 3, 256, 256, generator=torch.Generator().manual_seed(5))
    hand = read_mano(hamer_files[1], accept_unknown=True)
    net = build_hamer(open_hamer(hamer_files[0]), hand)

    found = open_session(hamer_onnx.path, HAMER, provider="cpu").run(crop=crops.numpy())
    with torch.no_grad():
        wanted = net(crops)

    for name, values in zip(("vertices", "joints", "camera"), wanted, strict=True):
        np.testing.assert_allclose(found[name], values.numpy(), rtol=0, atol=2e-6, err_msg=name)
    assert np.array_equal(found["faces"], hand.faces)


def test_float16_weights_cost_less_than_a_tenth_of_a_millimetre(hamer_files, hamer_onnx, tmp_path):
    progress = Counts()

    half = export_hamer(*hamer_files, tmp_path / "h.onnx", progress, accept_unknown=True)

    assert 0 < half.difference < 1e-4
    assert hamer_onnx.difference < 1e-6
    assert half.size < hamer_onnx.size
    assert all(total == done for total, done in progress.stages.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["h.onnx", "h.onnx.data"]


def test_the_graph_is_small_and_holds_no_weights(hamer_onnx):
    model = onnx.load(hamer_onnx.path, load_external_data=False)

    assert hamer_onnx.path.stat().st_size < 200_000
    assert all(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer)
    assert model.opset_import[0].version == 17
    assert {prop.key for prop in model.metadata_props} >= {"network", "source"}
    onnx.checker.check_model(str(hamer_onnx.path))


def test_both_files_can_be_moved_together(hamer_onnx, tmp_path):
    for path in (hamer_onnx.path, weights_of(hamer_onnx.path)):
        shutil.copy(path, tmp_path)

    open_session(tmp_path / hamer_onnx.path.name, HAMER, provider="cpu")


def test_a_checkpoint_changed_by_one_bit_needs_consent(hamer_files, tmp_path, monkeypatch):
    checkpoint, mano = hamer_files
    monkeypatch.setattr("realishuman.official.mano_file.SHA256", sha256(mano))
    monkeypatch.setattr("realishuman.official.hamer.SHA256", sha256(checkpoint))
    monkeypatch.setattr(module, "write_onnx", None)  # the official files get as far as this
    with pytest.raises(TypeError):
        export_hamer(checkpoint, mano, tmp_path / "hamer.onnx")
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    tampered = tmp_path / "hamer.ckpt"
    tampered.write_bytes(content)

    with pytest.raises(ModelError, match=r"not the official file.*--accept-unknown.*fetch_demo"):
        export_hamer(tampered, mano, tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def sha256(path):
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wrong_export_is_not_kept(hamer_files, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ALLOWED", 1e-12)

    with pytest.raises(ModelError, match="differs from the original by"):
        export_hamer(*hamer_files, tmp_path / "hamer.onnx", accept_unknown=True)
    assert not list(tmp_path.iterdir())
