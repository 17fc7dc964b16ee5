"""Which Stable Diffusion a single file holds, told by the names and sizes of its tensors.

A file that is something else, or none of those that can repaint a part, is refused in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from realishuman.errors import PackError
from realishuman.packs.shapes import Shape

Shapes = Mapping[str, Shape]
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CONV_IN = UNET + "input_blocks.0.0.weight"
_PLAIN, _INPAINTING = 4, 9  # channels that a UNet is given
_OTHERS = {8: "an instruct-pix2pix model", 5: "a depth model", 7: "an upscaler"}
_OTHER_KINDS = (  # a piece of a tensor's name, and what a file with it holds
    (CONV_IN, "a whole checkpoint"),
    ("lora_", "a LoRA, which only changes a checkpoint"),
    (".lora_A.", "a LoRA, which only changes a checkpoint"),
    ("control_model.", "a ControlNet"),
    ("controlnet_", "a ControlNet"),
    ("double_blocks.", "a model of the Flux family, which has no such UNet"),
    ("joint_blocks.", "a Stable Diffusion 3, which has no such UNet"),
    ("emb_params", "an embedding"),
    ("clip_g", "an embedding"),
    (VAE, "a VAE"),
    ("decoder.mid", "a VAE"),
    ("conditioner.", "text encoders alone"),
    ("cond_stage_model.", "a text encoder alone"),
    ("text_model.", "a text encoder alone"),
    ("down_blocks.", "a network of the diffusers library alone: name the folder that holds it"),
)
WHOLE = (
    "Expected: a checkpoint of Stable Diffusion 1.x, 2.x or XL with its VAE and text encoder, as a "
    ".safetensors file, or a folder of the diffusers library."
)

_CLIP = {"vocab_size": 49408, "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 2}
_VIT_L = {
    **_CLIP,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "projection_dim": 768,
    "hidden_act": "quick_gelu",
}
_AUTOENCODER = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 4,
    "layers_per_block": 2,
    "force_upcast": False,
    "scaling_factor": 0.18215,
}
_UNET = {"in_channels": 4, "cross_attention_dim": 768, "attention_head_dim": 8}


@dataclass(frozen=True)
class Family:
    """A Stable Diffusion as the diffusers library is told of it.

    words       as users call it.
    context     width of its cross-attention tokens.
    side        of the pictures it was trained on, in pixels.
    configs     of the library's components, by name.
    prediction  what it predicts where the file does not say.
    pad         the word that fills up its prompts.
    """

    words: str
    context: int
    side: int
    configs: Mapping[str, Mapping[str, Any]]
    prediction: str = "epsilon"
    pad: str = "<|endoftext|>"

    def side_for(self, prediction: str) -> int:
        """Side where the model predicts this: of Stable Diffusion 2.x, what predicts noise was
        trained on smaller pictures."""
        smaller = self.prediction == "v_prediction" and prediction == "epsilon"
        return self.side * 2 // 3 if smaller else self.side


FAMILIES = (
    Family(
        "Stable Diffusion 1.x",
        768,
        512,
        {"unet": _UNET, "vae": _AUTOENCODER, "text_encoder": _VIT_L},
    ),
    Family(
        "Stable Diffusion 2.x",
        1024,
        768,
        {
            "unet": {
                **_UNET,
                "cross_attention_dim": 1024,
                "attention_head_dim": [5, 10, 20, 20],
                "use_linear_projection": True,
            },
            "vae": _AUTOENCODER,
            "text_encoder": {
                **_CLIP,
                "hidden_size": 1024,
                "intermediate_size": 4096,
                "num_attention_heads": 16,
                "num_hidden_layers": 23,
                "projection_dim": 512,
                "hidden_act": "gelu",
            },
        },
        "v_prediction",
        "!",
    ),
    Family(
        "Stable Diffusion XL",
        2048,
        1024,
        {
            "unet": {
                "in_channels": 4,
                "cross_attention_dim": 2048,
                "attention_head_dim": [5, 10, 20],
                "block_out_channels": [320, 640, 1280],
                "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
                "up_block_types": [*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
                "transformer_layers_per_block": [1, 2, 10],
                "use_linear_projection": True,
                "addition_embed_type": "text_time",
                "addition_time_embed_dim": 256,
                "projection_class_embeddings_input_dim": 2816,
            },
            "vae": {**_AUTOENCODER, "force_upcast": True, "scaling_factor": 0.13025},
            "text_encoder": _VIT_L,
            "text_encoder_2": {
                **_CLIP,
                "hidden_size": 1280,
                "intermediate_size": 5120,
                "num_attention_heads": 20,
                "num_hidden_layers": 32,
                "projection_dim": 1280,
                "hidden_act": "gelu",
            },
        },
    ),
)
REFINER = 1280  # width of its tokens
A_REFINER = (
    "a refiner of Stable Diffusion XL, which only finishes what its base began: name the base."
)


@dataclass(frozen=True)
class Recognised:
    """What a file holds.

    channels    that its UNet is given.
    prediction  "epsilon" or "v_prediction".
    zero_snr    whether its schedule ends without signal.
    """

    family: Family
    channels: int
    prediction: str
    zero_snr: bool


def recognise(
    name: str, shapes: Shapes, metadata: Mapping[str, str], needs_vae: bool = True
) -> Recognised:
    """What a single file is. Raises PackError, with a sentence, unless it can repaint parts.

    name       of the file, for the message.
    shapes     of its tensors.
    metadata   what it says beside them.
    needs_vae  whether it must hold one.
    """
    conv_in = shapes.get(CONV_IN, ())
    if len(conv_in) != 4:
        raise PackError(f"{name} holds {other_kind(shapes)}. {WHOLE}")
    channels, width = conv_in[1], _context(shapes)
    if channels in _OTHERS:
        raise PackError(f"{name} holds {_OTHERS[channels]}, which cannot repaint a part. {WHOLE}")
    if width == REFINER:
        raise PackError(f"{name} holds {A_REFINER} {WHOLE}")
    family = next((one for one in FAMILIES if one.context == width), None)
    if family is None or channels not in (_PLAIN, _INPAINTING):
        raise PackError(
            f"{name} holds a UNet with {channels} channels and words of width {width}, which is no "
            f"Stable Diffusion known here. {WHOLE}"
        )
    if lacking := _lacking(shapes, needs_vae):
        hint = " (--vae names one)" if lacking == ["VAE"] else ""
        raise PackError(f"{name} lacks its {' and '.join(lacking)}{hint}. {WHOLE}")
    said = metadata.get("modelspec.prediction_type", "")
    if "v_pred" in shapes or said == "v":
        prediction = "v_prediction"
    else:
        prediction = "epsilon" if said == "epsilon" else family.prediction
    return Recognised(family, channels, prediction, "ztsnr" in shapes)


def other_kind(names: Iterable[str]) -> str:
    """What a file is that holds tensors of these names and is not what was wanted, in words."""
    known = list(names)
    pieces = (words for piece, words in _OTHER_KINDS if any(piece in name for name in known))
    return next(pieces, "no Stable Diffusion")


def family_of(context: int) -> str:
    """A Stable Diffusion in words, by the width of its cross-attention tokens."""
    words = {one.context: one.words for one in FAMILIES}
    return words.get(context, f"a model with words of width {context}")


def _context(shapes: Shapes) -> int:
    """Width of the cross-attention tokens; 0 if there is no cross-attention."""
    end = ".attn2.to_k.weight"
    found = (shape[1] for key, shape in shapes.items() if key.endswith(end) and len(shape) == 2)
    return next(found, 0)


def _lacking(shapes: Shapes, needs_vae: bool) -> list[str]:
    encoders = ("cond_stage_model.", "conditioner.embedders.")
    needed = {**({"VAE": (VAE,)} if needs_vae else {}), "text encoder": encoders}
    return [
        what for what, starts in needed.items() if not any(k.startswith(starts) for k in shapes)
    ]
