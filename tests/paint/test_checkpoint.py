"""Both stages on a checkpoint against a plain loop over the diffusers library's own parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor

from realishuman.backbones.loading import Place
from realishuman.backbones.opening import open_checkpoint
from realishuman.backbones.wishes import Wishes
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.repainting import join
from realishuman.imaging.masks import with_core
from realishuman.paint.checkpoint import CheckpointPainter
from realishuman.parts.origin import Origin
from realishuman.progress import Clock, Interrupted, Silent
from realishuman.settings import Settings
from tests.backbones.tiny_checkpoints import SIDE, pipeline
from tests.paint.parts_of import parts_of
from tests.paint.plain_checkpoint import PlainCheckpoint

CPU = Place(torch.device("cpu"), torch.float32)
WEIGHT = 0.55
SETTINGS = Settings(
    steps=6, guidance=3.0, seed=5, colour_match=False, prompt="[PROMPT], [PART]", strength=0.6
)
ZERO = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
KINDS = {
    "sd1": {},
    "sd1-v": {"prediction_type": "v_prediction", **ZERO},
    "sd2": {"open_clip": True, "prediction_type": "v_prediction"},
    "xl": {"large": True},
    "xl-v": {"large": True, "prediction_type": "v_prediction"},
    "inpainting": {"channels": 9},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A function: the folder of a small checkpoint of this kind."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            pipeline(made[kind] / "words", **KINDS[kind]).save_pretrained(made[kind] / "it")
        return made[kind] / "it"

    return folder


@pytest.fixture
def controls(folders, tmp_path):
    """A function: the folder of a ControlNet of random weights for a small checkpoint."""

    def folder(kind):
        unet = UNet2DConditionModel.from_pretrained(folders(kind) / "unet")
        unet.register_to_config(in_channels=4)
        torch.manual_seed(4)
        made = ControlNetModel.from_unet(unet, load_weights_from_unet=False)
        for name, parameter in made.named_parameters():  # the library's start without any effect
            if name.startswith("controlnet_"):
                torch.nn.init.normal_(parameter, std=0.3)
        made.save_pretrained(tmp_path / "control")
        return tmp_path / "control"

    return folder


@pytest.fixture
def close_to():
    return lambda found, wanted: torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)


def opened(folder, **wishes):
    return open_checkpoint(folder, CPU, Wishes(**wishes))


class Write(AttnProcessor):
    """Remembers what self-attention sees."""

    def __init__(self, name, seen):
        super().__init__()
        self.name, self.seen = name, seen

    def __call__(self, attn, hidden_states, *args, **others):
        self.seen[self.name] = hidden_states
        return super().__call__(attn, hidden_states, *args, **others)


class Read(Write):
    """Self-attention to what was seen as well, where it is trusted."""

    def __init__(self, name, seen, trusted, weight):
        super().__init__(name, seen)
        self.trusted, self.weight = trusted, weight

    def __call__(self, attn, hidden_states, *args, **others):
        own = AttnProcessor.__call__(self, attn, hidden_states)
        seen = self.seen[self.name]
        side = int(seen.shape[1] ** 0.5)
        step = self.trusted.shape[0] // side
        share = self.trusted.float().unfold(0, step, step).unfold(1, step, step).mean((2, 3))
        kept = seen[:, (share >= 0.5).flatten()]
        both = torch.cat([hidden_states, kept], dim=1)
        mixed = AttnProcessor.__call__(self, attn, hidden_states, both)
        return (1 - self.weight) * own + self.weight * mixed


class Plain:
    """One part at a time, the branches of guidance one after the other."""

    def __init__(self, folder, large, control=None):
        self.control = control and ControlNetModel.from_pretrained(control)
        kind = StableDiffusionXLPipeline if large else StableDiffusionPipeline
        self.pipe = kind.from_pretrained(folder)
        self.large = large
        self.names = [n for n in self.pipe.unet.attn_processors if ".attn1." in n]

    def encode(self, image):
        vae = self.pipe.vae
        return vae.encode(image[None] * 2 - 1).latent_dist.mode() * vae.config.scaling_factor

    def unet(self, latents, time, words, processors=None, depth=None):
        given = {name: AttnProcessor() for name in self.pipe.unet.attn_processors}
        self.pipe.unet.set_attn_processor({**given, **(processors or {})})
        tokens, added = words
        more = {}
        if self.control and depth is not None:
            steered = self.control(
                latents[:, :4], time, tokens, depth[None], WEIGHT, added_cond_kwargs=added
            )
            more["down_block_additional_residuals"] = steered.down_block_res_samples
            more["mid_block_additional_residual"] = steered.mid_block_res_sample
        return self.pipe.unet(latents, time, tokens, added_cond_kwargs=added, **more).sample

    def words(self, text):
        if not self.large:
            return self.pipe.encode_prompt(text, "cpu", 1, False)[0], None
        tokens, _, pooled, _ = self.pipe.encode_prompt(text, do_classifier_free_guidance=False)
        times = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], dtype=torch.float32)
        return tokens, {"text_embeds": pooled, "time_ids": times}

    def repaint(self, image, mask, texts, settings, noises, depth, looks=None):
        scheduler, clean = self.pipe.scheduler, self.encode(image)
        scheduler.set_timesteps(settings.steps)
        negative, positive = (self.words(text) for text in texts)
        small = mask[::8, ::8]
        known = seen = torch.empty(1, 0, *small.shape)
        if self.pipe.unet.config.in_channels == 9:
            hidden = torch.where(mask, torch.full_like(image, 0.5), image)
            known = torch.cat([small[None, None].float(), self.encode(hidden)], dim=1)
            if looks:
                asis = self.encode(looks[0])
                seen = torch.cat([torch.zeros(1, 1, *small.shape), asis], dim=1)
        first = settings.steps - int(settings.steps * settings.strength)
        latents = clean
        for time in scheduler.timesteps[first:]:
            around = scheduler.add_noise(clean, noises[0], time)
            start = time == scheduler.timesteps[first]
            latents = around if start else torch.where(small, latents, around)
            given = torch.cat([latents, known], dim=1)
            reading = None
            if looks:
                bank = {}
                noised = scheduler.add_noise(self.encode(looks[0]), noises[1], time)
                writing = {name: Write(name, bank) for name in self.names}
                self.unet(torch.cat([noised, seen], dim=1), time, positive, writing)
                reading = {name: Read(name, bank, *looks[1:]) for name in self.names}
            no = self.unet(given, time, negative, None, depth)
            yes = self.unet(given, time, positive, reading, depth)
            step = scheduler.step(no + settings.guidance * (yes - no), time, latents)
            latents = step.prev_sample
        latents = torch.where(small, latents, clean) / self.pipe.vae.config.scaling_factor
        return (self.pipe.vae.decode(latents).sample[0] / 2 + 0.5).clamp(0, 1)

    def paint(self, one, settings):
        masks = {name: torch.from_numpy(getattr(one.masks, name)) for name in ("m", "m_d", "m_e")}
        texts = (
            f"{one.origin.negative}, deformed, extra fingers, missing fingers, fused fingers",
            f"{one.origin.prompt}, face",
        )
        shape = (4, SIDE // 8, SIDE // 8)

        def noises(stage):
            drawn = PartNoise(settings.seed, [one.number], f"checkpoint {stage}")
            return [drawn.initial(shape), drawn.initial(shape)]

        looks = (one.image, masks["m"], settings.reference_weight)
        depth = self.control and plain_depth(one)
        part = self.repaint(one.image, masks["m_d"], texts, settings, noises("one"), depth, looks)
        around = torch.where(masks["m_d"], part, one.image)
        ring = masks["m_d"] & ~masks["m_e"]
        refined = self.repaint(around, ring, texts, settings, noises("two"), depth)
        return with_core(refined[None], part[None], masks["m_e"][None, None])[0]


def plain_depth(one):
    """What the ControlNet is shown of a slope: from 255 at its top to 51 at its foot."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    right = one.mesh.vertices[1, 0]
    inside = (rows >= 20) & (rows < 100) & (columns >= 20) & (columns < right)
    grey = (255 - 204 * (rows - 20) / 79).round() / 255
    return (grey * inside).expand(3, -1, -1)


