"""img2img without sampling gives the very picture that is there to whatever comes after."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image, ImageOps

from realishuman.webui.generation.skipping import resume, skip


class DecodedSamples(list):
    already_decoded = True


@pytest.fixture
def pictures():
    """All values there are, in a size that is none of img2img's."""
    ramp = np.arange(256 * 5 * 3, dtype=np.uint32).reshape(5, 256, 3) % 256
    return [Image.fromarray(np.roll(ramp, n, axis=1).astype(np.uint8)) for n in range(2)]


@pytest.fixture
def job(host, generation, ours, pictures, monkeypatch):
    """A function: a job of img2img with these arguments, prepared up to its sampling."""
    shared = sys.modules["modules.shared"]
    shared.opts.img2img_background_color = "#ffffff"
    images = host.module("modules.images", flatten=lambda one, _colour: one.convert("RGB"))
    processing = host.module("modules.processing", DecodedSamples=DecodedSamples)
    processing.create_binary_mask = lambda mask: mask.convert("L")
    for name, made in (("images", images), ("processing", processing)):
        monkeypatch.setitem(sys.modules, f"modules.{name}", made)
        setattr(sys.modules["modules"], name, made)

    def make(given=pictures, **options):
        names = [one.elem_id.rpartition("realishuman_")[2] for one in ours.components]
        values = dict(zip(names, (one.value for one in ours.components), strict=True))
        values |= {"enabled": True, "skip_img2img": True, **options}
        p = generation(*values.values())
        p.init_images, p.width, p.height = given, 512, 512
        p.image_mask = p.mask = Image.linear_gradient("L").resize((256, 5))
        p.inpainting_mask_invert = 0
        p.call("before_process")
        p.at_init = (p.width, p.height, p.image_mask)
        p.setup_prompts()
        p.call("process")
        p.call("process_batch", batch_number=0)
        return p

    return make


def decoded(samples):
    """As the hosts do it."""
    for one in samples:
        unit = ((one.float() + 1) / 2).clamp(0, 1).numpy()
        yield (255.0 * np.moveaxis(unit, 0, 2)).astype(np.uint8)


def test_the_pictures_come_out_bit_for_bit_in_their_own_size(job, pictures):
    p = job()

    samples = p.sample(conditioning=None, prompts=["a"] * 3)

    assert samples.already_decoded
    assert p.at_init[:2] == (256, 5)
    assert len(samples) == 3
    for got, wanted in zip(decoded(samples), [*pictures, pictures[0]], strict=True):
        np.testing.assert_array_equal(got, np.asarray(wanted))


def test_the_mask_is_put_aside_while_the_host_prepares_itself(job):
    p = job()

    assert p.at_init[2] is None
    assert p.image_mask is p.mask
    np.testing.assert_array_equal(p.mask_for_overlay, p.mask)


def test_an_inverted_mask_is_given_back_inverted(job):
    p = job(given=None)
    p.inpainting_mask_invert = 1
    skip(p)
    p.init_images = [Image.new("RGB", (256, 5))]
    assert skip(p)

    resume(p)

    np.testing.assert_array_equal(p.mask_for_overlay, ImageOps.invert(p.mask))


@pytest.mark.parametrize("options", [{"enabled": False}, {"skip_img2img": False}])
def test_otherwise_the_host_samples(job, options):
    p = job(**options)

    assert not hasattr(p, "sample")
    assert p.at_init == (512, 512, p.mask)


def test_txt2img_samples_all_the_same(job):
    assert not hasattr(job(given=None), "sample")


def test_only_img2img_shows_the_choice(ours):
    shown = [
        next(one for one in ours.ui(tab) if one.elem_id.endswith("skip_img2img"))
        for tab in (True, False)
    ]

    assert [one.visible is not False for one in shown] == [True, False]
