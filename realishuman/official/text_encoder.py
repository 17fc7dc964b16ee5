"""Stable Diffusion 1.x's text encoder in plain torch: it embeds the prompt of stage two, once.

Tensors are named as in text_encoder/model.safetensors. There are only two texts, so their tokens
stand here and no tokenizer is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from realishuman.errors import PackError
from realishuman.packs.checkpoint import open_checkpoint
from realishuman.packs.shapes import Shape, differences

EXPECTED = (
    "text_encoder/model.safetensors (CLIP ViT-L/14's text encoder, 246 MB) of "
    "huggingface.co/stable-diffusion-v1-5/stable-diffusion-inpainting"
)
# packs.sources.PROMPT and "" in CLIP's byte pair encoding; every place that is left is END
START, END = 49406, 49407
WORDS = {"conditional": (3288, 512, 3086, 518, 2445, 1630, 518, 2463), "unconditional": ()}
HEAD = 64  # channels of an attention head in every published CLIP
_PREFIX = "text_model."
_BUFFER = "embeddings.position_ids"  # in older files; only counts up


class TextEncoder(nn.Module):
    """A causal transformer over token embeddings; returns all states after the last LayerNorm.

    Source  Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
            Supervision".
    """

    def __init__(self, words: int, places: int, width: int, depth: int) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "token_embedding": nn.Embedding(words, width),
                "position_embedding": nn.Embedding(places, width),
            }
        )
        layers = nn.Sequential(*(_Layer(width) for _ in range(depth)))
        self.encoder = nn.ModuleDict({"layers": layers})
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) int64 to (B, T, width)."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.embeddings["token_embedding"](tokens)
        x = x + self.embeddings["position_embedding"](places)
        result: Tensor = self.final_layer_norm(self.encoder["layers"](x))
        return result


class _Layer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(width)
        self.self_attn = nn.ModuleDict(
            {name: nn.Linear(width, width) for name in ("q_proj", "k_proj", "v_proj", "out_proj")}
        )
        self.layer_norm2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Tensor) -> Tensor:
        normal = self.layer_norm1(x)
        query, key, value = (
            self.self_attn[f"{name}_proj"](normal).unflatten(2, (-1, HEAD)).transpose(1, 2)
            for name in "qkv"
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.self_attn["out_proj"](mixed.transpose(1, 2).flatten(2))
        hidden = self.mlp["fc1"](self.layer_norm2(x))
        hidden = hidden * torch.sigmoid(1.702 * hidden)  # CLIP's approximation of GELU
        result: Tensor = x + self.mlp["fc2"](hidden)
        return result


def load_text_encoder(path: Path) -> TextEncoder:
    """Build the encoder of a file, its sizes read off it; float32.

    Raises PackError when the file is missing, damaged or another network.
    """
    file = open_checkpoint(path, EXPECTED)
    found = {
        name.removeprefix(_PREFIX): shape
        for name, shape in file.shapes.items()
        if not name.endswith(_BUFFER)
    }
    with torch.device("meta"):
        network = TextEncoder(*_sizes(found))
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    if wrong := differences(found, wanted):
        raise PackError(f"{path}: {wrong}. Expected: {EXPECTED}")
    tensors = {
        name.removeprefix(_PREFIX): file.load(name).float()
        for name in file.shapes
        if not name.endswith(_BUFFER)
    }
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def embed_prompt(path: Path, target: Path) -> None:
    """Write the embeddings that a pack needs, (1, 77, 768) each, from the text encoder's file.

    Raises PackError as load_text_encoder.
    """
    network = load_text_encoder(path)
    places, vocabulary = (
        len(network.state_dict()[f"embeddings.{name}_embedding.weight"])
        for name in ("position", "token")
    )
    embeddings = {}
    for name, words in WORDS.items():
        tokens = [START, *words]
        tokens += [END] * (places - len(tokens))
        if len(tokens) > places or max(tokens) >= vocabulary:
            raise PackError(
                f"{path} knows {vocabulary} words and {places} places: it is no text encoder of "
                f"Stable Diffusion 1.x. Expected: {EXPECTED}"
            )
        with torch.no_grad():
            embeddings[name] = network(torch.tensor([tokens]))
    save_file(embeddings, target)


def find_prompt_file(path: Path, scratch: Path) -> Path:
    """The file of embeddings that `path` is, or one made in `scratch` of the text encoder it is.

    Raises PackError as load_text_encoder.
    """
    if "conditional" in open_checkpoint(path, EXPECTED).shapes:
        return path
    target = scratch / "prompt.safetensors"
    embed_prompt(path, target)
    return target


def _sizes(shapes: Mapping[str, Shape]) -> tuple[int, int, int, int]:
    """Vocabulary, places, width and depth; those of CLIP ViT-L/14 where a tensor is missing."""
    words, width = _matrix(shapes, "embeddings.token_embedding.weight", (49408, 768))
    places, _ = _matrix(shapes, "embeddings.position_embedding.weight", (77, width))
    depth = 1
    while f"encoder.layers.{depth}.layer_norm1.weight" in shapes:
        depth += 1
    return words, places, width, depth


def _matrix(shapes: Mapping[str, Shape], name: str, otherwise: tuple[int, int]) -> tuple[int, int]:
    shape = shapes.get(name, ())
    return (shape[0], shape[1]) if len(shape) == 2 else otherwise
