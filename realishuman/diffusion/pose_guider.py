"""The pose guider: turns the pose image into what is added to the UNet's first features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


class PoseGuider(nn.Module):
    """Eight 3x3 convolutions, three of them of stride 2, with SiLU between them.

    widths    of the levels, finest first: (16, 32, 96, 256) in the released weights.
    channels  of the UNet's first features.
    """

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        blocks: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            blocks.append(nn.Conv2d(narrow, narrow, 3, padding=1))
            blocks.append(nn.Conv2d(narrow, wide, 3, padding=1, stride=2))
        self.blocks = nn.ModuleList(blocks)
        self.conv_out = nn.Conv2d(widths[-1], channels, 3, padding=1)

    @classmethod
    def like(cls, tensors: Mapping[str, Tensor]) -> PoseGuider:
        """Sized as these weights. Raises KeyError if they are not a pose guider's."""
        widths = [tensors["conv_in.weight"].shape[0]]
        while f"blocks.{2 * len(widths) - 1}.weight" in tensors:
            widths.append(tensors[f"blocks.{2 * len(widths) - 1}.weight"].shape[0])
        return cls(widths, tensors["conv_out.weight"].shape[0])

    def forward(self, images: Tensor) -> Tensor:
        """(P, 3, R, R) in [0, 1] to (P, channels, R/8, R/8) in the weights' dtype."""
        x = F.silu(self.conv_in(images.to(self.conv_in.weight)))
        for block in self.blocks:
            x = F.silu(block(x))
        result: Tensor = self.conv_out(x)
        return result
