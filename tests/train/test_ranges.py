"""Numbers that no run can have are refused before any work, with file and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from realishuman.cli.main import main
from realishuman.errors import SettingsError
from realishuman.train.config_file import parse_config, read_config

ROOT = Path(__file__).parents[2]
LEAST = {"output": "out", "pack": {"name": "x"}, "data": {"folder": "f"}}


def test_the_papers_and_the_demos_numbers_are_possible():
    parse_config(LEAST, "here")
    assert read_config(ROOT / "examples/demo.toml").pack.name == "demo-hand"


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("stage_one", {"steps": 1, "save_every": 0}, "stage_one.save_every must be at least 1"),
        ("stage_one", {"steps": 1, "sample_every": -2}, "sample_every must be at least 1, not -2"),
        ("stage_two", {"steps": 1, "learning_rate": -1.0}, "learning_rate must be above 0"),
        (
            "stage_two",
            {"steps": 1, "learning_rate": float("nan")},
            "rate must be a number, not nan",
        ),
        ("stage_two", {"steps": 1, "learning_rate": 1e38}, "above 0 and at most 1, not 1e"),
        ("stage_two", {"steps": 1, "weight_decay": -0.1}, "weight_decay must be at least 0"),
        ("autoencoder", {"steps": 1, "warmup": -3}, "autoencoder.warmup must be at least 0"),
        ("autoencoder", {"steps": 1, "decay": 2}, "decay must be a number from 0 to 1, not 2.0"),
        ("autoencoder", {"steps": 1, "clip": 0}, "clip must be above 0, not 0.0"),
        ("autoencoder", {"steps": 1, "clip": float("inf")}, "clip must be a number, not inf"),
        ("autoencoder", {"steps": 1, "seed": -1}, "seed must be a whole number from 0 to"),
        ("data", {"folder": "f", "held_out": -1}, "data.held_out must be at least 0"),
        ("data", {"folder": "f", "shift": -0.1}, "data.shift must be a number from 0 to 1"),
        ("data", {"folder": "f", "pose_noise": -0.1}, "data.pose_noise must be at least 0"),
        ("data", {"folder": "f", "margin": [2, 1.5]}, "from 2.0 to 1.5: put the smaller"),
        ("data", {"folder": "f", "margin": [0.5, 2]}, "data.margin must be a number from 1.2 to 6"),
        ("data", {"folder": "f", "erode": [20, 0]}, "from 20 to 0: put the smaller"),
        ("networks", {"pose": [0, 8, 8, 8]}, "networks.pose must be at least 1, not 0"),
        (
            "stage_one",
            {"steps": 1, "dino_positions": "newer"},
            "dino_positions must be one of old, new, not",
        ),
        ("stage_one", {"steps": 1, "drop": 1}, "drop must be at least 0 and below 1, not 1.0"),
        ("data", {"folder": "f", "variants": 0}, "data.variants must be at least 1, not 0"),
        ("pack", {"name": "x", "kind": "foot"}, "pack.kind must be one of hand, face, not 'foot'"),
        ("judge", {"count": 0}, "judge.count must be at least 1"),
        ("scorer", {"stage": {"steps": 1, "save_every": 0}}, "scorer.stage.save_every must be"),
        ("judge", {"stage": {"steps": 1, "batch": 0}}, "judge.stage.batch must be at least 1"),
        (
            "corrector",
            {"stage": {"steps": 1, "precision": "int8"}},
            "stage.precision must be one of float32",
        ),
    ],
)
def test_a_number_out_of_its_range_is_named_with_the_range(table, change, said):
    with pytest.raises(SettingsError, match=f"^here: .*{said}"):
        parse_config(LEAST | {table: change}, "here")


@pytest.mark.parametrize(
    ("table", "change", "said"),
    [
        ("data", {"folder": "f", "margin": [1.5]}, "margin must be a list of 2 numbers, not"),
        ("data", {"folder": "f", "margin": ["a", "b"]}, "margin must be a number, not 'a'"),
        ("data", {"folder": "f", "margin": 2}, "margin must be a list of 2 numbers, not 2"),
        ("data", {"folder": "f", "erode": [0.5, 3]}, "erode must be a whole number, not 0.5"),
        ("networks", {"pose": []}, "pose must be a list of whole numbers, not"),
        ("networks", {"pose": [4, "8", 8, 8]}, "pose must be a whole number, not '8'"),
        ("stage_one", {"steps": True}, "steps must be a whole number, not True"),
        ("stage_one", {"steps": 1, "visited": 1.5}, "visited must be a whole number, not 1.5"),
    ],
)
def test_every_value_in_a_list_must_be_of_its_kind(table, change, said):
    with pytest.raises(SettingsError, match=said):
        parse_config(LEAST | {table: change}, "here")


def test_whole_numbers_become_fractions_within_lists_as_well():
    config = parse_config(LEAST | {"data": {"folder": "f", "margin": [2, 3]}}, "here")
    assert config.data.margin == (2.0, 3.0)
    assert all(type(side) is float for side in config.data.margin)


@pytest.mark.parametrize("task", [["synthesise", "--count", "1"], ["prepare", "."], ["stage-one"]])
def test_what_no_pack_can_be_is_a_fault_of_the_configuration(task, config_file, tmp_path, capsys):
    unet = {"channels": [16, 25], "attention": [True, True], "layers": 1}
    unet |= {"context": 16, "heads": 2, "groups": 8}
    path = config_file(tmp_path / "run", networks={"unet": unet})

    assert main(["train", *task, "--config", path]) == 2
    said = capsys.readouterr().err
    assert "the configuration: unet: channels (16, 25) cannot be divided into 8; change it" in said
    assert not (tmp_path / "run").exists()
