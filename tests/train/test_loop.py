from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from realishuman.errors import SettingsError, TrainingError
from realishuman.files.guard import locked
from realishuman.train.config import Stage
from realishuman.train.ema import Average
from realishuman.train.folder import RunFolder
from realishuman.train.loop import Trainee, learning_rate, train


class Line(torch.nn.Module):
    """Learns y = 2 x; forward returns the mean squared error."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        x, y = batch
        return ((x * self.weight - y) ** 2).mean()


def line(poisoned=()):
    """A trainee whose sample n is x = sin(n); poisoned samples are NaN."""
    module = Line()

    def batch(numbers):
        x = torch.tensor(np.sin(np.asarray(numbers)), dtype=torch.float32)
        x[[n in poisoned for n in numbers]] = float("nan")
        return x, 2 * x

    return Trainee("line", module, batch, module.state_dict)


STAGE = Stage(steps=12, batch=4, learning_rate=0.1, warmup=3, decay=0.5, ema=0.9, save_every=5)


def curve(path):
    with (path / "curve.csv").open(newline="") as file:
        return [row[:4] for row in csv.reader(file)]


class KillError(Exception):
    pass


def test_a_run_killed_at_any_step_goes_on_as_if_it_had_not_been(tmp_path):
    whole = line()
    train(whole, STAGE, RunFolder(tmp_path / "whole"))

    for last in (2, 5, 8):
        killed, folder = line(), tmp_path / f"killed-{last}"
        batch = killed.batch

        def until(numbers, batch=batch, last=last):
            if numbers[0] >= 4 * last:
                raise KillError
            return batch(numbers)

        killed = Trainee("line", killed.module, until, killed.tensors)
        with pytest.raises(KillError):
            train(killed, STAGE, RunFolder(folder))
        again = line()
        assert train(again, STAGE, RunFolder(folder)) == 12
        assert torch.equal(again.module.weight, whole.module.weight)
        assert curve(folder) == curve(tmp_path / "whole")
        same = (RunFolder(f).load_checkpoint()["average"] for f in (folder, tmp_path / "whole"))
        assert torch.equal(*(state["weight"] for state in same))


def test_parts_of_a_batch_one_after_another_equal_the_whole_batch(tmp_path):
    weights = []
    for accumulate in (1, 2, 4):
        trainee = line()
        stage = Stage(steps=6, batch=4, learning_rate=0.1, accumulate=accumulate)
        train(trainee, stage, RunFolder(tmp_path / str(accumulate)))
        weights.append(trainee.module.weight.item())

    assert weights[0] > 0.3
    assert weights == pytest.approx([weights[0]] * 3, rel=1e-5)


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_what_was_good(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(TrainingError, match=r"step 8 has the loss nan .* samples 28 to 31"):
        train(line(poisoned={30}), STAGE, folder)

    state = folder.load_checkpoint()
    assert state["step"] == 5
    assert torch.isfinite(state["module"]["weight"]).all()
    with locked(folder.path, "training"):
        pass


def test_the_learning_rate_rises_stays_and_falls():
    rates = [learning_rate(STAGE, step) for step in range(12)]

    assert rates[:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    assert rates[3:7] == pytest.approx([0.1] * 4)
    assert rates[6:] == sorted(rates[6:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_the_average_follows_slowly_and_is_put_back():
    module = Line()
    average = Average(module, 0.9)
    with torch.no_grad():
        module.weight.fill_(1.0)
    average.update(1000)

    with average.applied():
        assert module.weight.item() == pytest.approx(0.1)
    assert module.weight.item() == 1.0
    early = Average(Line(), 0.9)
    early._live[0].data.fill_(1.0)
    early.update(1)
    assert float(early.state()["weight"]) == pytest.approx(1 - 2 / 11)


def test_a_folder_in_use_is_refused(tmp_path):
    folder = RunFolder(tmp_path)
    with locked(tmp_path, "training"), pytest.raises(SettingsError, match="process is training"):
        train(line(), STAGE, folder)

    assert train(line(), STAGE, folder) == 12


def test_another_run_is_not_continued_but_more_steps_are(tmp_path):
    train(line(), STAGE, RunFolder(tmp_path))
    with pytest.raises(SettingsError, match=r"learning_rate was 0\.1 and is 0\.2"):
        train(line(), Stage(**{**vars(STAGE), "learning_rate": 0.2}), RunFolder(tmp_path))
    assert train(line(), Stage(**{**vars(STAGE), "steps": 15}), RunFolder(tmp_path)) == 15
    assert len(curve(tmp_path)) == 16


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path, monkeypatch):
    train(line(), STAGE, RunFolder(tmp_path))
    load = RunFolder.load_checkpoint

    def older(folder):
        state = load(folder)
        del state["stage"]["groups"], state["stage"]["dino_positions"]
        return state

    monkeypatch.setattr(RunFolder, "load_checkpoint", older)
    assert train(line(), Stage(**{**vars(STAGE), "steps": 15}), RunFolder(tmp_path)) == 15
    with pytest.raises(SettingsError, match="groups was False and is True"):
        train(line(), Stage(**{**vars(STAGE), "groups": True}), RunFolder(tmp_path))


def test_a_full_disk_is_said_and_the_last_checkpoint_kept(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    train(line(), STAGE, folder)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="is full: free some space"):
        folder.save_checkpoint({"step": 99})
    assert folder.load_checkpoint()["step"] == 12
