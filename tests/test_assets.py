"""Every binary file we ship is the one we recorded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

ASSETS = Path(__file__).parents[1] / "realishuman" / "assets"
LISTED = json.loads((ASSETS / "checksums.json").read_text("utf-8"))


def test_every_binary_asset_is_listed():
    present = {
        path.relative_to(ASSETS).as_posix()
        for path in ASSETS.rglob("*")
        if path.suffix in {".onnx", ".npz", ".safetensors"}
    }

    assert present == set(LISTED)


@pytest.mark.parametrize("name", sorted(LISTED))
def test_the_file_has_the_recorded_checksum(name):
    assert hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() == LISTED[name]


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_licence_and_its_provenance_lie_next_to_it(name):
    folder = (ASSETS / name).parent

    assert (folder / "LICENSE").is_file()
    assert (folder / "README.md").is_file()
