"""Packs that share one DINOv2: a file beside them that gives the tokens of the pack's own."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from realishuman.advice import command
from realishuman.backbones.loading import Place, load_conditioners
from realishuman.backbones.packed import PackedBackbone
from realishuman.backbones.shared_encoder import SharedEncoder
from realishuman.cli.main import main
from realishuman.errors import ModelError, PackError, SettingsError
from realishuman.official import export_dinov2 as dinov2
from realishuman.official import setup_sources as names
from realishuman.official.setup import Wishes, setup_official
from realishuman.official.setup_sources import find_sources
from realishuman.packs.convert import Assumed
from realishuman.packs.pack import Pack
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.progress import Silent
from realishuman.settings import Settings
from realishuman.train.config import Stage
from realishuman.train.initial import source
from tests.conftest import FixedDetector

ASSUMED = Assumed(encoder_heads=4, resolution=128)
WISHES = Wishes(("hand", "face"), accept_unknown=True, assumed=ASSUMED, shared_encoder=True)
KINDS = ("hand", "face")
CPU = Place(torch.device("cpu"), torch.float32)


def run(models, files, wishes=WISHES):
    said = []
    ready = setup_official(models, find_sources(models, files, {}), wishes, Silent(), said.append)
    return ready, said


@pytest.fixture(scope="module")
def packs_alone(official, tmp_path_factory):
    """The official files without those of the meshes."""
    folder = tmp_path_factory.mktemp("files") / "official"
    shutil.copytree(official, folder)
    for name in (names.CHECKPOINT, names.NET_RECON):
        (folder / name).unlink()
    return folder


@pytest.fixture(scope="module")
def shared(packs_alone, tmp_path_factory):
    """A models folder whose packs share their encoder, and what was said."""
    models = tmp_path_factory.mktemp("shared")
    ready, said = run(models, packs_alone)
    assert ready == [names.ENCODER, "hand-pack", "face-pack"]
    return models, said


@pytest.fixture(scope="module")
def own(packs_alone, tmp_path_factory):
    """A pack for hands, of the same files, that has an encoder of its own."""
    models = tmp_path_factory.mktemp("own")
    run(models, packs_alone, replace(WISHES, kinds=("hand",), shared_encoder=False))
    return Pack.open(models / "hand.safetensors")


@pytest.fixture
def copied(shared, tmp_path):
    """A copy of the models folder that a test may spoil."""
    shutil.copytree(shared[0], tmp_path / "models")
    return tmp_path / "models"


def test_the_packs_hold_no_encoder_and_name_the_file_that_does(shared, own):
    models, said = shared
    for kind in KINDS:
        pack = Pack.open(models / f"{kind}.safetensors")
        assert pack.header.encoder_file == "dinov2/dinov2.onnx"
        assert not pack.has("image_encoder.")
        assert own.has("image_encoder.")
        assert pack.path.stat().st_size < own.path.stat().st_size - 100_000
    assert (models / "dinov2/dinov2.onnx.data").is_file()
    assert any(line.startswith("image-encoder: made dinov2/dinov2.onnx") for line in said)


def test_tokens_and_context_are_those_of_a_pack_with_its_own_encoder(shared, own):
    pack = Pack.open(shared[0] / "hand.safetensors")
    pictures = torch.rand(3, 3, 100, 100, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, wanted = load_conditioners(pack, CPU), load_conditioners(own, CPU)
        tokens, expected = ours.image_encoder(pictures), wanted.image_encoder(pictures)

    assert isinstance(ours.image_encoder, SharedEncoder)
    assert ours.image_encoder.provider == "CPUExecutionProvider"
    assert ours.image_encoder.note == ""
    assert tokens.shape == expected.shape
    # the pack holds every weight as float16, the file only the large ones
    torch.testing.assert_close(tokens, expected, atol=2e-2 * float(expected.abs().max()), rtol=0)
    torch.testing.assert_close(ours.no_context, wanted.no_context, atol=2e-2, rtol=0)
    assert float((expected[0] - expected[1]).abs().max()) > 5e-2 * float(expected.abs().max())


def test_tokens_follow_to_another_precision_as_a_network_s_do(shared):
    pack = Pack.open(shared[0] / "face.safetensors")
    encoder = load_conditioners(pack, CPU).image_encoder.to(torch.float16)

    tokens = encoder(torch.rand(1, 3, 64, 64))

    assert tokens.dtype is torch.float16
    assert torch.isfinite(tokens).all()


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("positions", ["old", "new"])
def test_the_file_computes_what_torch_does(packs_alone, tmp_path, half, positions, monkeypatch):
    monkeypatch.setattr(dinov2, "LARGE", 100)
    target = tmp_path / "dinov2.onnx"
    given = {"positions": positions, "assumed": ASSUMED}

    difference = dinov2.export_dinov2(packs_alone / names.DINOV2, target, half=half, **given)

    assert (1e-5 < difference < 2e-2) if half else difference < 1e-5
    encoder = dinov2.load_encoder(packs_alone / names.DINOV2, target, **given)
    picture = torch.rand(5, 3, encoder.shape.side, encoder.shape.side)
    found = onnxruntime.InferenceSession(target).run(["tokens"], {"picture": picture.numpy()})[0]
    wanted = encoder.tokens(picture).numpy()
    assert np.abs(found - wanted).max() <= (2e-2 if half else 1e-4) * np.abs(wanted).max()


def test_an_export_that_differs_from_torch_leaves_nothing(packs_alone, tmp_path, monkeypatch):
    monkeypatch.setattr(dinov2, "ALLOWED", {True: -1.0, False: -1.0})

    with pytest.raises(ModelError, match="differs from the original"):
        dinov2.export_dinov2(packs_alone / names.DINOV2, tmp_path / "dinov2.onnx", assumed=ASSUMED)

    assert list(tmp_path.iterdir()) == []


def test_parts_are_refined_with_the_shared_encoder(shared, flat_hand):
    models = shared[0]
    hand = flat_hand(100, 100, 90)
    networks = Models(
        [models / f"{kind}.safetensors" for kind in KINDS],
        lambda pack: PackedBackbone(pack, "cpu", keep_loaded=False),
        FixedDetector([hand]),
        folder=models,
    )

    result = refine(np.full((200, 200, 3), 90, np.uint8), networks, Settings(steps=1, max_batch=1))

    assert [part.outcome for part in result.parts] == ["refined"]
    assert not any("dinov2" in note for note in result.notes)


def test_a_missing_file_is_named_with_the_command_that_makes_it(copied):
    shutil.rmtree(copied / "dinov2")
    pack = Pack.open(copied / "hand.safetensors")

    with pytest.raises(PackError, match=r"dinov2\.onnx is missing") as refused:
        load_conditioners(pack, CPU)

    assert command("setup", "official", "--shared-encoder", folder=copied) in str(refused.value)


@pytest.mark.parametrize("name", ["dinov2.onnx", "dinov2.onnx.data"])
def test_a_damaged_file_is_named_with_what_to_do_and_made_again(copied, packs_alone, name):
    path = copied / "dinov2" / name
    path.write_bytes(path.read_bytes()[:1000])
    pack = Pack.open(copied / "hand.safetensors")

    with pytest.raises(PackError, match=r"hand\.safetensors needs cannot be opened") as refused:
        load_conditioners(pack, CPU)
    ready, said = run(copied, packs_alone)

    assert command("setup", "official", "--shared-encoder", folder=copied) in str(refused.value)
    assert names.ENCODER in ready
    assert [line.split(":")[0] for line in said if ": made " in line] == [names.ENCODER]
    assert load_conditioners(pack, CPU).no_context.isfinite().all()


def test_a_file_of_another_size_is_refused(copied):
    pack = Pack.open(copied / "hand.safetensors")
    wider = replace(pack.header.image_encoder, side=28)

    with pytest.raises(PackError, match="it is another network"):
        load_conditioners(replace(pack, header=replace(pack.header, image_encoder=wider)), CPU)


@pytest.mark.parametrize("file", ["/etc/encoder.onnx", "../encoder.onnx", "a\\b.onnx", "c:b.onnx"])
def test_a_header_cannot_name_a_file_outside_the_pack_s_folder(shared, file):
    from realishuman.packs.header_reader import read_header

    header = replace(Pack.open(shared[0] / "hand.safetensors").header, encoder_file=file)

    with pytest.raises(PackError, match="leaves the pack's folder"):
        read_header(header.to_json(), "hand.safetensors")


def test_training_does_not_start_from_a_random_encoder_in_its_place(shared):
    load = source(Stage(steps=1, initial=str(shared[0] / "hand.safetensors")), None)

    assert load("stage_one.unet.")
    with pytest.raises(SettingsError, match=r"stage_one\.encoder"):
        load("image_encoder.")


def test_the_option_changes_packs_that_were_made_without_it(packs_alone, tmp_path):
    hands = replace(WISHES, kinds=("hand",))
    run(tmp_path, packs_alone, replace(hands, shared_encoder=False))

    _, said = run(tmp_path, packs_alone, hands)
    again, quiet = run(tmp_path, None, hands)

    assert [line.split(":")[0] for line in said if ": made " in line] == [
        names.ENCODER,
        "hand-pack",
    ]
    assert again == [names.ENCODER, "hand-pack"]
    assert not any(": made " in line for line in quiet)


def test_the_command_takes_the_option(packs_alone, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))
    arguments = ["setup", "official", "--checkpoints", str(packs_alone), "--dry-run"]

    assert main([*arguments, "--accept-unknown", "--shared-encoder"]) == 0

    said = capsys.readouterr().err
    assert "become" in said
    assert "in dinov2/dinov2.onnx, dinov2/dinov2.onnx.data." in said
