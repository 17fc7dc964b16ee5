"""Textual inversion: words of a user's own, each of which stands for vectors that a file holds.

A prompt is told such a word by the file's name, as in WebUIs.

Source  Gal et al. 2023, "An Image is Worth One Word".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from realishuman.backbones.beside import open_beside
from realishuman.backbones.families import other_kind
from realishuman.errors import PackError
from realishuman.packs.tensor_file import TensorFile

_EXPECTED = "Expected: an embedding of the checkpoint's own kind, as a .safetensors file."
_ONE, _TWO = ("emb_params",), ("clip_l", "clip_g")  # names of its tensors, one for each encoder
_MOST = 75  # vectors of a word


@dataclass(frozen=True)
class Embedding:
    """A file whose header was read.

    word   that stands for it.
    names  of its tensors, one for each text encoder.
    """

    file: TensorFile
    word: str
    names: Sequence[str]

    def teach(self, tokenizers: Sequence[Any], encoders: Sequence[Any]) -> str:
        """Add its vectors to a checkpoint's vocabulary; returns the words that stand for each.

        Raises PackError if they are of another width.
        """
        if len(self.names) != len(encoders):
            raise PackError(
                f"{self.file.path} is made for {len(self.names)} text encoders, the checkpoint has "
                f"{len(encoders)}. {_EXPECTED}"
            )
        words: list[str] = []
        for name, tokenizer, encoder in zip(self.names, tokenizers, encoders, strict=True):
            vectors = self.file.read(name).float()
            vectors = vectors[None] if vectors.ndim == 1 else vectors
            width = encoder.get_input_embeddings().weight.shape[1]
            if vectors.ndim != 2 or vectors.shape[1] != width or not 0 < len(vectors) <= _MOST:
                raise PackError(
                    f"{self.file.path} has vectors {tuple(vectors.shape)}, the checkpoint's words "
                    f"are {width} wide: it is made for another kind of model. {_EXPECTED}"
                )
            words = [f"<{self.word.lower()}:{number}>" for number in range(len(vectors))]
            tokenizer.add_tokens(words)
            encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
            table = encoder.get_input_embeddings().weight
            with torch.no_grad():
                for word, vector in zip(words, vectors, strict=True):
                    table[tokenizer.convert_tokens_to_ids(word)] = vector.to(table)
        return " ".join(words)


def open_embedding(path: Path) -> Embedding:
    """Read the header. Raises PackError, with a sentence, if it is none."""
    file = open_beside(path, "embedding", _EXPECTED)
    names: Sequence[str] = tuple(file.tensors)
    for known in (_ONE, _TWO):
        if set(known) <= file.tensors.keys():
            names = known
    if len(names) > len(_TWO) or (len(names) == len(_TWO) and names != _TWO):
        raise PackError(f"{file.path} holds {other_kind(file.tensors)}. {_EXPECTED}")
    return Embedding(file, path.stem, names)


def spell(text: str, known: Mapping[str, str]) -> str:
    """A prompt with each word of the user's own replaced by what stands for its vectors."""
    if not known:
        return text
    vectors = {word.lower(): made for word, made in known.items()}
    longest_first = "|".join(map(re.escape, sorted(vectors, key=len, reverse=True)))
    sought = re.compile(rf"(?<!\w)(?:{longest_first})(?!\w)", re.IGNORECASE)
    return sought.sub(lambda found: vectors[found.group().lower()], text)
