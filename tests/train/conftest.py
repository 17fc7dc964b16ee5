"""A very small training set-up: 12 crops of 32 px, networks of a few thousand numbers."""

from __future__ import annotations

import json

import pytest

from realishuman.train.config_file import parse_config
from realishuman.train.shards import Crops, synthesise

UNET = {
    "channels": [16, 24],
    "attention": [True, True],
    "layers": 1,
    "context": 16,
    "heads": 2,
    "groups": 8,
}


@pytest.fixture(scope="session")
def crops_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("crops")


def toml(value):
    """A value, or a table within a line, as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)


@pytest.fixture(scope="session")
def raw_config(crops_folder):
    """A function: the small configuration as tables."""

    def make(output, **stages):
        raw = {
            "output": str(output),
            "pack": {"name": "tiny", "resolution": 32, "steps": 2, "guidance": 1.0},
            "data": {"folder": str(crops_folder), "side": 64, "held_out": 2},
            "networks": {
                "pose": [4, 8, 8],
                "prompt": 1,
                "unet": UNET,
                "stage_two_unet": UNET,
                "vae": {
                    "channels": [8, 8, 16],
                    "layers": 1,
                    "latent_channels": 6,
                    "groups": 4,
                    "scaling": 1.0,
                },
                "image_encoder": {"width": 16, "depth": 1, "heads": 2, "patch": 8, "side": 32},
            },
            "schedule": {"prediction": "v_prediction", "spacing": "trailing"},
        }
        for name in ("autoencoder", "stage_one", "stage_two"):
            raw[name] = {"steps": 2, "batch": 4, "learning_rate": 1e-3} | stages.get(name, {})
        return raw

    return make


@pytest.fixture(scope="session")
def make_config(raw_config):
    """A function: the small configuration with its output in a folder; stages may be changed."""
    return lambda output, **stages: parse_config(raw_config(output, **stages), "test")


@pytest.fixture
def config_file(raw_config, tmp_path):
    """A function: the same as a file; `data` and `networks` may be changed as well."""

    def make(output, data=(), networks=(), **stages):
        raw = raw_config(output, **stages)
        raw["data"] |= dict(data)
        raw["networks"] |= dict(networks)
        path = tmp_path / "config.toml"
        lines = [f"{name} = {toml(value)}\n" for name, value in raw.items()]
        path.write_text("".join(lines), encoding="utf-8")
        return str(path)

    return make


@pytest.fixture(scope="session")
def crops(crops_folder, make_config):
    config = make_config(crops_folder)
    synthesise(config, 12, workers=1)
    return Crops(crops_folder, config)
