"""A very small training set-up: 12 crops of 32 px, networks of a few thousand numbers."""

from __future__ import annotations

import pytest

from realishuman.train.config import parse_config
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


@pytest.fixture(scope="session")
def make_config(crops_folder):
    """A function: the small configuration with its output in a folder; stages may be changed."""

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
        return parse_config(raw, "test")

    return make


@pytest.fixture(scope="session")
def crops(crops_folder, make_config):
    config = make_config(crops_folder)
    synthesise(config, 12, workers=1)
    return Crops(crops_folder, config)
