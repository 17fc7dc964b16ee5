"""The landmark corrector's training: its hands, what it is shown, how it learns, and the file."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from realishuman.cli.main import main
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import SettingsError
from realishuman.imaging.boxes import around, iou
from realishuman.mesh.embedded_hand import metric
from realishuman.mesh.hand_corrector import (
    JOINTS,
    MARGIN,
    SIDE,
    HandCorrector,
    deepen,
    encode_crop,
    encode_landmarks,
    frame_hand,
)
from realishuman.synthetic.sample import sample
from realishuman.train import corrector as corrector_module
from realishuman.train import corrector_hands
from realishuman.train.config import Corrector, Stage
from realishuman.train.corrector import Probable, measure, train_corrector
from realishuman.train.corrector_data import UNSURE, CorrectorData, stack, vary
from realishuman.train.corrector_hands import (
    SAME_PLACE,
    STORED,
    Hands,
    load_hands,
    make_hands,
    make_photographed_hands,
)
from realishuman.train.corrector_net import (
    DECIDING,
    DEPTH,
    RIGHT,
    CorrectorNet,
    TrainedCorrector,
)
from realishuman.train.crops import CONFIDENCE
from realishuman.train.small_onnx import small_onnx

FIRST, PER_FILE, COUNT = 5_000_000, 4, 8
PICTURES = (112, 120)  # their sides, pixels
WIDTHS = (4, 4, 8, 8)
STAGE = Stage(steps=3, batch=4, learning_rate=1e-3, save_every=2)
FEW = Corrector(first=FIRST, count=COUNT, widths=WIDTHS, stage=STAGE)


def small_files(patch):
    for module in (corrector_module, corrector_hands):
        patch.setattr(module, "PER_FILE", PER_FILE)
    patch.setattr(corrector_hands, "SIDES", PICTURES)


@pytest.fixture
def small(monkeypatch):
    small_files(monkeypatch)


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Two files of the hands of four small pairs each."""
    with pytest.MonkeyPatch.context() as patch:
        small_files(patch)
        return make_hands(tmp_path_factory.mktemp("hands"), FIRST, COUNT, workers=1)


@pytest.fixture(scope="module")
def hands(paths):
    return load_hands(paths)


