"""The judge and the scorer put together: crops, network, files, and how good they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from realishuman.advice import command
from realishuman.errors import SettingsError
from realishuman.files.guard import room
from realishuman.files.whole import whole_file
from realishuman.train.config import Critic, TrainConfig
from realishuman.train.critic import CHANNELS, OUTPUTS, Answering, TrainedCritic
from realishuman.train.critic_data import CriticData
from realishuman.train.data import count_trained
from realishuman.train.estimated import Estimated
from realishuman.train.folder import RunFolder
from realishuman.train.loop import Trainee, train
from realishuman.train.shards import Crops
from realishuman.train.small_onnx import small_onnx

GIVES = {"judge": OUTPUTS[:1], "scorer": OUTPUTS}


def train_critic(
    config: TrainConfig, name: str, critic: Critic, say: Callable[[str], None] = lambda _: None
) -> Path:
    """Train the judge or the scorer, go on where it was stopped; returns the ONNX file.

    Raises  SettingsError without enough crops, or if judge and scorer would share any; what
            loop.train raises.
    """
    _check(config)
    folder = RunFolder(Path(config.output) / name)
    crops = Crops(Path(config.data.folder), config)
    most = count_trained(crops, config)
    if critic.first + critic.count > most:
        raise SettingsError(
            f"{name} is to learn from crops {critic.first} to {critic.first + critic.count - 1}, "
            f"but {config.data.folder} has {most} besides those held out: make "
            f"more with `{command('train', 'synthesise')}`, or change first and count."
        )
    estimated = Estimated(crops, config, critic, folder.path, say)
    module = TrainedCritic(critic.widths, critic.stage.seed)
    trainee = Trainee(
        name, module, CriticData(crops, critic, estimated).batch, lambda: dict(module.state_dict())
    )
    steps = train(trainee, critic.stage, folder, say)
    return _export(module, config, name, critic, steps, folder.path)


def _export(
    module: TrainedCritic, config: TrainConfig, name: str, critic: Critic, steps: int, folder: Path
) -> Path:
    """Write the ONNX file."""
    note = {
        "made by": f"realishuman train {name}",
        "crops": f"{critic.first} to {critic.first + critic.count - 1}",
        "seed": str(critic.stage.seed),
        "steps": str(steps),
        "licence": config.pack.licence,
    }
    path = folder / f"{name}.onnx"
    net = module.net.eval().to("cpu", torch.float32)
    example = {"crop": torch.zeros(2, CHANNELS, config.pack.resolution, config.pack.resolution)}
    outputs = GIVES[name]
    content = small_onnx(Answering(net, outputs).eval(), example, outputs, note)
    with room(folder), whole_file(path) as file:
        file.write(content)
    return path


def _check(config: TrainConfig) -> None:
    """Raise SettingsError where the scorer would judge what the judge has learnt from.

    Also where the crops are not of hands: of others nobody counts the fingers.
    """
    if config.pack.kind != "hand":
        raise SettingsError(
            f"judge and scorer know hands, but pack.kind is {config.pack.kind}: packs of other "
            "kinds are judged by colour and keypoints alone."
        )
    judge, scorer = config.judge, config.scorer
    apart = judge.first + judge.count <= scorer.first or scorer.first + scorer.count <= judge.first
    if not apart or judge.stage.seed == scorer.stage.seed:
        raise SettingsError(
            f"judge and scorer must learn from different crops with different seeds, but have "
            f"{judge.first} to {judge.first + judge.count - 1} with seed {judge.stage.seed}, and "
            f"{scorer.first} to {scorer.first + scorer.count - 1} with seed {scorer.stage.seed}: "
            "change first, count or stage.seed of either."
        )
