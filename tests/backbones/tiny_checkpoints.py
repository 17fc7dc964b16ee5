"""Small checkpoints of random weights, written by the diffusers library itself."""

from __future__ import annotations

import json

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

SIDE = 128  # of the pictures, in pixels
WORDS, WORDS_2 = 32, 48  # widths of the text encoders
VAE = {
    "block_out_channels": [8, 8, 16, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "force_upcast": False,
}
UNET = {
    "sample_size": SIDE // 8,
    "in_channels": 4,
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": WORDS,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
}
UNET_XL = {
    **UNET,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": WORDS + WORDS_2,
    "attention_head_dim": [2, 4],
    "transformer_layers_per_block": [1, 2],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": WORDS + 6 * 8,
}
UNET_2 = {**UNET, "attention_head_dim": [2, 4], "use_linear_projection": True}
ENCODER = {
    "hidden_size": WORDS,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "projection_dim": WORDS,
}


ENCODER_2 = {**ENCODER, "hidden_size": WORDS_2, "hidden_act": "gelu"}
OPEN_CLIP = {**ENCODER, "num_hidden_layers": 23, "hidden_act": "gelu"}  # of 24, as SD 2.x has it


def write_words(folder):
    """CLIP's files with few words; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{one}</w>" for one in letters), "ha", "nd</w>", "hand</w>"]
    words += ["<|startoftext|>", "<|endoftext|>"]
    table = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(table))
    (folder / "merges.txt").write_text("#version: 0.2\nh a\nn d</w>\nha nd</w>\n")
    return len(words)


def pipeline(folder, large=False, channels=4, open_clip=False, **schedule):
    """A pipeline of random weights, biases and norms included.

    open_clip  as Stable Diffusion 2.x has it.
    """
    torch.manual_seed(0)
    encoder = {**(OPEN_CLIP if open_clip else ENCODER), "vocab_size": write_words(folder)}
    unet = UNET_XL if large else UNET_2 if open_clip else UNET
    pad = {"pad_token": "!"} if open_clip else {}
    parts = {
        "vae": AutoencoderKL(**VAE),
        "unet": UNet2DConditionModel(**{**unet, "in_channels": channels}),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**encoder)),
        "tokenizer": CLIPTokenizer.from_pretrained(folder, model_max_length=77, **pad),
        "scheduler": DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            **{"steps_offset": 1, **schedule},
        ),
    }
    for module in (parts["vae"], parts["unet"]):
        for name, parameter in module.named_parameters():
            if parameter.ndim == 1:
                centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
                torch.nn.init.normal_(parameter, centre, 0.1)
    if not large:
        safety = {"safety_checker": None, "feature_extractor": None}
        return StableDiffusionPipeline(**parts, **safety, requires_safety_checker=False)
    return StableDiffusionXLPipeline(
        **parts,
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**{**encoder, **ENCODER_2})),
        tokenizer_2=CLIPTokenizer.from_pretrained(folder, model_max_length=77, pad_token="!"),
    )
