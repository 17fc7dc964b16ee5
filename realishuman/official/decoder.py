"""HaMeR's head: one query token reads the backbone's tokens and names hand pose, shape and camera.

Module names are those of the official state dict.
Source  Pavlakos et al. 2024; hamer/models/heads/mano_head.py and components/pose_transformer.py of
        geopavlakos/hamer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

HEAD = 64  # channels of one attention head
JOINTS = 16
POSE, SHAPE, CAMERA = 6 * JOINTS, 10, 3


@dataclass(frozen=True)
class DecoderShape:
    """Sizes of the head; the defaults are the released ones.

    inner    channels of all attention heads together.
    hidden   of the MLPs.
    context  channels of the backbone's tokens.
    """

    width: int = 1024
    depth: int = 6
    inner: int = 512
    hidden: int = 1024
    context: int = 1280


def _split(x: Tensor) -> Tensor:
    """(B, N, inner) to (B, heads, N, HEAD)."""
    return x.reshape(-1, x.shape[1], x.shape[2] // HEAD, HEAD).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of tokens (B, N, inner) over (B, M, inner); either may have batch 1."""
    scores = _split(q) @ _split(k).transpose(-2, -1) * HEAD**-0.5
    mixed: Tensor = scores.softmax(-1) @ _split(v)
    return mixed.transpose(1, 2).reshape(-1, q.shape[1], q.shape[2])


class SelfAttention(nn.Module):
    """Attention of the query tokens among themselves."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(shape.width, 3 * shape.inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(shape.inner, shape.width))

    def forward(self, x: Tensor, _context: Tensor) -> Tensor:
        """(B, N, width) to the same."""
        out: Tensor = self.to_out(_attend(*self.to_qkv(x).chunk(3, dim=-1)))
        return out


class CrossAttention(nn.Module):
    """Attention of the query tokens over the backbone's."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.to_q = nn.Linear(shape.width, shape.inner, bias=False)
        self.to_kv = nn.Linear(shape.context, 2 * shape.inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(shape.inner, shape.width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, N, width) to the same; context (B, M, context)."""
        out: Tensor = self.to_out(_attend(self.to_q(x), *self.to_kv(context).chunk(2, dim=-1)))
        return out


class FeedForward(nn.Module):
    """Two layers with GELU between; the odd places of `net` are dropouts in training."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        layers = (nn.Linear(shape.width, shape.hidden), nn.Linear(shape.hidden, shape.width))
        self.net = nn.Sequential(layers[0], nn.GELU(), nn.Identity(), layers[1])

    def forward(self, x: Tensor, _context: Tensor) -> Tensor:
        """(..., width) to the same."""
        out: Tensor = self.net(x)
        return out


class PreNorm(nn.Module):
    """A layer with normalisation before it and a shortcut around both."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B, N, width) to the same."""
        out: Tensor = x + self.fn(self.norm(x), context)
        return out


class Layers(nn.Module):
    """Self-attention, cross-attention and MLP, several times."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        kinds = (SelfAttention, CrossAttention, FeedForward)
        self.layers = nn.ModuleList(
            nn.ModuleList(PreNorm(shape.width, kind(shape)) for kind in kinds)
            for _ in range(shape.depth)
        )

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """(B or 1, 1, width) to (B, 1, width)."""
        for layer in self.layers:
            for part in layer:  # type: ignore[attr-defined]  # a ModuleList
                x = part(x, context)
        return x


class Transformer(nn.Module):
    """The decoder and its one query token."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.to_token_embedding = nn.Linear(1, shape.width)
        self.pos_embedding = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.transformer = Layers(shape)

    def forward(self, context: Tensor) -> Tensor:
        """(B, M, context) to (B, width)."""
        # The token is the number zero, so of its embedding only the bias is left.
        start = self.to_token_embedding.bias + self.pos_embedding
        out: Tensor = self.transformer(start, context)
        return out.squeeze(1)


class ManoHead(nn.Module):
    """From the backbone's tokens to what MANO and the camera need."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.transformer = Transformer(shape)
        self.decpose = nn.Linear(shape.width, POSE)
        self.decshape = nn.Linear(shape.width, SHAPE)
        self.deccam = nn.Linear(shape.width, CAMERA)
        self.register_buffer("init_hand_pose", torch.zeros(1, POSE))
        self.register_buffer("init_betas", torch.zeros(1, SHAPE))
        self.register_buffer("init_cam", torch.zeros(1, CAMERA))

    def forward(self, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read out one hand per crop.

        context  (B, M, context) float32.
        Returns  rotations (B, 16, 3, 3) of wrist and fingers in MANO's order, betas (B, 10) and
                 camera (B, 3): scale, then x and y of the hand in the crop.
        """
        token = self.transformer(context)
        pose = self.decpose(token) + self.init_hand_pose
        betas = self.decshape(token) + self.init_betas
        return rotations(pose), betas, self.deccam(token) + self.init_cam


def rotations(pose: Tensor) -> Tensor:
    """Rotation matrices of 6D representations.

    pose     (B, 6 J): per joint the first column, then the second, both of any length.
    Returns  (B, J, 3, 3).
    Source   Zhou et al. 2019, On the Continuity of Rotation Representations, eq. 15.
    """
    first, second = pose.reshape(-1, pose.shape[1] // 6, 2, 3).unbind(2)
    x = nn.functional.normalize(first, dim=-1)
    y = nn.functional.normalize(second - (x * second).sum(-1, keepdim=True) * x, dim=-1)
    z = x.roll(-1, -1) * y.roll(-2, -1) - x.roll(-2, -1) * y.roll(-1, -1)  # cross product
    return torch.stack([x, y, z], dim=-1)
