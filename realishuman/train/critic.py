"""The small network that judges a crop, and what it learns from: is this part malformed?

It is shown the crop, the render of the mesh that the part should follow, and the mesh's mask m.
Besides the verdict it learns how many fingers are there and where the defect is, which teaches the
same features; the judge that ships keeps the verdict alone, evaluation's scorer the count as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realishuman.train.compute import channels_last

CHANNELS = 7  # crop, pose, m
FINGERS = (4, 5, 6)  # classes of the count
# probabilities (N, 1) and (N, 3), and the (N, F) numbers that both are computed from
OUTPUTS = ("malformed", "fingers", "features")
IGNORED = -1  # a hand whose fingers nobody can count
RANKED, PLACED, COUNTED = 0.5, 1.0, 0.3  # weights of the losses besides the verdict's


@dataclass(frozen=True)
class CriticBatch:
    """Pairs of crops.

    clean, malformed  (B, 7, R, R) float32: crop in [-1, 1], pose and m in [0, 1].
    changed           (B, 1, R, R) float32, 1 where the two differ.
    fingers           (B,) int64 place in FINGERS of the malformed hand, or IGNORED.
    """

    clean: Tensor
    malformed: Tensor
    changed: Tensor
    fingers: Tensor


@dataclass(frozen=True)
class Opinion:
    """What the network makes of N crops, all as logits.

    malformed  (N, 1).
    fingers    (N, 3), one per class of FINGERS.
    places     (N, 1, h, w), is there a defect here?
    """

    malformed: Tensor
    fingers: Tensor
    places: Tensor


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same."""
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(inner)))


class Level(nn.Module):
    """Halves the picture, then looks at it with some blocks."""

    def __init__(self, before: int, width: int, blocks: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, before, h, w) to (N, width, h / 2, w / 2)."""
        result: Tensor = self.blocks(F.relu(self.norm(self.down(x))))
        return result


class CriticNet(nn.Module):
    """Levels of residual blocks; defects are placed on the last level but one."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        before = (CHANNELS, *widths)
        last = len(widths) - 1
        self.levels = nn.ModuleList(
            Level(before[i], width, 1 if i in (0, last) else 2) for i, width in enumerate(widths)
        )
        self.place = nn.Conv2d(widths[-2], 1, 1)
        features = 2 * widths[-1] + 1
        self.verdict = nn.Linear(features, 1)
        self.count = nn.Linear(features, len(FINGERS))

    def forward(self, x: Tensor) -> Opinion:
        """(N, 7, R, R) to logits."""
        features, places = self._seen(x.contiguous(memory_format=torch.channels_last))
        return Opinion(self.verdict(features), self.count(features), places)

    def features(self, x: Tensor) -> Tensor:
        """(N, 7, R, R) to the (N, F) numbers that verdict and count are computed from."""
        return self._seen(x)[0]

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and places."""
        for level in self.levels[:-1]:
            x = level(x)
        places = self.place(x)
        x = self.levels[-1](x)
        features = torch.cat([x.mean((2, 3)), x.amax((2, 3)), places.amax((2, 3))], dim=1)
        return features, places


class Answering(nn.Module):
    """The network as its file answers: probabilities, and what they are computed from.

    outputs  some of OUTPUTS, in the order in which they come.
    """

    def __init__(self, net: CriticNet, outputs: Sequence[str]) -> None:
        super().__init__()
        self.net, self.outputs = net, outputs

    def forward(self, crop: Tensor) -> tuple[Tensor, ...]:
        """(N, 7, R, R) to one (N, k) for each output."""
        features = self.net.features(crop)
        answers = {
            "malformed": torch.sigmoid(self.net.verdict(features)),
            "fingers": torch.softmax(self.net.count(features), dim=1),
            "features": features,
        }
        return tuple(answers[name] for name in self.outputs)


class TrainedCritic(nn.Module):
    """The network with its losses; forward takes a batch and returns the loss."""

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = CriticNet(widths)
        channels_last(self.net)

    def forward(self, batch: CriticBatch) -> Tensor:
        """Mean loss of the pairs."""
        pairs = len(batch.clean)
        opinion = self.net(torch.cat([batch.clean, batch.malformed]))
        malformed, fingers = opinion.malformed[:, 0].float(), opinion.fingers.float()
        truth = torch.cat([torch.zeros(pairs), torch.ones(pairs)]).to(malformed)
        verdict = F.binary_cross_entropy_with_logits(malformed, truth)
        ranked = F.softplus(malformed[:pairs] - malformed[pairs:]).mean()
        places = opinion.places.float()
        seen = F.adaptive_avg_pool2d(batch.changed, places.shape[2:])
        where = torch.cat([torch.zeros_like(seen), (seen > 0.1).float()])
        placed = F.binary_cross_entropy_with_logits(places, where)
        five = torch.full_like(batch.fingers, FINGERS.index(5))
        counted = F.cross_entropy(fingers, torch.cat([five, batch.fingers]), ignore_index=IGNORED)
        return verdict + RANKED * ranked + PLACED * placed + COUNTED * counted
