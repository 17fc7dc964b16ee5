"""The network that corrects a hand's landmarks: which fingers are wrong, and where they belong.

Each joint is read off a coarse grid: a softmax says where on it the joint may be, further maps how
far beside each cell's centre and how deep, and the weighted mean is the answer. Whether a finger is
wrong is read off likewise. Two answers, because one would hedge: a joint that is wrong in half of
the pictures that look like this one would be moved half the way in all of them.
Source  Sun et al. 2018, "Integral Human Pose Regression", with offsets per cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realishuman.mesh.hand_corrector import FINGERS, JOINTS, SIDE
from realishuman.train.compute import channels_last
from realishuman.train.critic import Block, Level

SPREAD = 0.03  # of the map that shows where a landmark was found, in sides of the crop
UNIT = 0.1  # crop sides per unit of what the network says of offsets and depth
HIDDEN = 128
DEPTH = 0.3  # weight of the error in depth, which one picture tells little about
RIGHT = 0.15  # weight of joints of fingers that are right: nobody asks for these
DECIDING = 0.05  # weight of the fingers' cross-entropy beside the joints' distances


@dataclass(frozen=True)
class CorrectorBatch:
    """Hands.

    crops        (B, 3, 128, 128) float32 in [-1, 1].
    found, good  (B, 21, 3) float32 landmarks in sides of the crop, depth from its mean on.
    wrong        (B, 5) float32, 1 for the fingers that are malformed, thumb first.
    """

    crops: Tensor
    found: Tensor
    good: Tensor
    wrong: Tensor


class CorrectorNet(nn.Module):
    """Down to an eighth of the found maps' grid and up again by one level."""

    def __init__(self, widths: Sequence[int]) -> None:
        """widths: of the levels, finest first, four; each halves the picture."""
        super().__init__()
        first, second, third, last = widths
        self.stem = nn.Conv2d(3, first, 3, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(first)
        self.fine = Level(first, second, 1)
        self.found = nn.Conv2d(JOINTS, second, 1)
        self.middle = Level(second, third, 2)
        self.coarse = Level(third, last, 2)
        self.numbers = nn.Sequential(
            nn.Linear(JOINTS * 3, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, last)
        )
        self.up = nn.Conv2d(last, third, 1)
        self.mix = Block(third)
        self.head = nn.Conv2d(third, 4 * JOINTS, 1)
        self.doubts = nn.Conv2d(third, 2 * FINGERS, 1)
        self.ticks: Tensor
        self.cells: Tensor
        self.register_buffer("ticks", _centres(SIDE // 4), persistent=False)
        self.register_buffer("cells", _centres(SIDE // 8), persistent=False)

    def forward(self, crop: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 128, 128) and (N, 21, 3) to joints (N, 21, 3) and how likely fingers are wrong.

        The latter (N, 5), before the sigmoid; all else as in CorrectorBatch.
        """
        crop = crop.contiguous(memory_format=torch.channels_last)
        fine = self.fine(F.relu(self.stem_norm(self.stem(crop)))) + self.found(self._maps(found))
        middle = self.middle(fine)
        numbers = self.numbers(torch.cat([found[..., :2] - 0.5, found[..., 2:]], 2).flatten(1))
        coarse = F.relu(self.coarse(middle) + numbers[:, :, None, None])
        mixed = self.mix(middle + F.interpolate(self.up(coarse), scale_factor=2.0))
        where, doubts = self.doubts(mixed).float().flatten(2).chunk(2, dim=1)
        wrong = (where.softmax(-1) * doubts).sum(-1)
        return self._joints(self.head(mixed).float(), found), wrong

    def _maps(self, found: Tensor) -> Tensor:
        """Where each landmark was found, (N, 21, 32, 32)."""
        across, down = (
            torch.exp(-0.5 * ((self.ticks - found[..., axis : axis + 1]) / SPREAD) ** 2)
            for axis in (0, 1)
        )
        maps = down[..., :, None] * across[..., None, :]
        return maps.contiguous(memory_format=torch.channels_last)

    def _joints(self, answer: Tensor, found: Tensor) -> Tensor:
        """From maps (N, 84, 16, 16) to joints; depth is said beyond what was found."""
        logits, right, below, deeper = answer.reshape(-1, 4, JOINTS, len(self.cells) ** 2).unbind(1)
        weights = logits.softmax(-1)
        x = self.cells.repeat(len(self.cells)) + UNIT * right
        y = self.cells.repeat_interleave(len(self.cells)) + UNIT * below
        depth = (weights * UNIT * deeper).sum(-1) + found[..., 2]
        return torch.stack([(weights * x).sum(-1), (weights * y).sum(-1), depth], dim=-1)


def _centres(cells: int) -> Tensor:
    return (torch.arange(cells) + 0.5) / cells


class TrainedCorrector(nn.Module):
    """The network with its loss; forward takes a batch and returns the loss."""

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = CorrectorNet(widths)
        channels_last(self.net)

    def forward(self, batch: CorrectorBatch) -> Tensor:
        """The joints' distances, mostly those of wrong fingers, and the fingers' cross-entropy."""
        joints, doubts = self.net(batch.crops, batch.found)
        apart = joints - batch.good
        flat = (apart[..., :2].square().sum(-1) + 1e-6).sqrt()
        off = flat + DEPTH * apart[..., 2].abs()
        weight = RIGHT + (1 - RIGHT) * per_joint(batch.wrong)
        decided = F.binary_cross_entropy_with_logits(doubts, batch.wrong)
        loss: Tensor = (weight * off).sum() / weight.sum() + DECIDING * decided
        return loss


def per_joint(wrong: Tensor) -> Tensor:
    """(B, 5) of fingers to (B, 21) of joints; the wrist is right."""
    return F.pad(wrong.repeat_interleave((JOINTS - 1) // FINGERS, dim=1), (1, 0))
