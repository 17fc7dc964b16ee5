"""What a dry run counts, here and on paper for a GPU that is not here."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from realishuman.cli.main import main
from realishuman.errors import SettingsError
from realishuman.train.dry import (
    count_kept_bytes,
    count_saved_bytes,
    make_untrained,
    random_batch,
    stage_of,
)
from realishuman.train.gpus import gpus, peak
from realishuman.train.on_paper import FREE, UTILISATION, count_need, estimate
from tests.train.versions import needs_torch_2_6

TASKS = ("autoencoder", "stage-one", "stage-two")


def test_what_a_layer_saves_is_its_input_once_and_not_its_weight():
    layer = torch.nn.Linear(8, 3)
    x = torch.randn(4, 8, requires_grad=True)

    result, saved = count_saved_bytes(layer, lambda: layer(x) + layer(x))
    assert saved == 4 * 8 * 4
    result.sum().backward()
    assert x.grad is not None
    assert count_saved_bytes(layer, lambda: layer(x).sin())[1] == 4 * 8 * 4 + 4 * 3 * 4


def test_memory_of_parameters_counts_five_numbers_where_they_are_trained():
    assert count_kept_bytes(every=10, live=3) == 10 * 4 + 3 * 4 * 4  # the rest are weights alone


@pytest.mark.parametrize("task", TASKS)
@needs_torch_2_6
def test_on_paper_it_is_as_large_as_the_same_stage_with_numbers(task, make_config, tmp_path):
    config = make_config(tmp_path)
    stage = stage_of(config, task)
    module = make_untrained(config, task)
    batch = random_batch(config, task, stage.batch, torch.device("cpu"))
    _, saved = count_saved_bytes(module, lambda: module(batch))

    need = count_need(config, task, stage)
    assert need.parameters == sum(p.numel() for p in module.parameters())
    assert need.live == sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert need.operations > 6 * stage.batch * need.live / 4  # an attention's tokens share weights
    assert need.saved == pytest.approx(saved, rel=0.05)  # attention keeps a little more on a CPU


@needs_torch_2_6
def test_twice_the_batch_is_twice_the_work_and_accumulating_halves_what_is_saved(
    make_config, tmp_path
):
    config = make_config(tmp_path)
    stage = config.stage_two
    need = count_need(config, "stage-two", stage)
    twice = count_need(config, "stage-two", replace(stage, batch=8))
    parts = count_need(config, "stage-two", replace(stage, batch=8, accumulate=2))

    assert twice.operations == pytest.approx(2 * need.operations, rel=0.01)
    assert parts.operations == 2 * need.operations
    assert parts.saved == need.saved < twice.saved
    assert parts.kept == twice.kept == need.kept == count_kept_bytes(need.parameters, need.live)


@needs_torch_2_6
def test_half_precision_and_checkpointing_save_memory_on_paper(make_config, tmp_path):
    config = make_config(tmp_path)
    full = count_need(config, "stage-two", config.stage_two)
    half = count_need(config, "stage-two", replace(config.stage_two, precision="bfloat16"))
    again = replace(config.stage_two, gradient_checkpointing=True)
    less = count_need(replace(config, stage_two=again), "stage-two", again)

    assert half.saved < full.saved
    assert half.operations == full.operations
    assert less.saved < full.saved / 2
    assert less.operations > full.operations  # the forward pass is made again


@needs_torch_2_6
def test_weights_to_start_from_are_not_read_on_paper(make_config, tmp_path):
    config = make_config(tmp_path, stage_two={"initial": "not there", "prompt": "nor this"})
    assert count_need(config, "stage-two", config.stage_two).parameters


@needs_torch_2_6
def test_time_and_fit_follow_from_operations_and_memory(make_config, tmp_path):
    config = make_config(tmp_path)
    stage = replace(config.stage_two, steps=1000, precision="float16")
    need = count_need(config, "stage-two", stage)
    gpu = replace(gpus()["T4"], half=need.operations / UTILISATION / 2e12)  # 2 s a step

    said = "\n".join(estimate(config, "stage-two", stage, gpu))
    assert "T4 (16 GiB), float16: estimated, not measured" in said
    assert "2 s, if 35% of" in said
    assert "33.3 min" in said
    assert "fits                yes (14.4 GiB" in said
    assert FREE == 0.1
    none = replace(gpu, memory=0)
    assert "fits                no: shard" in estimate(config, "stage-two", stage, none)[-1]


def test_each_gpu_has_its_peak_and_a_t4_no_bfloat16():
    for half in ("bfloat16", "float16"):
        assert peak(gpus()["H100"], half) == pytest.approx(989.4e12)
    assert peak(gpus()["H100"], "float32") == pytest.approx(66.9e12)
    with pytest.raises(SettingsError, match="T4 does not compute in bfloat16: set precision"):
        peak(gpus()["T4"], "bfloat16")


@needs_torch_2_6
def test_the_command_line_estimates_a_gpu_only_in_a_dry_run(config_file, tmp_path, capsys):
    options = ["train", "stage-one", "--config", config_file(tmp_path / "out"), "--gpu", "h100"]

    assert main([*options, "--dry-run", "--steps", "7"]) == 0
    said = capsys.readouterr().err
    assert "stage-one on one H100 (80 GiB), float32: estimated, not measured" in said
    assert "7 steps" in said
    assert main(options) == 2
    assert "--gpu H100 goes with --dry-run only" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_torch_that_cannot_compute_shapes_alone_is_named(make_config, tmp_path, monkeypatch):
    def lacking(*_):
        raise NotImplementedError("attempted to run this operator with Meta tensors")

    monkeypatch.setattr("realishuman.train.on_paper.count_saved_bytes", lacking)
    config = make_config(tmp_path)

    with pytest.raises(SettingsError, match=r"cannot estimate stage-one .* leave out --gpu"):
        count_need(config, "stage-one", config.stage_one)
