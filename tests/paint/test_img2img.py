"""A program's img2img as the painter: what it is told of each part, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.paint.img2img import Img2ImgPainter
from realishuman.parts.origin import Origin
from realishuman.pipeline.models import Models
from realishuman.pipeline.painters import choose_painter
from realishuman.progress import Clock, Interrupted, Silent
from realishuman.settings import Settings
from tests.paint.parts_of import SIDE, parts_of
from tests.paint.plain_checkpoint import PlainCheckpoint

SETTINGS = Settings(engine="checkpoint", seed=5, strength=0.4, colour_match=False)


class Inverting:
    """An img2img that remembers its tasks and inverts what is masked."""

    name, note, guidance = "flux", "The program repaints.", None

    def __init__(self):
        self.tasks = []

    def repaint(self, task):
        self.tasks.append(task)
        return np.where(task.mask[..., None], 255 - task.picture, task.picture)


@pytest.fixture
def img2img():
    return Inverting()


def paint(img2img, parts, settings=SETTINGS, progress=None):
    return Img2ImgPainter(img2img).paint(parts, settings, progress or Silent(), Clock())


def test_each_part_is_repainted_as_its_picture_was_made(img2img):
    parts = parts_of(2)
    made = Origin("a cat", "ugly", 12, 3.5, "DPM++ 2M", "Karras", 3.0)
    parts[1] = replace(parts[1], origin=made)

    paint(img2img, parts)

    first, second = img2img.tasks
    assert (first.prompt, first.steps, first.guidance) == ("a hand 1, detailed face", 30, 6.0)
    assert (first.sampler, first.scheduler, first.distilled) == ("", "", None)
    assert (second.prompt, second.steps, second.guidance) == ("a cat, detailed face", 12, 3.5)
    assert second.negative.startswith("ugly, deformed")
    assert (second.sampler, second.scheduler, second.distilled) == ("DPM++ 2M", "Karras", 3.0)
    assert (second.seed, second.strength) == (5, 0.4)


def test_what_the_user_says_counts_before_that_and_the_model_after_it(img2img):
    img2img.guidance = 1.0

    paint(img2img, parts_of(1))
    paint(img2img, parts_of(1), replace(SETTINGS, guidance=4.0, steps=9))

    assert [(task.guidance, task.steps) for task in img2img.tasks] == [(1.0, 30), (4.0, 9)]


def test_its_answer_is_pasted_within_the_mask_and_every_try_has_its_seed(img2img):
    (one,) = parts = parts_of(1)

    ((first, second),) = paint(img2img, parts, replace(SETTINGS, tries=2))

    inverted, where = 1 - one.image.numpy(), one.masks.m_d
    np.testing.assert_allclose(first.patch.refined.numpy()[:, where], inverted[:, where], atol=3e-3)
    assert np.array_equal(first.patch.m_d, where)
    assert [first.seed, second.seed] == [5, 6]
    assert [task.seed for task in img2img.tasks] == [5, 6]
    assert img2img.tasks[0].picture.shape == (SIDE, SIDE, 3)


def test_colours_are_matched_where_that_is_wished(img2img):
    (one,) = parts = parts_of(1)
    img2img.repaint = lambda task: (task.picture * 0.8).astype(np.uint8)

    def darker(wish):
        ((painted,),) = paint(img2img, parts, replace(SETTINGS, colour_match=wish))
        return (one.image - painted.patch.refined).numpy()[:, one.masks.m_e].mean()

    assert darker(False) > 0.09
    assert abs(darker(True)) < 0.04


def test_a_part_on_which_it_fails_is_left_and_the_others_are_painted(img2img):
    fails = img2img.repaint

    def repaint(task):
        if not img2img.tasks:
            img2img.tasks.append(task)
            raise ValueError("A tensor with NaNs was produced in VAE.")
        return fails(task)

    img2img.repaint = repaint
    (first,), (second,) = paint(img2img, parts_of(2))

    assert first.patch is None
    assert first.fault.endswith("ValueError: A tensor with NaNs was produced in VAE.")
    assert (second.fault, second.patch is None) == ("", False)


def test_interrupt_before_it_begins_ends_the_run(img2img):
    def repaint(task):
        raise Interrupted("Interrupt was pressed")

    img2img.repaint = repaint
    with pytest.raises(Interrupted):
        paint(img2img, parts_of(1))


def test_interrupt_is_heard_after_each_run(img2img):
    class Stops(Silent):
        def step(self, count=1):
            raise Interrupted("stop")

    with pytest.raises(Interrupted):
        paint(img2img, parts_of(2), progress=Stops())

    assert len(img2img.tasks) == 1


def test_it_is_taken_where_the_networks_cannot_be_had_and_says_so(img2img):
    checkpoint = PlainCheckpoint()
    models = Models(checkpoint=checkpoint)
    plain = choose_painter(models, "hand", SETTINGS)
    checkpoint.instead = img2img

    painter = choose_painter(models, "hand", SETTINGS)

    assert not isinstance(plain, Img2ImgPainter)
    assert isinstance(painter, Img2ImgPainter)
    painter.paint(parts_of(1), SETTINGS, Silent(), Clock())
    assert (painter.note, painter.unets, painter.engine) == (
        "The program repaints.",
        "flux",
        "checkpoint",
    )
