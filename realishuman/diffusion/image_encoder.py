"""DINOv2 in plain torch: from a picture to the tokens that tell the UNets what is in it.

Tensors are named as in facebook/dinov2-large. The library that names them so has renamed them
since, and the release that one WebUI pins does not have the model yet; hence our own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realishuman.packs.header import EncoderShape

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB
SPREAD = (0.229, 0.224, 0.225)
EPSILON = 1e-6  # of every LayerNorm


class ImageEncoder(nn.Module):
    """A vision transformer with LayerScale; returns all tokens after the last LayerNorm.

    Source: Oquab et al. 2023, "DINOv2: Learning Robust Visual Features without Supervision".
    """

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = _Embeddings(shape)
        self.encoder = nn.ModuleDict(
            {
                "layer": nn.Sequential(
                    *(_Block(shape.width, shape.heads) for _ in range(shape.depth))
                )
            }
        )
        self.layernorm = nn.LayerNorm(shape.width, eps=EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """(P, 3, R, R) in [0, 1] to tokens (P, T, width), the class token before the patches."""
        return self.tokens(self.normalised(images))

    def normalised(self, images: Tensor) -> Tensor:
        """Resize to the encoder's side, bilinear with antialiasing, and normalise; float32."""
        return normalise(images.to(self.layernorm.weight.device), self.shape.side)

    def tokens(self, normalised: Tensor) -> Tensor:
        """(P, 3, side, side), normalised, to tokens (P, T, width) in the weights' dtype."""
        x = self.encoder["layer"](self.embeddings(normalised.to(self.layernorm.weight)))
        result: Tensor = self.layernorm(x)
        return result


def normalise(images: Tensor, side: int) -> Tensor:
    """(P, 3, R, R) in [0, 1] to (P, 3, side, side) float32 as DINOv2 takes it, on their device."""
    small = F.interpolate(images.float(), (side, side), mode="bilinear", antialias=True)
    mean, spread = (
        torch.tensor(values, device=small.device)[:, None, None] for values in (MEAN, SPREAD)
    )
    return (small - mean) / spread


class _Embeddings(nn.Module):
    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        patches = (shape.side // shape.patch) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.mask_token = nn.Parameter(torch.zeros(1, shape.width))  # of training only
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + patches, shape.width))
        self.patch_embeddings = nn.ModuleDict(
            {"projection": nn.Conv2d(3, shape.width, shape.patch, stride=shape.patch)}
        )

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embeddings["projection"](images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(images.shape[0], -1, -1), patches], dim=1)
        return tokens + self.position_embeddings


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=EPSILON)
        self.attention = _Attention(width, heads)
        self.layer_scale1 = _Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=EPSILON)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )
        self.layer_scale2 = _Scale(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.layer_scale1(self.attention(self.norm1(x)))
        hidden = F.gelu(self.mlp["fc1"](self.norm2(x)))
        result: Tensor = x + self.layer_scale2(self.mlp["fc2"](hidden))
        return result


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("query", "key", "value")}
        )
        self.output = nn.ModuleDict({"dense": nn.Linear(width, width)})

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            self.attention[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.output["dense"](mixed.transpose(1, 2).flatten(2))
        return result


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lambda1 = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.lambda1
