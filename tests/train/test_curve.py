"""The picture of a run's curve."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import torch

from realishuman.train.config import Stage
from realishuman.train.curve import HEIGHT, LEFT, RIGHT, TOP, WIDTH, curve_svg
from realishuman.train.folder import RunFolder
from realishuman.train.loop import Trainee, train

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg):
    root = ElementTree.fromstring(svg)
    points = [
        tuple(map(float, pair.split(",")))
        for pair in root.find(f"{SVG}polyline").get("points").split()
    ]
    return points, [text.text for text in root.iter(f"{SVG}text")]


def test_a_falling_loss_falls_from_left_to_right_evenly_on_the_log_axis():
    steps = list(range(1, 2001))
    points, words = drawn(curve_svg("a <run>", steps, [10 ** (-s / 1000) for s in steps]))

    assert "a <run>: loss, smoothed, 2000 steps" in words
    assert {"step", "loss (log)", "2000"} <= set(words)
    assert len(points) == 500
    assert points[-1][0] == WIDTH - RIGHT
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT for x, y in points)
    downs = [b[1] - a[1] for a, b in pairwise(points[100:])]
    assert min(downs) > 0
    assert max(downs) - min(downs) < 0.21  # a straight line, but for rounding to 0.1


def test_a_constant_loss_is_level_and_a_wild_one_is_smoothed():
    level, _ = drawn(curve_svg("", [1, 2, 3], [0.5, 0.5, 0.5]))
    assert len({y for _, y in level}) == 1
    wild, _ = drawn(curve_svg("", range(1, 1001), [10 ** (n % 2) for n in range(1000)]))
    late = [y for _, y in wild[300:]]
    calm, _ = drawn(curve_svg("", range(1, 1001), [10 ** (n > 500) for n in range(1000)]))
    assert max(late) - min(late) < 0.5 * (max(y for _, y in calm) - min(y for _, y in calm))


def test_nothing_to_draw_or_losses_that_are_no_numbers_still_make_a_picture():
    for steps, losses in (([], []), ([1, 2], [0.0, math.nan]), ([1], [math.inf])):
        points = ElementTree.fromstring(curve_svg("", steps, losses)).find(f"{SVG}polyline")
        assert points.get("points") == ""
    points, _ = drawn(curve_svg("", [1, 2, 3], [1.0, math.nan, 0.1]))
    assert len(points) == 2


def test_training_draws_its_curve_when_it_shows_samples_and_at_the_end(tmp_path):
    module = torch.nn.Linear(1, 1)
    seen = []

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = module

        def forward(self, batch):
            path = tmp_path / "curve.svg"
            seen.append(path.read_text().split("smoothed, ")[1][:1] if path.exists() else "")
            return (self.inner(batch[0]) ** 2).mean()

    trainee = Trainee("line", Loss(), lambda numbers: (torch.ones(len(numbers), 1),), dict)
    train(trainee, Stage(steps=5, batch=2, sample_every=3), RunFolder(tmp_path))

    assert seen == ["", "", "", "3", "3"]
    points, words = drawn((tmp_path / "curve.svg").read_text())
    assert len(points) == 5
    assert words[0].endswith("loss, smoothed, 5 steps")
