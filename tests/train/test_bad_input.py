"""What cannot work is said in a sentence and ends with the exit code that fits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from realishuman.cli.main import main
from realishuman.errors import SettingsError, TrainingError
from realishuman.files.guard import LOCK, locked, room
from realishuman.train.loop import train
from realishuman.train.shards import Crops
from realishuman.train.stages import run_folder, trainee

OTHER_UNET = {
    "channels": [24, 24],
    "attention": [True, True],
    "layers": 1,
    "context": 16,
    "heads": 2,
    "groups": 8,
}


@pytest.fixture
def run(capsys):
    """A function: run a command of `train` and return its exit code and what it said."""

    def call(*options):
        code = main(["train", *map(str, options)])
        return code, capsys.readouterr().err

    return call


@pytest.fixture
def trained(crops, make_config, tmp_path):
    """A folder with the autoencoder and stage two of the small configuration."""
    config = make_config(tmp_path / "run")
    for name in ("autoencoder", "stage-two"):
        stage = getattr(config, name.replace("-", "_"))
        train(trainee(config, name), stage, run_folder(config, name))
    return tmp_path / "run"


def test_a_pack_of_other_sizes_is_no_beginning(run, crops, config_file, tmp_path, hand_pack):
    config = config_file(tmp_path / "run", autoencoder={"initial": str(hand_pack)})
    code, said = run("autoencoder", "--config", config)

    assert code == 3
    assert "random-hand.safetensors: the tensors of vae.* do not fit the configuration" in said
    assert "Change the sizes under networks" in said


def test_sizes_changed_since_the_last_step_are_refused(run, config_file, trained):
    config = config_file(trained, networks={"stage_two_unet": OTHER_UNET})
    code, said = run("stage-two", "--config", config)
    assert (code, "holds networks of other sizes" in said) == (2, True), said

    vae = {"channels": [8, 8, 24], "layers": 1, "latent_channels": 6, "groups": 4, "scaling": 1.0}
    code, said = run("stage-two", "--config", config_file(trained, networks={"vae": vae}))
    assert (code, "holds an autoencoder of other sizes" in said) == (2, True), said


def test_a_pack_cannot_be_made_of_stages_that_lack_or_of_other_sizes(
    run, config_file, trained, make_config, tmp_path
):
    pack = tmp_path / "p.safetensors"
    code, said = run("pack", "--config", config_file(trained), "-o", pack)
    assert (code, "stage-one has no weights" in said) == (2, True), said

    config = make_config(trained)
    train(trainee(config, "stage-one"), config.stage_one, run_folder(config, "stage-one"))
    other = config_file(trained, networks={"stage_two_unet": OTHER_UNET})
    code, said = run("pack", "--config", other, "-o", pack)
    assert (code, "not those the header promises" in said) == (3, True), said
    assert not pack.exists()


def test_an_autoencoder_without_steps_or_weights_is_refused(run, crops, config_file, tmp_path):
    config = config_file(tmp_path / "run", autoencoder={"steps": 0})
    code, said = run("autoencoder", "--config", config)

    assert code == 2
    assert "has no steps to take" in said


def test_crops_that_are_missing_damaged_or_others_are_refused(run, crops, config_file, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    code, said = run("autoencoder", "--config", config_file(tmp_path / "r", {"folder": str(empty)}))
    assert code == 2
    assert "holds no crops: make some" in said
    code, said = run("autoencoder", "--config", config_file(tmp_path / "r", {"side": 96}))
    assert code == 2
    assert "were made with side 64 instead of 96" in said


def test_a_damaged_file_of_crops_is_named(crops, crops_folder, make_config, tmp_path):
    config = make_config(tmp_path)
    for path in crops_folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SettingsError, match=r"crops-00000000\.npy is damaged or cut off"):
        Crops(tmp_path, config)
    (tmp_path / "crops.json").write_text("{")
    with pytest.raises(SettingsError, match=r"crops\.json is damaged"):
        Crops(tmp_path, config)


def test_an_output_that_is_a_file_is_refused_before_any_work(run, crops, config_file, tmp_path):
    (tmp_path / "file").touch()
    code, said = run("autoencoder", "--config", config_file(tmp_path / "file"))

    assert code == 2
    assert "should be a folder" in said


def test_a_second_run_on_one_folder_is_refused(run, crops, config_file, tmp_path):
    config = config_file(tmp_path / "run")
    with locked(tmp_path / "run/autoencoder", "training"):
        code, said = run("autoencoder", "--config", config)
    assert code == 2
    assert "another process is training in" in said
    assert run("autoencoder", "--config", config)[0] == 0


def test_a_run_that_was_killed_holds_no_lock(tmp_path):
    code = (
        "import os, pathlib, sys\nfrom realishuman.files.guard import locked\n"
        "with locked(pathlib.Path(sys.argv[1]), 'training'):\n    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == 9

    with locked(tmp_path, "training"), pytest.raises(SettingsError, match="another process"):
        with locked(tmp_path, "training"):
            pass


def test_a_drive_without_locks_is_said_and_used(tmp_path, monkeypatch, caplog):
    def unsupported(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", unsupported)
    with locked(tmp_path, "training"):
        assert "without file locks" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError("98304 requested and 0 written"),
        RuntimeError("[enforce fail at inline_container.cc:659] . unexpected pos 64 vs 0"),
    ],
)
def test_every_way_a_full_disk_shows_is_one_sentence(error):
    with pytest.raises(TrainingError, match="runs is full: free some space"):
        with room(Path("runs")):
            raise error
    with pytest.raises(PermissionError):
        with room(Path("runs")):
            raise PermissionError(13, "Permission denied")


def test_a_disk_that_fills_up_ends_training_with_code_1(
    run, crops, config_file, tmp_path, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    code, said = run("autoencoder", "--config", config_file(tmp_path / "run"))
    assert code == 1
    assert "is full: free some space and run the same command again" in said
    left = {path.name for path in (tmp_path / "run/autoencoder").iterdir()}
    assert left - {LOCK} == {"curve.csv"}


def test_latents_that_do_not_fit_on_the_disk_end_with_code_1(
    run, config_file, trained, monkeypatch
):
    def full(*_):
        raise OSError("98304 requested and 0 written")

    monkeypatch.setattr(np, "save", full)
    code, said = run("stage-one", "--config", config_file(trained))
    assert code == 1
    assert "is full" in said


def test_a_count_far_too_large_for_the_disk_is_refused_at_once(run, config_file, tmp_path):
    config = config_file(tmp_path / "out", data={"folder": str(tmp_path / "many")})
    code, said = run("synthesise", "--config", config, "--count", str(10**15))

    assert code == 2
    assert f"GB left but {10**15} crops take" in said
    assert "make fewer" in said
    assert {path.name for path in (tmp_path / "many").iterdir()} - {LOCK} == {"crops.json"}
