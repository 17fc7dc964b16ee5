"""The landmark corrector put together: hands, network, file, and how good it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from realishuman.errors import SettingsError
from realishuman.files.guard import room
from realishuman.files.whole import whole_file
from realishuman.mesh.hand_corrector import JOINTS, SIDE, WRONG
from realishuman.train.collect import find_pictures
from realishuman.train.config import Corrector, TrainConfig
from realishuman.train.corrector_data import CorrectorData, stack, vary
from realishuman.train.corrector_hands import (
    PER_FILE,
    Hands,
    load_hands,
    make_hands,
    make_photographed_hands,
)
from realishuman.train.corrector_net import CorrectorNet, TrainedCorrector, per_joint
from realishuman.train.folder import RunFolder
from realishuman.train.loop import Trainee, train
from realishuman.train.small_onnx import small_onnx

NAME = "corrector"
AT_ONCE = 64


@dataclass(frozen=True)
class Errors:
    """Mean distance to the true joints in the picture, % of the hand's longer side.

    found, corrected  of the detector's landmarks and of the network's, where only fingers that it
                      calls wrong are moved.
    wrong             share of the fingers that it calls wrong.
    """

    found: float
    corrected: float
    wrong: float


def train_corrector(
    config: TrainConfig,
    corrector: Corrector,
    workers: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Make the hands that are missing, train, go on where it was stopped; returns the ONNX file.

    Raises  SettingsError where the parts are no hands, or too few; what loop.train raises.
    """
    _check(config, corrector)
    folder = RunFolder(Path(config.output) / NAME)
    kept = folder.path / "hands"
    rendered = make_hands(kept, corrector.first, corrector.count, workers, say)
    photographed = []
    if corrector.photographs is not None:
        pictures = find_pictures(Path(corrector.photographs), (Path(config.output),), say)
        photographed = make_photographed_hands(kept, pictures, workers, say)
    held = load_hands([*rendered[:1], *photographed[:1]])
    rest = load_hands([*rendered[1:], *photographed[1:]])
    say(f"{NAME}: {len(rest.crops)} hands, {len(held.crops)} held out")
    module = TrainedCorrector(corrector.widths, corrector.stage.seed)
    data = CorrectorData(rest, corrector)
    trainee = Trainee(NAME, module, data.batch, lambda: dict(module.state_dict()))
    steps = train(trainee, corrector.stage, folder, say)
    net = module.net.eval().to("cpu", torch.float32)
    for name, which in (("clean", ~held.malformed), ("malformed", held.malformed)):
        errors = measure(net, held, np.flatnonzero(which))
        say(
            f"{name}: joints off by {errors.found:.2f} % of the hand as found, "
            f"{errors.corrected:.2f} % as corrected; {errors.wrong:.0%} of the fingers called wrong"
        )
    return _export(net, config, corrector, steps, folder.path)


def _check(config: TrainConfig, corrector: Corrector) -> None:
    if config.pack.kind != "hand":
        raise SettingsError(
            f"the corrector knows hands, but pack.kind is {config.pack.kind}: meshes of other "
            "kinds are not corrected."
        )
    if corrector.count <= PER_FILE:
        raise SettingsError(
            f"corrector.count is {corrector.count}; the first {PER_FILE} pairs are held out, so "
            "it must be more."
        )


def measure(net: CorrectorNet, hands: Hands, chosen: NDArray[np.intp]) -> Errors:
    """How far the joints of these hands are off before and after."""
    before: list[float] = []
    after: list[float] = []
    called: list[float] = []
    for start in range(0, len(chosen), AT_ONCE):
        batch = stack([vary(hands, int(i), None) for i in chosen[start : start + AT_ONCE]])
        with torch.inference_mode():
            joints, doubts = net(batch.crops, batch.found)
        wrong = (doubts.sigmoid() >= WRONG).float()
        corrected = batch.found + per_joint(wrong)[..., None] * (joints - batch.found)
        flat = batch.good[..., :2]
        size = (flat.amax(1) - flat.amin(1)).amax(1)
        for errors, points in ((before, batch.found), (after, corrected)):
            errors += ((points[..., :2] - flat).norm(dim=-1).mean(1) / size * 100).tolist()
        called += wrong.mean(1).tolist()
    return Errors(float(np.mean(before)), float(np.mean(after)), float(np.mean(called)))


class Probable(nn.Module):
    """The network as it is used: with probabilities."""

    def __init__(self, net: CorrectorNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, crop: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """As CorrectorNet, but the second answer is in [0, 1]."""
        joints, doubts = self.net(crop, found)
        return joints, doubts.sigmoid()


def _export(
    net: CorrectorNet, config: TrainConfig, corrector: Corrector, steps: int, folder: Path
) -> Path:
    """Write the ONNX file."""
    note = {
        "made by": f"realishuman train {NAME}",
        "hands": f"seeds {corrector.first} to {corrector.first + corrector.count - 1}",
        "seed": str(corrector.stage.seed),
        "steps": str(steps),
        "licence": config.pack.licence,
    }
    path = folder / f"{NAME}.onnx"
    example = {"crop": torch.zeros(2, 3, SIDE, SIDE), "found": torch.zeros(2, JOINTS, 3)}
    content = small_onnx(Probable(net).eval(), example, ["joints", "wrong"], note)
    with room(folder), whole_file(path) as file:
        file.write(content)
    return path