def paint(checkpoint, parts, settings, progress=None):
    painter = CheckpointPainter(checkpoint)
    return [one for (one,) in painter.paint(parts, settings, progress or Silent(), Clock())]


@pytest.mark.parametrize(
    ("kind", "count", "weight"),
    [
        ("sd1", 1, 1.0),
        ("sd1-v", 3, 0.4),
        ("sd2", 1, 1.0),
        ("xl", 3, 1.0),
        ("xl-v", 1, 1.0),
        ("inpainting", 1, 0.7),
    ],
)
def test_both_stages_are_what_a_plain_loop_over_the_library_gives(folders, kind, count, weight):
    parts, settings = parts_of(count), replace(SETTINGS, reference_weight=weight)

    painted = paint(opened(folders(kind)), parts, settings)
    with torch.no_grad():
        plain = Plain(folders(kind), large=kind.startswith("xl"))
        expected = [plain.paint(one, settings) for one in parts]

    for one, found, wanted in zip(parts, painted, expected, strict=True):
        assert found.fault == ""
        assert (found.patch.refined - wanted).abs().max() < 1e-4
        assert (wanted - one.image)[:, one.masks.m_d].abs().max() > 0.05


@pytest.mark.parametrize(("kind", "count"), [("sd1", 3), ("sd1-v", 1), ("xl", 1)])
def test_a_controlnet_steers_both_branches_and_not_the_reference(folders, controls, kind, count):
    parts, folder = parts_of(count), controls(kind)

    steered = opened(folders(kind), control=(folder, WEIGHT))
    painted = paint(steered, parts, SETTINGS)
    with torch.no_grad():
        plain = Plain(folders(kind), kind.startswith("xl"), folder)
        expected = [plain.paint(one, SETTINGS) for one in parts]
    without = paint(opened(folders(kind)), parts[:1], SETTINGS)[0]

    for one, found, wanted in zip(parts, painted, expected, strict=True):
        torch.testing.assert_close(found.steps["2-depth"], plain_depth(one), atol=0.005, rtol=0)
        assert (found.patch.refined - wanted).abs().max() < 1e-4
    assert (without.patch.refined - expected[0]).abs().max() > 0.01
    assert steered.name == "it, control:0.55"


