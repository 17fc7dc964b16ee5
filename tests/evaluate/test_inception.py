from __future__ import annotations

import hashlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from realishuman.errors import SettingsError
from realishuman.evaluate import inception
from realishuman.evaluate.distances import DISTANCES
from realishuman.evaluate.inception import Inception


@pytest.fixture
def library(monkeypatch):
    """Stands for torch-fidelity: features are the mean colour times the weights."""

    class Extractor(torch.nn.Module):
        def __init__(self, name, features, feature_extractor_weights_path):
            super().__init__()
            assert (name, features) == ("inception-v3-compat", ["2048"])
            self.scale = torch.nn.Parameter(torch.zeros(3))
            self.load_state_dict(torch.load(feature_extractor_weights_path))

        def forward(self, images):
            assert images.dtype is torch.uint8
            return (images.float().mean(dim=(2, 3)) * self.scale,)

    module = SimpleNamespace(FeatureExtractorInceptionV3=Extractor)
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"scale": torch.tensor([1.0, 2.0, 3.0])}, path)
    return path


def test_features_are_those_of_the_library_with_the_named_file(library, weights):
    features = Inception(weights)(np.full((224, 224, 3), 10, np.uint8))

    np.testing.assert_allclose(features, [10, 20, 30])
    assert features.dtype == np.float32


def test_only_the_published_weights_give_fid_and_kid(library, weights, monkeypatch):
    other = Inception(weights)
    begin = hashlib.sha256(weights.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(inception, "PUBLISHED", begin)
    known = Inception(weights)

    assert other.terms == DISTANCES
    assert "not those FID is defined on" in other.name
    assert known.terms == ("FID", "KID")


def test_a_missing_file_another_file_and_a_missing_library_are_said_so(
    library, weights, tmp_path, monkeypatch
):
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("nothing")

    with pytest.raises(SettingsError, match=r"none\.pth is missing"):
        Inception(tmp_path / "none.pth")
    for name in ("other.pth", "text.pth"):
        with pytest.raises(SettingsError, match="does not hold Inception's weights"):
            Inception(tmp_path / name)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(SettingsError, match=r"pip install .*torch-fidelity"):
        Inception(weights)


def test_a_file_that_would_run_code_is_refused(library, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    torch.save(Evil(), tmp_path / "evil.pth")

    with pytest.raises(SettingsError, match="does not hold"):
        Inception(tmp_path / "evil.pth")
    assert not (tmp_path / "made").exists()
