"""What happens to a training run that is told to stop."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from realishuman.cli.main import main
from realishuman.files.guard import locked
from realishuman.train import loop
from realishuman.train.config import Stage
from realishuman.train.data import AutoencoderData
from realishuman.train.folder import RunFolder
from realishuman.train.loop import Trainee, train

STAGE = Stage(steps=8, batch=2, learning_rate=0.1, save_every=100)


class Number(torch.nn.Module):
    """Learns a single number."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, batch):
        return (batch[0] * self.weight).square().mean()


def number(*signals):
    """A trainee; at each (step, signal) its process gets the signal while the batch is made."""
    module = Number()

    def batch(numbers):
        for step, sent in signals:
            if numbers[0] == step * STAGE.batch:
                os.kill(os.getpid(), sent)
        return (torch.tensor([float(n % 5) for n in numbers]),)

    return Trainee("number", module, batch, module.state_dict)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_saves_it(tmp_path, sent):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    whole, folder, said = number(), RunFolder(tmp_path / "run"), []
    train(whole, STAGE, RunFolder(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt, match="step 4 of 8 is saved"):
        train(number((3, sent)), STAGE, folder, said.append)

    assert folder.load_checkpoint()["step"] == 4
    assert "Stopping after this step" in said[0]
    with locked(folder.path, "training"):
        pass
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    again = number()
    assert train(again, STAGE, folder) == 8
    assert torch.equal(again.module.weight, whole.module.weight)


def test_a_second_signal_stops_at_once(tmp_path):
    folder = RunFolder(tmp_path)
    kills = [(3, signal.SIGINT), (3, signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        train(number(*kills), STAGE, folder)

    assert folder.load_checkpoint() is None
    with locked(tmp_path, "training"):
        pass


def test_the_command_says_what_is_saved_and_ends_with_130(
    crops, config_file, tmp_path, monkeypatch, capsys
):
    batch = AutoencoderData.batch

    def stopped(self, numbers):
        os.kill(os.getpid(), signal.SIGINT)
        return batch(self, numbers)

    monkeypatch.setattr(AutoencoderData, "batch", stopped)
    options = ["train", "autoencoder", "--config", config_file(tmp_path / "run")]
    assert main(options) == 130
    said = capsys.readouterr().err
    assert "step 1 of 2 is saved in" in said
    assert "Finished pictures" not in said

    def at_once(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train", at_once)
    assert main(options) == 130
    assert "to resume from the last checkpoint" in capsys.readouterr().err