def tries_of(checkpoint, parts, settings=SETTINGS):
    return CheckpointPainter(checkpoint).paint(parts, settings, Silent(), Clock())


def test_a_part_is_painted_alike_alone_and_among_others_and_again(close_to):
    alone = tries_of(PlainCheckpoint(), parts_of(3)[2:])[0][0]
    together = tries_of(PlainCheckpoint(), parts_of(3), replace(SETTINGS, max_batch=2))[2][0]
    other = tries_of(PlainCheckpoint(), parts_of(3)[2:], replace(SETTINGS, seed=6))[0][0]

    close_to(together.patch.refined, alone.patch.refined)
    assert (other.patch.refined - alone.patch.refined).abs().max() > 0.01
    assert (alone.seed, other.seed) == (5, 6)


def test_several_tries_are_of_consecutive_seeds(close_to):
    first, second = tries_of(PlainCheckpoint(), parts_of(1), replace(SETTINGS, tries=2))[0]
    alone = tries_of(PlainCheckpoint(), parts_of(1), replace(SETTINGS, seed=6))[0][0]

    assert (first.seed, second.seed) == (5, 6)
    close_to(second.patch.refined, alone.patch.refined)


def test_outside_m_d_stage_two_has_the_picture_itself():
    one = parts_of(1)[0]

    painted = tries_of(PlainCheckpoint(), [one])[0][0]

    coarse = PlainCheckpoint().decode(PlainCheckpoint().encode(one.image[None] * 2 - 1))[0]
    touched = torch.from_numpy(one.masks.m_d).unfold(0, 8, 8).unfold(1, 8, 8).amax((2, 3))
    outside = ~touched.repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert outside.any()
    assert torch.equal(painted.steps["5-stage-two"][:, outside], coarse[:, outside])


def test_latents_that_are_no_numbers_are_that_parts_fault_alone():
    def spoil(guess):
        guess[-1] = float("nan")  # the last conditional row
        return guess

    good, bad = tries_of(PlainCheckpoint(spoil=spoil), parts_of(2))

    assert good[0].fault == ""
    assert "not numbers" in bad[0].fault


def test_each_text_is_embedded_once_and_pictures_keep_their_own_words_and_steps():
    parts, checkpoint = parts_of(3), PlainCheckpoint()
    parts[2] = replace(parts[2], origin=Origin("a <lora:x:1> cat", "", steps=20, guidance=1.0))

    tries_of(checkpoint, parts, replace(SETTINGS, steps=None, guidance=None, strength=0.3))

    assert ("a cat, face", False) in checkpoint.texts
    assert ("a hand 1, face", False) in checkpoint.texts
    assert ("deformed, extra fingers, missing fingers, fused fingers", True) in checkpoint.texts
    assert len(checkpoint.texts) == len(set(checkpoint.texts)) + 1  # the empty one, per group
    guided, plain = checkpoint.rows.count(4), checkpoint.rows.count(1)
    assert (guided, plain) == (2 * 9, 2 * 6)  # 0.3 of 30, of 20; both stages


def test_the_reference_is_as_the_part_was_at_each_timestep_and_only_in_stage_one():
    checkpoint = PlainCheckpoint()

    tries_of(checkpoint, parts_of(1))

    visited = [time for times in checkpoint.seen for time in times]
    assert visited == [333, 167, 1]
    checkpoint.seen.clear()
    tries_of(checkpoint, parts_of(1), replace(SETTINGS, reference_weight=0.0))
    assert checkpoint.seen == []


@pytest.mark.parametrize("stage", [1, 4])
def test_an_interrupt_ends_either_stage(stage):
    class Stops(Silent):
        count = 0

        def step(self, count=1):
            self.count += 1
            if self.count == stage:
                raise Interrupted("stop")

    with pytest.raises(Interrupted):
        CheckpointPainter(PlainCheckpoint()).paint(parts_of(1), SETTINGS, Stops(), Clock())


def test_a_long_prompt_is_read_in_chunks_and_the_short_one_filled_up(folders):
    checkpoint = opened(folders("sd1"))
    with torch.no_grad(), checkpoint.networks() as networks:
        long, short = networks.embed("hand " * 100, False), networks.embed("hand", True)
        first = networks.embed("hand " * 75, False)
        joined = join([short, long], networks.embed("", True))

    assert long.tokens.shape[1] == 2 * 77
    torch.testing.assert_close(long.tokens[:, :77], first.tokens)
    assert joined.tokens.shape == (2, 154, 32)
