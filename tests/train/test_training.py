"""The stages on real crops: they learn, and what they write is a pack that repairs pictures."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from realishuman.cli.main import main
from realishuman.diffusion import stage_one
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.errors import SettingsError
from realishuman.pipeline.refine import refine
from realishuman.progress import Silent
from realishuman.settings import Settings
from realishuman.train.assemble import assemble
from realishuman.train.config import Stage
from realishuman.train.data import StageOneData
from realishuman.train.folder import RunFolder
from realishuman.train.latents import Latents
from realishuman.train.loop import Trainee, train
from realishuman.train.networks import StageOne, StageTwo
from realishuman.train.stages import run_folder, trainee


class Squeezed:
    """An autoencoder that averages blocks of 4 pixels; its latents need no network."""

    def encode(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).repeat(1, 2, 1, 1)


def losses(folder):
    with folder.curve_path.open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_stage_one_learns_eight_samples_by_heart(crops, make_config, tmp_path):
    config = make_config(tmp_path)
    stage = Stage(steps=90, batch=8, learning_rate=1e-2, warmup=10, decay=0.5, drop=0.0)
    config = replace(
        config, stage_one=stage, data=replace(config.data, variants=1, held_out=4)
    )  # 8 of 12 crops are trained on
    latents = Latents(crops, config, "stage-one", Squeezed(), tmp_path / "latents")
    module, data = StageOne(config), StageOneData(crops, latents, config, stage)
    folder = RunFolder(tmp_path / "run")

    def batch(numbers):  # from pure noise, where the condition is all there is
        made = data.batch(numbers)
        return replace(made, timesteps=torch.full_like(made.timesteps, 999))

    train(Trainee("one", module, batch, module.pack_tensors), stage, folder)

    found = losses(folder)
    assert np.mean(found[-10:]) < 0.1 * found[0]
    rows = data.batch(range(8))
    with torch.no_grad():
        pose = module.pose_guider(rows.pose)
        context = module.projector(module.image_encoder(rows.seen))
        painted = stage_one.sample(
            module.networks(Squeezed()),
            stage_one.Prepared(rows.reference, pose, pose, context),
            Sampling(steps=1, guidance=1.0),
            PartNoise(0, range(8), "test"),
            Silent(),
        )
    error = (painted - rows.clean).square().mean(dim=(1, 2, 3))
    others = (painted - rows.clean.roll(1, 0)).square().mean(dim=(1, 2, 3))
    assert (error < 0.3 * others).all()


def test_three_trained_stages_make_a_pack_that_repairs(
    crops, make_config, tmp_path, models_of, flat_hand
):
    stages = {n: {"ema": 0.5, "sample_every": 2} for n in ("autoencoder", "stage_one", "stage_two")}
    config = make_config(tmp_path, **stages)
    with pytest.raises(SettingsError, match="train the autoencoder first"):
        trainee(config, "stage-one")
    with pytest.raises(SettingsError, match="autoencoder has no weights"):
        assemble(config, tmp_path / "early.safetensors")
    for name in ("autoencoder", "stage-one", "stage-two"):
        stage = getattr(config, name.replace("-", "_"))
        assert train(trainee(config, name), stage, run_folder(config, name)) == 2
        assert (tmp_path / name / "samples" / "0000002.png").is_file()

    pack = assemble(config, tmp_path / "tiny.safetensors")
    assert (pack.header.weights, pack.header.training_step, pack.header.steps) == ("trained", 2, 2)
    assert pack.header.vae.scaling != 1.0
    picture = np.full((120, 120, 3), 90, np.uint8)
    hand = flat_hand(60, 60, 60)
    # nothing good comes of two steps, and the grey hand looks right to the gate
    settings = Settings(parts=("hand",), judge=False, gate=False)
    result = refine(picture, models_of([hand], [pack.path]), settings)
    assert result.parts[0].outcome == "refined"
    assert (result.image != picture).any()


def test_training_begins_where_a_pack_ends(crops, make_config, tmp_path, hand_pack):
    from realishuman.packs.pack import Pack
    from realishuman.packs.random_pack import SMALL

    config = make_config(tmp_path)
    networks = replace(
        config.networks,
        unet=SMALL.unet,
        stage_two_unet=SMALL.stage_two_unet,
        vae=SMALL.vae,
        image_encoder=SMALL.image_encoder,
        pose=SMALL.pose,
        prompt=77,
    )
    stage = Stage(steps=1, initial=str(hand_pack))
    config = replace(config, networks=networks, stage_one=stage, stage_two=stage)
    made = StageOne(config).pack_tensors() | StageTwo(config).pack_tensors()

    pack = Pack.open(hand_pack)
    assert made.keys() == {name for name in pack.names if not name.startswith("vae.")}
    for name in (
        "stage_two.unet.conv_in.weight",
        "prompt.conditional",
        "stage_one.projector.1.bias",
    ):
        torch.testing.assert_close(made[name], pack.tensors(name)[""].float())


def test_the_command_line_measures_a_stage_without_data(tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(
        """
output = "none"
pack = {name = "tiny", resolution = 32}
data = {folder = "none"}
stage_two = {steps = 100, batch = 2}
[networks]
pose = [4, 8]
vae = {channels = [8, 8], layers = 1, latent_channels = 4, groups = 4, scaling = 1.0}
[networks.stage_two_unet]
channels = [8, 16]
attention = [true, true]
layers = 1
context = 8
heads = 2
groups = 4
[networks.unet]
channels = [8, 16]
attention = [true, true]
layers = 1
context = 8
heads = 2
groups = 4
""",
        encoding="utf-8",
    )
    options = ["train", "stage-two", "--config", str(tmp_path / "tiny.toml"), "--dry-run"]

    assert main(options) == 0
    said = capsys.readouterr().err
    assert "parameters" in said
    assert "samples/s" in said
    assert "100 steps" in said
    assert main([*options, "--steps", "7"]) == 0
    assert "7 steps" in capsys.readouterr().err
    assert main([*options, "--threads", "0"]) == 2
    assert "--threads must be at least 1, not 0" in capsys.readouterr().err
    assert main([*options[:2], "--config", str(tmp_path / "none.toml")]) == 2
