"""What both stages promise whatever the weights: batches, approximations, progress, clean exits."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from realishuman.diffusion import stage_one, stage_two
from realishuman.diffusion.noise import PartNoise
from realishuman.diffusion.sampling import Sampling
from realishuman.progress import Interrupted, Silent

SIDE = 128  # at 64 the deepest level is 1 x 1, where group norm only amplifies rounding


class Given:
    """A backbone whose networks are handed in."""

    def __init__(self, one=None, two=None):
        self._one, self._two = one, two

    @contextmanager
    def stage_one(self):
        yield self._one

    @contextmanager
    def stage_two(self):
        yield self._two


class Shrinking:
    """An autoencoder without weights, quick and row by row; remembers the latents it decoded."""

    def __init__(self):
        self.latents = []

    def encode(self, images):
        small = F.avg_pool2d(images, 8)
        return torch.cat([small, small[:, :1]], dim=1)

    def decode(self, latents):
        self.latents.append(latents)
        return F.interpolate(latents[:, :3], scale_factor=8).sigmoid()


def pictures(parts):
    generator = torch.Generator().manual_seed(1)
    image, pose, repaired = torch.rand(3, parts, 3, SIDE, SIDE, generator=generator)
    m, m_d = torch.zeros(2, parts, 1, SIDE, SIDE, dtype=torch.bool)
    m[..., 32:96, 32:96] = True
    m_d[..., 16:112, 16:112] = True
    return image, pose, repaired, m, m_d


def run_one(networks, sampling, parts=2, indices=None, progress=None):
    image, pose, _, m, _ = pictures(4)
    indices = list(range(parts)) if indices is None else indices
    given = stage_one.inputs(image[indices], pose[indices], m[indices])
    noise = PartNoise(7, indices, "stage one")
    return stage_one.run(Given(one=networks), given, sampling, noise, progress or Silent())


def run_two(networks, sampling, parts=2, indices=None, progress=None):
    image, _, repaired, m, m_d = pictures(4)
    indices = list(range(parts)) if indices is None else indices
    given = stage_two.inputs(image[indices], repaired[indices], m_d[indices], m[indices])
    noise = PartNoise(7, indices, "stage two")
    return stage_two.run(Given(two=networks), given, sampling, noise, progress or Silent())


@pytest.fixture(params=["stage one", "stage two"])
def stage(request, one, two):
    """Networks of a stage, with a quick autoencoder, and the function that runs it on pictures."""
    networks, run = (one, run_one) if request.param == "stage one" else (two, run_two)
    return replace(networks, autoencoder=Shrinking()), run


def snapshot(module):
    """All state of a module and its children; tensors and objects by identity."""

    def frozen(value):
        return [(k, id(v)) for k, v in value.items()] if isinstance(value, dict) else id(value)

    return {
        (name, key): frozen(value)
        for name, child in module.named_modules()
        for key, value in vars(child).items()
    }


def unets(networks):
    both = [networks.unet, getattr(networks, "reference", None)]
    return [unet for unet in both if unet]


def test_four_parts_in_one_batch_equal_four_batches_of_one(stage):
    networks, run = stage
    batches = {}

    def latents(max_batch, indices=None):
        watched = Shrinking()
        sampling = Sampling(2, 3.0, max_batch=max_batch)
        images, finite = run(replace(networks, autoencoder=watched), sampling, 4, indices)
        assert images.shape == (len(finite), 3, SIDE, SIDE)
        assert images.dtype is torch.float32
        assert finite.all()
        return torch.cat(watched.latents)

    batches["alone"] = torch.cat([latents(4, [index]) for index in range(4)])
    batches["chunks of 3 and 1"] = latents(3)

    together = latents(4)

    # relative to the latents' scale: random weights amplify rounding along with everything else
    for name, batch in batches.items():
        difference = (together - batch).abs().max() / together.std()
        assert difference < 1e-5, name
    assert (together[0] - together[1]).abs().max() > 0.1  # the parts do differ


def test_a_run_without_guidance_has_no_unconditional_rows(stage, recorder):
    networks, run = stage
    watched = recorder(networks.unet)

    run(replace(networks, unet=watched), Sampling(2, 1.0))

    assert [len(latents) for latents in watched.latents] == [2, 2]


def test_steps_without_guidance_change_nothing_before_the_first_of_them(stage, recorder):
    networks, run = stage
    exact, late = recorder(networks.unet), recorder(networks.unet)

    full, _ = run(replace(networks, unet=exact), Sampling(4, 3.0))
    approximate, _ = run(replace(networks, unet=late), Sampling(4, 3.0, guidance_share=0.5))

    assert [len(latents) for latents in late.latents] == [4, 4, 2, 2]
    for step in range(3):  # the third step still receives the same latents
        torch.testing.assert_close(exact.latents[step][-2:, :4], late.latents[step][-2:, :4])
    assert not torch.allclose(exact.latents[3][-2:, :4], late.latents[3][-2:, :4])
    assert not torch.allclose(full, approximate)


def test_a_reference_reused_changes_nothing_before_its_first_reuse(one, recorder):
    exact, reused = recorder(one.unet), recorder(one.unet)
    reference = recorder(one.reference)

    run_one(replace(one, unet=exact), Sampling(4, 3.0))
    run_one(replace(one, unet=reused, reference=reference), Sampling(4, 3.0, reference_every=2))

    assert reference.features_timesteps == [[751, 751, 251, 251]]
    torch.testing.assert_close(exact.latents[1], reused.latents[1])
    assert not torch.allclose(exact.latents[2], reused.latents[2])


def test_timesteps_of_the_reference_may_share_a_pass(one):
    image, pose, _, m, _ = pictures(3)
    prepared = stage_one.prepare(one, stage_one.inputs(image[:3], pose[:3], m[:3]))
    timesteps = torch.tensor([901, 501, 301, 101, 1])

    singly = list(stage_one.reference_banks(one, prepared, timesteps, at_once=1))
    grouped = list(stage_one.reference_banks(one, prepared, timesteps, at_once=4))

    assert len(singly) == len(grouped) == 5
    for alone, shared in zip(singly, grouped, strict=True):
        for name, features in alone.features.items():
            torch.testing.assert_close(shared.features[name], features, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("parts", [1, 4])
def test_a_reference_pass_holds_four_timesteps_of_every_part(one, recorder, parts):
    reference = recorder(one.reference)

    run_one(replace(one, reference=reference), Sampling(6, 3.0, max_batch=4), parts=parts)

    assert list(map(len, reference.features_timesteps)) == [4 * parts, 2 * parts]


def test_progress_is_told_the_number_of_steps_and_each_of_them(stage, counting_progress):
    networks, run = stage
    progress = counting_progress()

    run(networks, Sampling(3, 3.0, max_batch=2), parts=3, progress=progress)

    assert [total for _, total in progress.begun] == [6]
    assert progress.begun[0][0] in ("stage one", "stage two")
    assert progress.steps == 6


def test_a_run_leaves_the_networks_as_they_were(stage, backbone):
    networks, run = stage
    with backbone.stage_one() as whole:
        networks = replace(networks, autoencoder=whole.autoencoder)
    modules = [*unets(networks), networks.autoencoder]
    before = [snapshot(module) for module in modules]

    run(networks, Sampling(2, 3.0), parts=1)

    assert [snapshot(module) for module in modules] == before


def test_an_interrupted_run_leaves_the_networks_as_they_were(stage, counting_progress):
    networks, run = stage
    before = [snapshot(module) for module in unets(networks)]
    expected, _ = run(networks, Sampling(2, 3.0))

    with pytest.raises(Interrupted):
        run(networks, Sampling(2, 3.0), progress=counting_progress(1, Interrupted()))

    assert [snapshot(module) for module in unets(networks)] == before
    assert torch.equal(run(networks, Sampling(2, 3.0))[0], expected)


def test_an_exception_inside_a_block_leaves_the_networks_as_they_were(stage):
    networks, run = stage
    block = networks.unet.mid_block.attentions[0]

    def fail(*_):
        raise FloatingPointError("inside")

    handle = block.register_forward_hook(fail)
    before = [snapshot(module) for module in unets(networks)]
    try:
        with pytest.raises(FloatingPointError, match="inside"):
            run(networks, Sampling(2, 3.0))
        assert [snapshot(module) for module in unets(networks)] == before
    finally:
        handle.remove()


def test_a_part_that_leaves_the_range_of_numbers_is_flagged_and_spares_the_others(stage):
    networks, run = stage

    class Overflowing:
        condition = staticmethod(networks.unet.condition)

        def predict(self, *args):
            prediction = networks.unet.predict(*args)
            prediction[1::2] *= torch.nan  # of two parts the second, in both guidance halves
            return prediction

    good, _ = run(networks, Sampling(2, 3.0))

    images, finite = run(replace(networks, unet=Overflowing()), Sampling(2, 3.0))

    assert finite.tolist() == [True, False]
    assert torch.equal(images[0], good[0])
    assert images[1].abs().max() == 0


def test_the_image_encoder_may_be_shown_another_picture_than_the_reference(one):
    seen = []

    def encoder(images):
        seen.append(images)
        return one.image_encoder(images)

    watched = replace(one, image_encoder=encoder)
    image, pose, _, m, _ = pictures(3)
    cut = stage_one.inputs(image, pose, m)
    shown = torch.rand(3, 3, 40, 40)

    stage_one.prepare(watched, cut)
    stage_one.prepare(watched, replace(cut, shown=shown).rows(slice(1, 3)))

    assert torch.equal(seen[0], cut.reference)
    assert torch.equal(seen[1], shown[1:])


def test_the_reference_is_black_outside_m():
    image, pose, _, m, _ = pictures(1)

    made = stage_one.inputs(image[:1], pose[:1], m[:1])

    assert made.reference[..., :32, :].abs().max() == 0
    assert torch.equal(made.reference[..., 32:96, 32:96], image[:1, :, 32:96, 32:96])
