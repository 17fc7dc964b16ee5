"""Places of recorded data, a small pack of random weights, and a detector that needs no network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

from realishuman.detect.base import Part
from realishuman.downloads import fetch, inventory, manifest
from realishuman.imaging.boxes import around
from realishuman.packs.random_pack import random_pack
from realishuman.pipeline.models import Models
from tests.file_server import FileServer, short_list
from tests.recorded import SAMPLES, WITHOUT_SAMPLES

# a busy machine is no fault of ours
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


class FixedDetector:
    """Finds the parts it was given, whatever the picture shows."""

    provider = "none"
    note = ""

    def __init__(self, parts=()):
        self.parts = list(parts)

    def release(self):
        pass

    def detect(self, picture, kinds, *, confidence, given=()):
        return [part for part in self.parts if part.kind in kinds]


class Says:
    """A judge network with these answers in turn; the last is for all others."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def malformed(self, picture, part, mesh):
        self.asked.append(part)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """The networks of the tests are too small to share, and a busy machine makes sharing slow."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def hand_pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("packs") / "random-hand.safetensors"
    random_pack(path, "hand", resolution=128)
    return path


@pytest.fixture(scope="session")
def relabelled():
    """A function: copy a pack to a path with other entries in its header, as text for text."""

    def make(source, target, **changes):
        content = source.read_bytes()
        length = int.from_bytes(content[:8], "little")
        index = json.loads(content[8 : 8 + length])
        header = json.loads(index["__metadata__"]["realishuman"]) | changes
        index["__metadata__"]["realishuman"] = json.dumps(header)
        text = json.dumps(index).encode()
        text += b" " * (-len(text) % 8)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
        return target

    return make


@pytest.fixture(scope="session")
def trained_pack(hand_pack, relabelled, tmp_path_factory):
    """The random hand pack, which says that it is trained."""
    path = tmp_path_factory.mktemp("trained") / "hand.safetensors"
    return relabelled(hand_pack, path, weights="trained", name="mine-hand")


@pytest.fixture(scope="session")
def spoil():
    """A function: damage a pack on the disk so that it is "cut", holds "nan", or is no pack."""

    def damage(path, how):
        content = bytearray(path.read_bytes())
        length = int.from_bytes(content[:8], "little")
        if how == "cut":
            del content[len(content) // 2 :]
        elif how == "nan":  # float16
            content[8 + length :] = b"\x00\x7e" * ((len(content) - 8 - length) // 2)
        elif how == "header":
            content[8 : 8 + length] = content[8 : 8 + length].replace(b'format\\"', b'formal\\"')
        else:
            content[:] = b"no pack"
        path.write_bytes(content)
        return path

    return damage


def open_hand(x, y, size):
    """An open right hand `size` pixels tall with its middle knuckle at (x, y)."""
    fingers = np.array([[-0.45, -0.2, 0.05, 0.28], [0.0, 0.0, 0.0, 0.0]])  # MCP: x and y
    metres = np.zeros((21, 3), np.float32)
    metres[0] = (0.0, 0.95, 0.0)
    metres[1:5, 0] = (-0.3, -0.5, -0.62, -0.7)
    metres[1:5, 1] = (0.75, 0.5, 0.28, 0.08)
    for finger in range(4):
        for joint in range(4):
            length = (0.0, 0.42, 0.68, 0.88)[joint] * (0.95, 1.05, 0.98, 0.78)[finger]
            metres[5 + 4 * finger + joint] = (fingers[0, finger], -length, 0.0)
    metres *= 0.09
    pixels = metres * size / 0.18 + np.array([x, y, 0], np.float32)
    keypoints = pixels.astype(np.float32)
    return Part("hand", "right", around(keypoints), 0.9, keypoints, metres)


@pytest.fixture
def flat_hand():
    """open_hand."""
    return open_hand


@pytest.fixture
def says():
    return Says


@pytest.fixture
def models_of(hand_pack):
    """A function: models with a fixed detector and, by default, the random hand pack."""

    def make(parts, packs=(hand_pack,)):
        from realishuman.backbones.packed import PackedBackbone

        return Models(packs, lambda pack: PackedBackbone(pack, "cpu"), FixedDetector(parts))

    return make


@pytest.fixture
def served(monkeypatch):
    """A server of files, and a short list of model files that lie there, in place of the real."""
    for name in (fetch.OFFLINE, fetch.ENDPOINT, "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FileServer(b"weights" * 50_000).running() as server:
        listed = short_list(server)
        for module in (manifest, inventory):
            monkeypatch.setattr(module, "manifest", lambda: listed)
        yield server


@pytest.fixture
def samples():
    """The folder of sample pictures with published renders; not part of the repository."""
    if not SAMPLES.is_dir():
        pytest.skip(WITHOUT_SAMPLES)
    return SAMPLES
