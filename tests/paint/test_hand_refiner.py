"""HandRefiner's repainting against a plain loop over the diffusers library's own parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline

from realishuman.backbones.loading import Place
from realishuman.backbones.opening import open_checkpoint
from realishuman.backbones.wishes import Wishes
from realishuman.diffusion.noise import PartNoise
from realishuman.paint.hand_refiner import NEGATIVE, HandRefiner, hand_mask
from realishuman.parts.origin import Origin
from realishuman.progress import Clock, Silent
from realishuman.settings import Settings
from tests.backbones.tiny_checkpoints import SIDE, pipeline
from tests.paint.parts_of import parts_of
from tests.paint.plain_checkpoint import PlainCheckpoint

CPU = Place(torch.device("cpu"), torch.float32)
WEIGHT, STEPS, SCALE = 0.55, 5, 9.0
AVOIDED = "bad hand"  # the usual one is longer than 75 tokens of the small vocabulary
BOX = np.s_[8:112, 10:101]  # of the first part, around its mesh: 15 % more on each side


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An inpainting checkpoint and a ControlNet of random weights."""
    made = tmp_path_factory.mktemp("inpainting")
    pipe = pipeline(made / "words", channels=9)
    pipe.save_pretrained(made / "it")
    pipe.unet.register_to_config(in_channels=4)
    control = ControlNetModel.from_unet(pipe.unet, load_weights_from_unet=False)
    for name, parameter in control.named_parameters():
        if name.startswith("controlnet_"):
            torch.nn.init.normal_(parameter, std=0.3)
    control.save_pretrained(made / "control")
    return made


def hands(count):
    """Parts with keypoints inside their meshes."""
    points = np.array([(40, 40), (60, 80)], np.float32)
    return [
        replace(one, found=replace(one.found, part=replace(one.part, keypoints=points)))
        for one in parts_of(count)
    ]


def plain(folder, one, seed):
    """What HandRefiner does, one part and one branch at a time."""
    pipe = StableDiffusionPipeline.from_pretrained(folder / "it")
    control = ControlNetModel.from_pretrained(folder / "control")
    scheduler, vae = pipe.scheduler, pipe.vae
    scheduler.set_timesteps(STEPS)
    mask = torch.zeros(SIDE, SIDE)
    mask[BOX] = 1
    source = one.image[None] * 2 - 1

    def encode(image):
        return vae.encode(image).latent_dist.mode() * vae.config.scaling_factor

    clean, small = encode(source), mask[::8, ::8]
    known = torch.cat([small[None, None], encode(source * (1 - mask))], dim=1)
    words = [pipe.encode_prompt(t, "cpu", 1, False)[0] for t in (AVOIDED, one.origin.prompt)]
    noise = PartNoise(seed, [one.number], "HandRefiner")
    latents = noise.initial(clean.shape[1:])
    for time in scheduler.timesteps:
        around = scheduler.add_noise(clean, noise.step(clean.shape[1:]), time)
        latents = around * (1 - small) + latents * small
        guesses = []
        for tokens in words:
            down, middle = control(
                latents, time, tokens, one.depth[None], WEIGHT, return_dict=False
            )
            guesses.append(
                pipe.unet(
                    torch.cat([latents, known], dim=1),
                    time,
                    tokens,
                    down_block_additional_residuals=down,
                    mid_block_additional_residual=middle,
                ).sample
            )
        guess = guesses[0] + SCALE * (guesses[1] - guesses[0])
        latents = scheduler.step(guess, time, latents).prev_sample
    return (vae.decode(latents / vae.config.scaling_factor).sample[0] / 2 + 0.5).clamp(0, 1)


def paint(checkpoint, parts, settings):
    return HandRefiner(checkpoint).paint(parts, settings, Silent(), Clock())


def test_it_paints_what_a_plain_loop_over_the_library_gives(folder):
    wishes = Wishes(control=(folder / "control", WEIGHT))
    checkpoint = open_checkpoint(folder / "it", CPU, wishes)
    parts = hands(2)

    settings = Settings(steps=STEPS, seed=7, tries=2, max_batch=3, negative_prompt=AVOIDED)
    tries = paint(checkpoint, parts, settings)
    with torch.no_grad():
        expected = [plain(folder, parts[0], seed) for seed in (7, 8)]

    for found, wanted, seed in zip(tries[0], expected, (7, 8), strict=True):
        assert (found.fault, found.seed) == ("", seed)
        assert (found.patch.refined - wanted).abs().max() < 1e-4
    assert (expected[0] - parts[0].image)[:, BOX[0], BOX[1]].abs().max() > 0.05
    assert len(tries[1]) == 2


def test_it_repaints_a_box_around_the_hand_and_no_other_part():
    one = hands(1)[0]
    inside = np.zeros((SIDE, SIDE), bool)
    inside[BOX] = True
    other = np.zeros_like(inside)
    other[100:, :] = True

    np.testing.assert_array_equal(hand_mask(one), inside)
    np.testing.assert_array_equal(hand_mask(replace(one, front=other)), inside & ~other)
    np.testing.assert_array_equal(
        hand_mask(replace(one, others=other)), inside & ~(other & ~one.masks.m)
    )


def test_the_box_takes_keypoints_in_and_stays_in_the_crop():
    one = hands(1)[0]
    points = np.array([(-5, 40), (60, 126)], np.float32)
    part = replace(one.part, keypoints=points)

    mask = hand_mask(replace(one, found=replace(one.found, part=part)))

    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    assert (rows[0], rows[-1]) == (4, 127)  # 20 to 126, and 16 pixels more
    assert (columns[0], columns[-1]) == (0, 104)  # -5 to 90, and 14 pixels more


@pytest.mark.parametrize(
    ("side", "inpainting", "controlled"),
    [(512, False, True), (512, True, False), (1024, True, True)],
)
def test_another_kind_of_checkpoint_is_refused(side, inpainting, controlled):
    checkpoint = PlainCheckpoint(side, inpainting=inpainting, controlled=controlled)

    for tries in paint(checkpoint, hands(2), Settings()):
        assert "needs an inpainting checkpoint of Stable Diffusion 1.5" in tries[0].fault


def test_its_constants_are_the_published_ones_unless_the_user_says_otherwise(monkeypatch):
    given = []
    monkeypatch.setattr(
        "realishuman.paint.hand_refiner.refine_hands",
        lambda _networks, place, _words, *rest: (
            given.append(rest[:2])
            or (place.picture, torch.ones(len(place.picture), dtype=torch.bool))
        ),
    )
    checkpoint = PlainCheckpoint(inpainting=True, controlled=True)
    one = replace(hands(1)[0], origin=Origin("a man, <lora:x:1>", "bad"))

    paint(checkpoint, [one], Settings())
    paint(checkpoint, [one], Settings(steps=9, guidance=2.0, prompt="[PART]", negative_prompt="no"))

    assert given == [(50, 9.0), (9, 2.0)]
    told = [text for text in checkpoint.texts if text != ("", True)]
    assert told == [(NEGATIVE, True), ("a man", False), ("no", True), ("face", False)]
