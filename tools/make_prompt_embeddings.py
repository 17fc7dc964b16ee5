"""Writes the prompt embeddings that `realishuman convert --prompt` reads.

    python tools/make_prompt_embeddings.py FOLDER OUT.safetensors

FOLDER is a local copy of Stable Diffusion 1.5 inpainting in diffusers' layout; only its folders
`tokenizer` and `text_encoder` are needed. Nothing is downloaded. Needs transformers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from realishuman.packs.sources import PROMPT


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    tokenizer = CLIPTokenizer.from_pretrained(options.folder / "tokenizer", local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(options.folder / "text_encoder", local_files_only=True)
    embeddings = {}
    for name, text in (("conditional", PROMPT), ("unconditional", "")):
        length = encoder.config.max_position_embeddings
        tokens = tokenizer(
            text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        with torch.inference_mode():
            embeddings[name] = encoder(tokens.input_ids).last_hidden_state.float()
    save_file(embeddings, options.out)
    print({name: tuple(value.shape) for name, value in embeddings.items()}, options.out)


if __name__ == "__main__":
    main()
