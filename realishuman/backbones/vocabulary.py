"""Finds CLIP's vocabulary on this machine: single files of a checkpoint come without it.

Nothing is fetched. It is in every diffusers folder, in WebUIs and in packages that bring CLIP.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from realishuman.errors import PackError

FILES = ("vocab.json", "merges.txt")
PACKED = "bpe_simple_vocab_16e6.txt.gz"  # as OpenAI published it
PACKAGES = ("open_clip", "clip")
_WORDS = 49152 - 256 - 2  # merges that CLIP uses, of all in the packed file
_EXPECTED = (
    f"Expected: a folder with {' and '.join(FILES)}, such as `tokenizer` in any diffusers folder "
    "of a Stable Diffusion (Forge has some under backend/huggingface), or the file " + PACKED + "."
)


def find_vocabulary(named: Path | None) -> Mapping[str, str]:
    """The files' texts by name, of the place that was named, or of an installed package.

    Raises PackError if there is none.
    """
    if named is not None:
        if named.name.endswith(".gz") and named.is_file():
            return _unpack(named)
        folders = (named, named / "tokenizer")
        found = next((one for one in folders if all((one / f).is_file() for f in FILES)), None)
        if found is None:
            raise PackError(f"{named} holds no vocabulary of CLIP. {_EXPECTED}")
        return {name: (found / name).read_text(encoding="utf-8") for name in FILES}
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (Path(folder) / PACKED).is_file():
                return _unpack(Path(folder) / PACKED)
    raise PackError(
        "a single file holds no vocabulary for its prompts: name one with --tokenizer, or install "
        f"the package open-clip-torch, which brings it. {_EXPECTED}"
    )


def _unpack(path: Path) -> dict[str, str]:
    """The two files that the packed one stands for: bytes, bytes that end a word, merges, marks."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise PackError(f"{path} cannot be read ({error}). {_EXPECTED}") from error
    merges = lines[1 : _WORDS + 1]
    if len(merges) < _WORDS:
        raise PackError(f"{path} is no vocabulary of CLIP, or is cut short. {_EXPECTED}")
    letters = _letters()
    words = [*letters, *(f"{one}</w>" for one in letters), *("".join(m.split()) for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    table = {word: number for number, word in enumerate(words)}
    return {FILES[0]: json.dumps(table), FILES[1]: "\n".join(["#version: 0.2", *merges, ""])}


def _letters() -> list[str]:
    """A printable letter for each byte, in the vocabulary's order.

    Source  Radford et al. 2019, the byte pair encoding of GPT-2.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    rest = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + place) for place in range(len(rest))]
