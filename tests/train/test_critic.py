"""The judge and the scorer: what they are shown, how they learn, and the file they become."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from realishuman.cli.main import main
from realishuman.errors import SettingsError
from realishuman.synthetic.malform import KINDS
from realishuman.synthetic.sample import first_kind, sample
from realishuman.train.config import Critic, critic_stage
from realishuman.train.critic import (
    FINGERS,
    IGNORED,
    OUTPUTS,
    Answering,
    CriticBatch,
    CriticNet,
    TrainedCritic,
)
from realishuman.train.critic_data import CriticData, soften, vary
from realishuman.train.critics import train_critic
from realishuman.train.crops import mirror
from realishuman.train.estimated import Estimated, Shown
from realishuman.train.small_onnx import small_onnx

WIDTHS = (4, 4, 6, 8)
FEW = Critic(count=5, widths=WIDTHS, stage=replace(critic_stage(0), steps=3, batch=4))


class Unknown:
    """No mesh was estimated."""

    def get(self, index):
        return None


def shown(crop):
    return (Shown(crop.pose, crop.m),) * 2


def session_of(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def test_a_sample_is_always_the_same_and_others_differ(crops):
    data = CriticData(crops, FEW, Unknown())

    first, again, other = data.batch([3, 4]), data.batch([3, 4]), data.batch([5, 6])

    for name, value in vars(first).items():
        assert torch.equal(value, vars(again)[name])
    assert not torch.equal(first.clean, other.clean)
    assert first.clean.shape == first.malformed.shape == (2, 7, 32, 32)
    assert (first.changed.amax((1, 2, 3)) > 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_nothing_but_the_defect_tells_a_pair_apart(crops, seed):
    good = replace(crops[1], malformed=crops[1].clean)

    clean, malformed, changed = vary(good, shown(good), True, np.random.default_rng(seed))

    assert torch.equal(clean, malformed)
    assert not changed.any()


def test_an_estimated_mesh_is_shown_with_the_picture_it_was_estimated_from(crops):
    crop, blank = crops[0], np.zeros_like(crops[0].pose)
    found = (Shown(crop.pose, crop.m), Shown(blank, blank[..., 0] > 0))

    clean, malformed, _ = vary(crop, found, False, np.random.default_rng(0))

    assert clean[3:].any()
    assert not malformed[3:].any()


def test_a_mirrored_pair_has_the_other_sides_colours(crops):
    pose = mirror(crops[0]).pose

    np.testing.assert_array_equal(pose[..., 0], crops[0].pose[:, ::-1, 1])


def test_softening_changes_a_crop_mostly_inside_m_d(crops):
    picture = crops[2].clean
    m_d = np.zeros(picture.shape[:2], bool)
    m_d[8:24, 8:24] = True
    outcomes = [soften(picture, m_d, np.random.default_rng(k)) for k in range(40)]

    changed = [(soft != picture).any(axis=2) for soft in outcomes]
    untouched = sum(not one.any() for one in changed)
    inside = sum(one[m_d].any() and not one[:6].any() for one in changed)
    assert 5 < untouched < 25
    assert 15 < inside < 40 - untouched


def test_the_loss_is_small_for_a_network_that_knows_and_large_for_one_that_errs():
    module = TrainedCritic(WIDTHS, seed=0).eval()
    picture = torch.zeros(2, 7, 32, 32)
    batch = CriticBatch(picture, picture, torch.zeros(2, 1, 32, 32), torch.tensor([0, IGNORED]))

    def loss(sure):
        """Of a network that says `sure` of every picture."""
        with torch.no_grad():
            for layer in (module.net.verdict, module.net.count, module.net.place):
                layer.weight.zero_()
                layer.bias.zero_()
            module.net.verdict.bias.fill_(sure)
            return float(module(batch))

    even = np.log(2) + 0.5 * np.log(2) + np.log(2) + 0.3 * np.log(3)
    assert loss(0.0) == pytest.approx(even, abs=1e-5)
    wrong_half = np.mean(np.log1p(np.exp([6.0, -6.0])))  # all called malformed: half are not
    assert loss(6.0) == pytest.approx(even - np.log(2) + wrong_half, abs=1e-4)


def test_a_hand_nobody_can_count_has_no_part_in_the_count(crops):
    data = CriticData(crops, replace(FEW, count=12), Unknown())
    kinds = {"extra finger": 6, "missing finger": 4, "fused fingers": 4}

    found = {int(each) for each in data.batch(range(12)).fingers}
    expected = {
        IGNORED
        if first_kind(i) in ("rippled", "melted")
        else FINGERS.index(kinds.get(first_kind(i), 5))
        for i in range(12)
    }

    assert found == expected


def test_the_first_kind_is_the_samples_unless_it_is_drawn_again():
    assert [sample(seed, 64).kind for seed in range(3)] == [first_kind(seed) for seed in range(3)]
    assert {first_kind(seed) for seed in range(100)} == set(KINDS)


@pytest.mark.parametrize("outputs", [OUTPUTS, OUTPUTS[:1]])
def test_the_file_answers_as_the_network_does(outputs):
    torch.manual_seed(3)
    net = CriticNet(WIDTHS)
    for _ in range(4):  # gives normalisation something to have measured
        net(torch.randn(8, 7, 32, 32) * 2 + 0.5)
    net.eval()
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.dtype is torch.float32:
                value.copy_(value.half())  # what the file can hold
    x = torch.randn(5, 7, 32, 32)

    example = {"crop": torch.zeros(2, 7, 32, 32)}
    session = session_of(
        small_onnx(Answering(net, outputs).eval(), example, outputs, {"seed": "3"})
    )
    found = dict(zip(outputs, session.run(list(outputs), {"crop": x.numpy()}), strict=True))

    seen = []
    net.verdict.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    with torch.no_grad():
        opinion = net(x)
    expected = {
        "malformed": opinion.malformed.sigmoid(),
        "fingers": opinion.fingers.softmax(1),
        "features": seen[0][0],
    }
    for name in outputs:
        np.testing.assert_allclose(found[name], expected[name].numpy(), atol=4e-3)
    assert session.get_modelmeta().custom_metadata_map["seed"] == "3"
    assert len(session.get_outputs()) == len(outputs)


def test_judge_and_scorer_must_not_learn_from_the_same(make_config, crops, tmp_path):
    config = make_config(tmp_path)
    same = replace(config, judge=FEW, scorer=replace(FEW, first=3))

    with pytest.raises(SettingsError, match="different crops"):
        train_critic(same, "judge", same.judge)


def test_a_judge_of_faces_is_refused(make_config, crops, tmp_path):
    config = make_config(tmp_path)
    faces = replace(config, pack=replace(config.pack, kind="face"))

    with pytest.raises(SettingsError, match="know hands"):
        train_critic(faces, "judge", faces.judge)


def test_too_few_crops_are_said(make_config, crops, tmp_path):
    config = replace(make_config(tmp_path), judge=replace(FEW, count=11))

    with pytest.raises(SettingsError, match=r"has 10 besides those held out"):
        train_critic(config, "judge", config.judge)


@pytest.mark.parametrize("name", ["judge", "scorer"])
def test_training_goes_on_where_it_was_and_writes_the_file(config_file, crops, tmp_path, name):
    stage = "{steps = 3, batch = 2, learning_rate = 1e-3, seed = %d}"
    path = config_file(tmp_path / "out")
    with Path(path).open("a", encoding="utf-8") as file:
        for each, first, seed in (("judge", 0, 0), ("scorer", 5, 1)):
            file.write(
                f"{each} = {{first = {first}, count = 5, widths = [4, 4, 6, 8], estimated = 2, "
                f"stage = {stage % seed}}}\n"
            )

    codes = [
        main(["train", name, "--config", path, "--steps", steps, "--threads", "1"])
        for steps in ("2", "3")
    ]

    folder = tmp_path / "out" / name
    with (folder / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert codes == [0, 0]
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    session = session_of((folder / f"{name}.onnx").read_bytes())
    assert len(session.get_outputs()) == {"judge": 1, "scorer": 3}[name]
    assert session.get_modelmeta().custom_metadata_map["steps"] == "3"


def test_estimated_meshes_are_made_once_and_belong_to_their_crops(
    make_config, crops, tmp_path, monkeypatch
):
    asked = []

    class Telling:
        """Answers with the first value of the picture it is asked about."""

        def __init__(self, *_):
            pass

        def __call__(self, picture):
            asked.append(int(picture.astype(int).sum()))
            answer = np.zeros((*picture.shape[:2], 4), np.uint8)
            answer[..., 0], answer[..., 3] = picture[0, 0, 0], 2
            return answer

    monkeypatch.setattr("realishuman.train.estimated._Estimator", Telling)
    critic = replace(FEW, first=3, count=7, estimated=2)
    config = make_config(tmp_path)
    Estimated(crops, config, critic, tmp_path)
    again = Estimated(crops, config, critic, tmp_path)

    assert len(asked) == 2 * 3  # crops 4, 6, 8
    assert [again.get(i) is None for i in range(3, 10)] == [True, False] * 3 + [True]
    for index in (4, 6, 8):
        clean, malformed = again.get(index)
        assert clean.pose[0, 0, 0] == crops[index].clean[0, 0, 0]
        assert malformed.pose[0, 0, 0] == crops[index].malformed[0, 0, 0]
        assert clean.m.all()

    Estimated(crops, replace(config, pack=replace(config.pack, mesh="corrected")), critic, tmp_path)
    assert len(asked) == 4 * 3  # other meshes are not taken for these
