"""Training shared by two processes, as torchrun starts them, on the CPU."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from realishuman.train.folder import RunFolder
from realishuman.train.loop import train
from realishuman.train.stages import run_folder, trainee
from tests.train.versions import needs_torch_2_6

STAGE_TWO = {"steps": 4, "batch": 4, "ema": 0.5, "learning_rate": 1e-2}


def losses(folder):
    with RunFolder(folder).curve_path.open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def start(rank, port, options):
    places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    variables = {name: str(value) for name, value in places.items()}
    environment = os.environ | variables | {"MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "realishuman", *options],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def together(options):
    """Run two processes that train together; exit codes and what both said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [start(rank, port, options) for rank in (0, 1)]
    said = [process.communicate(timeout=300)[1] for process in running]
    return [process.returncode for process in running], said


def test_two_processes_have_the_curve_of_one_with_the_same_whole_batch(
    crops, make_config, config_file, tmp_path
):
    one, two = tmp_path / "one", tmp_path / "two"
    config = make_config(one, stage_two=STAGE_TWO)
    train(trainee(config, "autoencoder"), config.autoencoder, run_folder(config, "autoencoder"))
    shutil.copytree(one, two)
    train(trainee(config, "stage-two"), config.stage_two, run_folder(config, "stage-two"))
    codes, said = together(
        ["train", "stage-two", "--config", config_file(two, stage_two=STAGE_TWO)]
    )

    assert codes == [0, 0], said
    assert "4 steps done" in said[0]
    expected = losses(one / "stage-two")
    assert expected[-1] != expected[0]
    assert losses(two / "stage-two") == pytest.approx(expected, rel=1e-3)
    weights = [load_file(folder / "stage-two/weights.safetensors") for folder in (one, two)]
    for name, tensor in weights[0].items():
        assert (tensor - weights[1][name]).abs().max() < 2e-3, name


@needs_torch_2_6
def test_split_networks_have_the_curve_of_whole_ones_go_on_and_are_written_whole(
    crops, make_config, config_file, tmp_path
):
    """Stage one has frozen weights, some without gradient, and a preview painted with them all."""
    stage = {"steps": 4, "batch": 4, "ema": 0.5, "learning_rate": 1e-2, "sample_every": 3}
    one, two = tmp_path / "one", tmp_path / "two"

    def alone(folder, steps):
        config = make_config(folder, stage_one={**stage, "steps": steps})
        train(trainee(config, "stage-one"), config.stage_one, run_folder(config, "stage-one"))

    config = make_config(one)
    train(trainee(config, "autoencoder"), config.autoencoder, run_folder(config, "autoencoder"))
    shutil.copytree(one, two)
    alone(one, 4)
    alone(two, 1)
    options = {**stage, "steps": 3, "shard": True}
    codes, said = together(["train", "stage-one", "--config", config_file(two, stage_one=options)])
    assert codes == [0, 0], said
    alone(two, 4)

    assert "goes on from step 1" in said[0]
    expected = losses(one / "stage-one")
    assert expected[-1] != expected[0]
    assert losses(two / "stage-one") == pytest.approx(expected, rel=1e-3)
    weights = [load_file(folder / "stage-one/weights.safetensors") for folder in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    for name, tensor in weights[0].items():
        assert tensor.shape == weights[1][name].shape
        apart = (tensor - weights[1][name]).abs()
        assert apart.mean() < 5e-5, name
        assert apart.max() < 5e-3, name  # Adam turns a rounded gradient's sign into half a step
    assert (two / "stage-one/samples/0000003.png").is_file()
