from __future__ import annotations

from pathlib import Path

import pytest

from realishuman.errors import SettingsError
from realishuman.train.assemble import header
from realishuman.train.config_file import parse_config, read_config

ROOT = Path(__file__).parents[2]
LEAST = {"output": "out", "pack": {"name": "x"}, "data": {"folder": "f"}}


def test_what_is_left_out_is_the_papers():
    config = parse_config(LEAST, "here")

    assert (config.stage_one.steps, config.stage_one.batch) == (50_000, 5)
    assert (config.stage_two.steps, config.stage_two.batch) == (20_000, 16)
    assert config.stage_one.learning_rate == 5e-5
    assert config.stage_one.drop == 0.01
    assert config.networks.unet.channels == (320, 640, 1280, 1280)
    assert config.networks.factor == 8
    assert header(config).weights == "trained"  # a demo says so itself


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stage_one": {"steps": 1, "rate": 2}}, "unknown keys: rate; known are steps, batch"),
        ({"data": {}}, "data lacks folder"),
        ({"pack": {"name": 3}}, "pack: name must be text, not 3"),
        ({"stage_two": {"steps": 1, "drop": "no"}}, "stage_two: drop must be a number"),
        ({"pack": {"name": "x", "resolution": 100}}, "multiple of 64"),
        ({"stage_one": {"steps": 1, "batch": 5, "accumulate": 2}}, "multiple of accumulate"),
        ({"stage_one": {"steps": 1, "precision": "int8"}}, "precision"),
        ({"networks": {"pose": [1, 2]}}, "pose must have 4 widths"),
        ({"schedule": {"spacing": "trailing"}}, "epsilon cannot be sampled"),
        (
            {"schedule": {"prediction": "v_prediction"}, "stage_one": {"steps": 1, "min_snr": 5}},
            "would not be trained",
        ),
        ({"networks": 3}, "must be a table"),
        ({"corrector": {"widths": [8, 8, 8]}}, "widths must be a list of 4 whole numbers"),
        ({"pack": {"name": "x", "mesh": "own"}}, "pack.mesh must be one of embedded"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(change, said):
    with pytest.raises(SettingsError, match=said):
        parse_config(LEAST | change, "here")


def test_a_file_that_is_missing_or_no_toml_is_refused(tmp_path):
    (tmp_path / "bad.toml").write_text("output = [", encoding="utf-8")
    with pytest.raises(SettingsError, match="is not TOML"):
        read_config(tmp_path / "bad.toml")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_config(tmp_path / "none.toml")


def test_the_demo_configuration_makes_a_pack_of_its_own_sampling():
    config = read_config(ROOT / "examples/demo.toml")

    assert header(config).steps == 1
    assert header(config).weights == "demo"
    assert config.pack.resolution // config.networks.factor == 16