def spots(seed=0, count=3):
    """Hands whose crop is black but for a white spot under landmark n of hand n."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(0.3 * STORED, 0.7 * STORED, (count, JOINTS, 3)).astype(np.float32)
    rows, columns = np.mgrid[:STORED, :STORED] + 0.5
    crops = [
        255 * np.exp(-((columns - each[n, 0]) ** 2 + (rows - each[n, 1]) ** 2) / 18)
        for n, each in enumerate(found)
    ]
    pixels = np.repeat(np.rint(crops).astype(np.uint8)[..., None], 3, axis=3)
    wrong = np.arange(5) < np.arange(count)[:, None]  # hand n has n wrong fingers
    return Hands(pixels, found, found.copy(), np.ones(count, bool), wrong)


def middle(crop):
    """Where the spot of a crop (3, R, R) in -1..1 is, in sides of it."""
    bright = np.maximum((crop.numpy().mean(0) + 1) / 2 - 0.4, 0)
    down, across = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    return np.array([(bright * across).sum(), (bright * down).sum()]) / bright.sum()


@pytest.mark.usefixtures("small")
def test_hands_of_a_seed_are_always_the_same_whatever_the_files(tmp_path, hands, paths):
    stored = load_hands(paths[:1])

    again = load_hands(make_hands(tmp_path, FIRST, 3, 1) + make_hands(tmp_path, FIRST + 3, 1, 1))

    for name, values in vars(stored).items():
        np.testing.assert_array_equal(values, vars(again)[name])
    assert len(hands.crops) > len(stored.crops)


@pytest.mark.usefixtures("small")
def test_files_that_are_there_are_not_made_again(tmp_path, paths, monkeypatch):
    for path in paths:
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(corrector_hands, "_make_file", None)

    assert [path.name for path in make_hands(tmp_path, FIRST, COUNT, 1)] == [
        "hands-005000000.npz",
        "hands-005000004.npz",
    ]


def test_both_pictures_are_kept_with_the_same_true_joints_upright(hands):
    assert set(hands.malformed.tolist()) == {False, True}
    size = np.ptp(hands.good[..., :2], axis=1).max(1)
    apart = np.linalg.norm((hands.found - hands.good)[..., :2], axis=-1).mean(1)
    assert (apart < 0.5 * size).all()
    assert (apart[~hands.malformed] < 0.2 * size[~hands.malformed]).all()
    knuckles = hands.found[:, [5, 9, 13, 17], 1].mean(1)
    assert (knuckles < hands.found[:, 0, 1]).all()


def test_training_shows_what_use_shows(paths, hands):
    """Cut with room, stored and cut again, or cut at once."""
    side = 2 * int(
        np.random.default_rng((FIRST, 9)).integers(*(each // 2 for each in PICTURES), endpoint=True)
    )
    pair = sample(FIRST, side)
    parts = EmbeddedDetector("cpu", threads=1).detect(pair.clean, ["hand"], confidence=CONFIDENCE)
    part = next(p for p in parts if iou(p.box, around(pair.joints)) >= SAME_PLACE)
    seen = frame_hand(part.keypoints, part.side == "left", MARGIN, SIDE)

    crop, found, good, _ = vary(load_hands(paths[:1]), 0, None)

    expected = encode_landmarks(seen.to_crop(deepen(part, metric(0, part)[1])))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(good.numpy(), encode_landmarks(seen.to_crop(pair.joints)), atol=1e-5)
    apart = (crop.numpy() - encode_crop(seen.crop(pair.clean))) * 127.5
    assert np.abs(apart).mean() < 4


@pytest.mark.parametrize("seed", [None, *range(8)])
def test_what_lies_under_a_landmark_stays_under_it(seed):
    hands = spots(seed or 0)
    for n in range(len(hands.crops)):
        rng = None if seed is None else np.random.default_rng(seed)
        crop, found, good, wrong = vary(hands, n, rng)

        np.testing.assert_allclose(middle(crop), good[n, :2].numpy(), atol=0.3 / SIDE)
        unsure = 0 if seed is None else 5 * UNSURE
        np.testing.assert_allclose(found.numpy(), good.numpy(), atol=unsure + 1e-6)
        assert (crop.shape, found.shape, good.shape) == ((3, SIDE, SIDE), (JOINTS, 3), (JOINTS, 3))
        assert wrong.tolist() == hands.wrong[n].tolist()


def test_a_sample_is_always_the_same_and_others_differ(hands):
    data = CorrectorData(hands, FEW)

    first, again, other = data.batch([3, 4]), data.batch([3, 4]), data.batch([5, 6])

    for name, value in vars(first).items():
        assert torch.equal(value, vars(again)[name])
        assert value.dtype == torch.float32
    assert not torch.equal(first.crops, other.crops)


def test_the_loss_asks_for_wrong_fingers_first_and_a_share_of_depth():
    module = TrainedCorrector(WIDTHS, seed=0).eval()
    with torch.no_grad():
        for layer in (module.net.head, module.net.doubts):
            layer.weight.zero_()
            layer.bias.zero_()
    batch = stack([vary(spots(), n, None) for n in range(3)])

    def loss(of):
        with torch.no_grad():
            return float(module(of)) - DECIDING * np.log(2)  # undecided on every finger

    # all joints in the middle
    off = np.linalg.norm(batch.good[..., :2].numpy() - 0.5, axis=-1)
    wrong = np.concatenate([np.zeros((3, 1)), np.repeat(batch.wrong.numpy(), 4, axis=1)], axis=1)
    weights = np.where(wrong, 1, RIGHT)
    expected = (weights * off).sum() / weights.sum()
    assert loss(batch) == pytest.approx(expected, rel=1e-3)
    deeper = replace(batch, good=batch.good + torch.tensor([0, 0, 0.2]))
    assert loss(deeper) == pytest.approx(expected + DEPTH * 0.2, rel=1e-3)


def test_the_loss_falls_where_fingers_are_told_apart():
    module = TrainedCorrector(WIDTHS, seed=0).eval()
    batch = stack([vary(spots(), n, None) for n in range(3)])
    losses = []
    for sure in (-3.0, 0.0, 3.0):
        module.net.forward = lambda *_, sure=sure: (batch.good, sure * (2 * batch.wrong - 1))
        losses.append(float(module(batch)))

    assert losses == sorted(losses, reverse=True)
    assert losses[1] == pytest.approx(DECIDING * np.log(2), abs=2e-3)


def test_a_few_hands_can_be_learnt_by_heart(hands):
    batch = stack([vary(hands, n, None) for n in range(4)])
    module = TrainedCorrector((8, 8, 16, 16), seed=0).train()
    optimizer = torch.optim.AdamW(module.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = module(batch)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))

    assert np.mean(losses[-5:]) < 0.3 * losses[0]


def test_errors_are_measured_in_shares_of_the_hand_and_right_fingers_are_not_moved():
    hands = spots()
    size = np.ptp(hands.good[..., :2], axis=1).max(1, keepdims=True)[..., None]
    moved = replace(hands, found=hands.found + size * np.float32([0.03, 0.04, 9]))

    def doubting(fingers):
        doubts = torch.where(torch.arange(5) < fingers, 9.0, -9.0)
        return lambda crop, found: (found + torch.tensor([0.0, 9.0, 5.0]), doubts.repeat(3, 1))

    right, two = (measure(doubting(fingers), moved, np.arange(3)) for fingers in (0, 2))

    assert right.found == two.found == pytest.approx(5, rel=1e-4)
    assert right.corrected == pytest.approx(5, rel=1e-4)
    assert two.corrected > 100
    assert (right.wrong, two.wrong) == (0, pytest.approx(0.4))


def test_the_file_answers_as_the_network_does():
    torch.manual_seed(3)
    net = CorrectorNet(WIDTHS)
    for _ in range(4):  # gives normalisation something to have measured
        net(torch.randn(8, 3, SIDE, SIDE), torch.rand(8, JOINTS, 3))
    net.eval()
    with torch.no_grad():
        net.head.weight.mul_(5)  # answers that differ from the middle
        net.doubts.weight.mul_(5)
    crop, found = torch.randn(5, 3, SIDE, SIDE), torch.rand(5, JOINTS, 3)

    example = {"crop": crop[:2], "found": found[:2]}
    content = small_onnx(Probable(net).eval(), example, ["joints", "wrong"], {"seed": "3"})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    joints, wrong = session.run(None, {"crop": crop.numpy(), "found": found.numpy()})

    with torch.no_grad():
        expected, doubts = net(crop, found)
    assert expected[..., :2].std() > 0.01
    np.testing.assert_allclose(joints, expected.numpy(), atol=2e-3)
    assert doubts.std() > 0.01
    np.testing.assert_allclose(wrong, doubts.sigmoid().numpy(), atol=2e-3)
    assert session.get_modelmeta().custom_metadata_map["seed"] == "3"
    numbers = sum(each.numel() for each in net.parameters())
    assert len(content) < 2.5 * numbers + 60_000  # two bytes a number, and the graph


def test_a_corrector_of_faces_is_refused(make_config, tmp_path):
    config = make_config(tmp_path)
    faces = replace(config, pack=replace(config.pack, kind="face"))

    with pytest.raises(SettingsError, match=r"the corrector knows hands, but pack\.kind is face"):
        train_corrector(faces, FEW)
    assert list(tmp_path.iterdir()) == []


def test_too_few_hands_are_said_before_any_is_rendered(make_config, tmp_path):
    with pytest.raises(SettingsError, match=r"count is 256; the first 256 pairs are held out"):
        train_corrector(make_config(tmp_path), replace(FEW, count=256))
    assert list(tmp_path.iterdir()) == []


def test_no_workers_are_refused(config_file, tmp_path, capsys):
    path = config_file(tmp_path / "out")

    assert main(["train", "corrector", "--config", path, "--workers", "0"]) == 2
    assert "--workers must be at least 1" in capsys.readouterr().err


@pytest.mark.usefixtures("small")
def test_training_goes_on_where_it_was_and_writes_the_same_file(
    config_file, paths, tmp_path, capsys
):
    table = (
        f"corrector = {{first = {FIRST}, count = {COUNT}, widths = [4, 4, 8, 8], stage = "
        "{steps = 3, batch = 2, learning_rate = 1e-3}}\n"
    )
    written = {}
    for name, all_steps in (("whole", ["3"]), ("stopped", ["2", "3"])):
        (tmp_path / name / "corrector/hands").mkdir(parents=True)
        for each in paths:
            shutil.copy(each, tmp_path / name / "corrector/hands")
        config = config_file(tmp_path / name)
        with Path(config).open("a", encoding="utf-8") as file:
            file.write(table)
        for steps in all_steps:
            options = ("--steps", steps, "--workers", "1")
            assert main(["train", "corrector", "--config", config, *options]) == 0
        written[name] = tmp_path / name / "corrector/corrector.onnx"

    with (tmp_path / "stopped/corrector/curve.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["1", "2", "3"]
    assert written["whole"].read_bytes() == written["stopped"].read_bytes()
    assert "malformed: joints off by" in capsys.readouterr().err
    HandCorrector(written["whole"])
    session = onnxruntime.InferenceSession(str(written["whole"]))
    about = session.get_modelmeta().custom_metadata_map
    assert (about["steps"], about["hands"]) == ("3", "seeds 5000000 to 5000007")


def test_hands_of_photographs_are_learnt_from_where_they_are_found(tmp_path):
    """A rendered good hand stands in for one; what cannot be read is passed over."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    Image.fromarray(sample(1_000_000_019, 256, "bent finger").clean).save(photographs / "hand.png")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(photographs / "none.png")
    (photographs / "broken.png").write_bytes(b"no picture")

    paths = make_photographed_hands(tmp_path / "hands", sorted(photographs.iterdir()), 1)
    made = load_hands(paths)

    assert made.malformed.tolist() == [False, True]
    assert made.wrong.any(axis=1).tolist() == [False, True]
    apart = np.linalg.norm((made.found - made.good)[..., :2], axis=2).mean(axis=1)
    size = np.ptp(made.good[0, :, :2], axis=0).max()
    assert apart[0] < 0.02 * size  # of the photograph itself what is found is the truth
    assert (made.crops[0] != made.crops[1]).any()


def test_photographs_without_a_hand_make_an_empty_file(tmp_path):
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "none.png")

    paths = make_photographed_hands(tmp_path / "hands", [tmp_path / "none.png"], 1)

    assert load_hands(paths).crops.shape == (0, STORED, STORED, 3)


def test_a_file_of_hands_of_another_version_is_named(tmp_path):
    np.savez(tmp_path / "hands-000000000.npz", crops=np.zeros((1, STORED, STORED, 3), np.uint8))

    with pytest.raises(SettingsError, match=r"hands-000000000\.npz holds crops, expected .* wrong"):
        load_hands([tmp_path / "hands-000000000.npz"])
