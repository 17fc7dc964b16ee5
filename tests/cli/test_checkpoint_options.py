"""What the command line says of a checkpoint beside its name."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from realishuman.cli.checkpoint_options import add_checkpoint, wishes_from
from realishuman.errors import SettingsError


def wishes(*words, engines=()):
    parser = argparse.ArgumentParser()
    add_checkpoint(parser)
    return wishes_from(parser.parse_args(["--checkpoint", "it", *words]), engines)


@pytest.mark.parametrize(
    ("text", "path", "weight"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.4", "a.safetensors", 0.4),
        ("a:-1", "a", -1.0),
        ("C:\\loras\\a.safetensors", "C:\\loras\\a.safetensors", 1.0),
        ("C:\\loras\\a.safetensors:2", "C:\\loras\\a.safetensors", 2.0),
    ],
)
def test_a_lora_has_its_weight_behind_a_colon(text, path, weight):
    assert wishes("--lora", text).loras == ((Path(path), weight),)


def test_each_option_is_a_wish():
    said = wishes(
        *("--lora", "a:0.5", "--lora", "b", "--vae", "v", "--embedding", "e", "--embedding", "f"),
        *("--controlnet", "c", "--tokenizer", "t", "--prediction", "epsilon"),
    )

    assert said.loras == ((Path("a"), 0.5), (Path("b"), 1.0))
    assert (said.vae, said.embeddings) == (Path("v"), (Path("e"), Path("f")))
    assert said.control == (Path("c"), 0.55)
    assert (said.tokenizer, said.prediction) == (Path("t"), "epsilon")
    assert wishes("--controlnet", "c:0.8").control == (Path("c"), 0.8)
    assert wishes().control is None


@pytest.mark.parametrize("text", ["a:nan", "a:inf"])
def test_a_weight_that_is_no_number_is_refused(text):
    with pytest.raises(SettingsError, match="--lora must have a number for a weight"):
        wishes("--lora", text)


def test_handrefiner_needs_a_controlnet():
    with pytest.raises(SettingsError, match="handrefiner needs an inpainting checkpoint"):
        wishes(engines=["handrefiner"])
    assert wishes("--controlnet", "c", engines=["handrefiner"]).control == (Path("c"), 0.55)


def test_what_goes_with_a_checkpoint_needs_one():
    parser = argparse.ArgumentParser()
    add_checkpoint(parser)

    with pytest.raises(SettingsError, match="--lora, --vae go with a checkpoint"):
        wishes_from(parser.parse_args(["--lora", "a", "--vae", "v"]))
