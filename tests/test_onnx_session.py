"""An ONNX file is checked when it is opened, and what runs it is read back."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest

from realishuman.detect.embedded import FOLDER
from realishuman.detect.families import FAMILIES
from realishuman.errors import ModelError
from realishuman.weights.onnx_session import CPU, CUDA, Network, open_session

READER = FAMILIES["face"].reader
FILE = FOLDER / READER.file


def test_an_open_network_says_what_runs_it_and_gives_every_output_by_name():
    session = open_session(FILE, READER.network, provider="cpu")

    out = session.run(image=np.zeros((2, 3, 192, 192), np.float32))

    assert session.provider == CPU
    assert session.note == ""
    assert {name: values.shape for name, values in out.items()} == {
        "landmarks": (2, 1404),
        "presence": (2, 1),
    }


def test_a_fallback_is_reported_as_a_sentence(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])

    session = open_session(FILE, READER.network, provider="cuda")

    assert session.provider == CPU
    assert "CUDA was asked for" in session.note
    assert FILE.name in session.note


def test_the_provider_is_what_the_session_says_not_what_is_listed(monkeypatch):
    """A wheel built for CUDA lists it also on a machine without a GPU."""

    class OnCpu:
        def __init__(self, path, options, providers):
            self.real = real(path, options, providers=[CPU])
            self.asked = providers

        def __getattr__(self, name):
            return getattr(self.real, name)

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", OnCpu)

    automatic = open_session(FILE, READER.network)

    assert automatic._session.asked == [CUDA, CPU]
    assert automatic.provider == CPU
    assert automatic.note == ""


def test_a_missing_file_is_a_model_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match=r"no\.onnx is missing"):
        open_session(tmp_path / "no.onnx", READER.network)


@pytest.mark.parametrize("length", [0, 1, 5000, FILE.stat().st_size - 1])
def test_a_truncated_file_is_a_model_error(tmp_path, length):
    path = tmp_path / "short.onnx"
    path.write_bytes(FILE.read_bytes()[:length])

    with pytest.raises(ModelError, match=f"{length} bytes.*fetch it again"):
        open_session(path, READER.network)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ({"picture": (None, 3, 192, 192)}, None, r"inputs \['image'\], expected \['picture'\]"),
        ({"image": (None, 3, 192)}, None, "input image"),
        ({"image": (None, 3, 224, 224)}, None, "input image"),
        (None, {"landmarks": (None, 1404)}, r"outputs \['landmarks', 'presence'\]"),
        (None, {"landmarks": (None, 63), "presence": (None, 1)}, "output landmarks"),
    ],
)
def test_another_network_is_refused_on_opening(inputs, outputs, message):
    expected = READER.network
    other = Network(inputs or expected.inputs, outputs or expected.outputs)

    with pytest.raises(ModelError, match=message):
        open_session(FILE, other)


def test_an_unknown_provider_is_refused_with_the_known_ones():
    with pytest.raises(ModelError, match="auto, cpu, cuda"):
        open_session(FILE, READER.network, provider="tpu")


def test_a_session_cannot_be_changed():
    session = open_session(FILE, READER.network, provider="cpu")

    with pytest.raises(dataclasses.FrozenInstanceError):
        session.provider = CUDA
