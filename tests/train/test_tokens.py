"""Image tokens kept on disk: the same training, without the encoder that is not trained."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.errors import SettingsError
from realishuman.files import guard
from realishuman.train import kept
from realishuman.train.config import Stage
from realishuman.train.crops import mirror
from realishuman.train.data import StageOneData
from realishuman.train.dry import random_batch
from realishuman.train.folder import RunFolder
from realishuman.train.latents import Latents
from realishuman.train.loop import Trainee, train
from realishuman.train.networks import StageOne
from realishuman.train.shards import Crops
from realishuman.train.stages import keep_autoencoder, run_folder, trainee
from realishuman.train.tokens import keep_tokens
from realishuman.train.views import reference


class Squeezed:
    """An autoencoder that averages blocks of 4 pixels; its latents need no network."""

    def encode(self, images):
        return torch.nn.functional.avg_pool2d(images, 4).repeat(1, 2, 1, 1)


@pytest.fixture
def encoded(monkeypatch):
    """How many pictures went through an image encoder, one number per call."""
    calls, forward = [], ImageEncoder.tokens
    monkeypatch.setattr(
        ImageEncoder, "tokens", lambda self, x: calls.append(len(x)) or forward(self, x)
    )
    return calls


def stage_one(config):
    """The module of stage one, everything but the encoder filled; the tokens weigh most."""
    torch.manual_seed(0)
    module = StageOne(config)
    for name, parameter in module.named_parameters():
        if not name.startswith("image_encoder."):
            seen = "projector" in name or ".attn2." in name
            torch.nn.init.normal_(parameter, std=1.0 if seen else 0.1)
    return module


def gradients(module, batch):
    module.zero_grad()
    loss = module(batch)
    loss.backward()
    found = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    return float(loss.detach()), found


def test_the_loss_and_its_gradients_are_the_same_with_kept_tokens(
    crops, make_config, tmp_path, encoded
):
    config = make_config(tmp_path)
    module, stage = stage_one(config), Stage(steps=1, drop=0.3)
    latents = Latents(crops, config, "stage-one", Squeezed(), tmp_path / "latents")
    tokens = keep_tokens(crops, config, module.image_encoder, tmp_path)
    numbers = range(6)
    plain = StageOneData(crops, latents, config, stage).batch(numbers)
    cached = StageOneData(crops, latents, config, stage, tokens).batch(numbers)

    assert 0 < int(cached.keep.sum()) < 6
    encoded.clear()
    loss, found = gradients(module, cached)
    assert encoded == []
    expected, expected_gradients = gradients(module, plain)
    assert encoded == [int(plain.keep.sum())]
    assert loss == pytest.approx(expected, rel=1e-5)
    assert found.keys() == expected_gradients.keys()
    for name, gradient in expected_gradients.items():
        apart = float((found[name] - gradient).abs().max())
        assert apart < 2e-2 * float(gradient.abs().max()) + 1e-6, name
    others = gradients(module, replace(cached, seen=cached.seen.roll(1, 0)))[0]
    assert others != pytest.approx(expected, rel=1e-3)


def test_samples_without_a_condition_see_the_empty_picture(crops, make_config, tmp_path):
    config = make_config(tmp_path)
    module = stage_one(config)
    batch = random_batch(config, "stage-one", 4, torch.device("cpu"))
    batch = replace(batch, keep=torch.zeros_like(batch.keep))

    side = config.networks.image_encoder.side
    empty = module.image_encoder.tokens(torch.zeros(1, 3, side, side))
    with torch.no_grad():
        torch.testing.assert_close(module.networks(Squeezed()).no_context, module.projector(empty))
        assert module(batch) == module(replace(batch, seen=batch.seen * 2))
    assert "nothing" not in module.state_dict()


def test_tokens_are_made_once_and_anew_for_another_encoder(crops, make_config, tmp_path, encoded):
    config = make_config(tmp_path)
    encoder = StageOne(config).image_encoder
    encoded.clear()
    tokens = [keep_tokens(crops, config, encoder, tmp_path) for _ in range(2)][1]

    assert encoded == [8, 8, 8]  # 12 crops in 2 variants
    with torch.no_grad():
        expected = encoder(reference(mirror(crops[5]))[None])[0]
    assert tokens[5, 1].shape == (17, 16)
    torch.testing.assert_close(tokens[5, 1], expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(tokens[5, 1], tokens[5, 0], atol=1e-2)

    with torch.no_grad():
        encoder.layernorm.bias += 1
    other = keep_tokens(crops, config, encoder, tmp_path)
    assert len(list(tmp_path.glob("tokens-*"))) == 2
    torch.testing.assert_close(other[5, 1], expected + 1, rtol=1e-3, atol=2e-3)


def test_more_variants_and_more_files_of_crops_get_their_tokens(
    crops, crops_folder, make_config, tmp_path, encoded
):
    copy = tmp_path / "crops"
    shutil.copytree(crops_folder, copy)
    config = make_config(tmp_path)
    encoder = StageOne(config).image_encoder
    keep_tokens(crops, config, encoder, tmp_path)
    encoded.clear()
    np.save(copy / "crops-00000012.npy", np.load(copy / "crops-00000000.npy")[3:5])
    more = Crops(copy, config)
    tokens = keep_tokens(more, config, encoder, tmp_path)
    assert encoded == [4]
    torch.testing.assert_close(tokens[13, 1], tokens[4, 1], rtol=2e-3, atol=2e-3)

    wider = replace(config, data=replace(config.data, variants=3))
    assert keep_tokens(crops, wider, encoder, tmp_path)[11, 2].shape == (17, 16)
    assert keep_tokens(crops, config, encoder, tmp_path)[11, 1].shape == (17, 16)


def test_a_disk_without_room_is_said_before_any_work(crops, make_config, tmp_path, monkeypatch):
    config = make_config(tmp_path)
    encoder = StageOne(config).image_encoder
    usage = shutil.disk_usage(tmp_path)._replace(free=guard.SPARE)
    monkeypatch.setattr(guard.shutil, "disk_usage", lambda _folder: usage)
    monkeypatch.setattr(kept, "encode_all", None)

    with pytest.raises(
        SettingsError, match=r"tokens take 0\.0 GB more: .*set stage_one.cache_tokens = f"
    ):
        keep_tokens(crops, config, encoder, tmp_path)


def run(config):
    """Train stage one as the command does; its trainee."""
    made = trainee(config, "stage-one")
    train(made, config.stage_one, run_folder(config, "stage-one"))
    return made


def test_a_run_keeps_tokens_only_of_an_encoder_that_is_not_trained_and_reuses_them(
    crops, make_config, tmp_path, encoded
):
    stage = {"steps": 1, "batch": 4, "sample_every": 1}
    config = make_config(tmp_path / "frozen", stage_one=stage)
    keep_autoencoder(config)
    run(config)
    files = list((tmp_path / "frozen/stage-one").glob("tokens-*/tokens-*.npy"))
    assert len(files) == 1
    assert encoded == [1, 8, 8, 8]  # the empty picture, then all crops; no step, no preview
    made = files[0].stat().st_mtime_ns
    encoded.clear()
    run(make_config(tmp_path / "frozen", stage_one=stage | {"steps": 2}))
    assert encoded == [1]
    assert files[0].stat().st_mtime_ns == made
    for change in ({"train_encoder": True}, {"cache_tokens": False}):
        config = make_config(tmp_path / "frozen", stage_one=stage | change)
        shutil.rmtree(files[0].parent, ignore_errors=True)
        batch = trainee(config, "stage-one").batch(range(2))
        assert batch.seen.shape == (2, 3, 32, 32)
        assert not files[0].parent.exists()


class Shifted(torch.nn.Module):
    """Learns a number; another one is not trained."""

    def __init__(self, frozen):
        super().__init__()
        self.learnt = torch.nn.Parameter(torch.ones(1))
        self.frozen = torch.nn.Parameter(torch.full((1,), frozen), requires_grad=False)

    def forward(self, batch):
        return (batch[0] * self.learnt + self.frozen).square().mean()


def test_a_run_does_not_go_on_with_other_weights_of_what_is_not_trained(tmp_path):
    def go(frozen, steps):
        module = Shifted(frozen)
        made = Trainee("x", module, lambda numbers: (torch.ones(len(numbers)),), module.state_dict)
        return train(made, Stage(steps=steps, batch=2), RunFolder(tmp_path))

    assert go(0.5, 1) == 1
    assert go(0.5, 2) == 2
    with pytest.raises(SettingsError, match="a run whose frozen, which is not trained, differs"):
        go(0.6, 3)
