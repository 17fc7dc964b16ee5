"""The prompt is embedded as the library's CLIP text model does."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from realishuman.errors import PackError
from realishuman.official.text_encoder import (
    END,
    START,
    WORDS,
    TextEncoder,
    embed_prompt,
    load_text_encoder,
)

PLACES = 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A tiny encoder with the full vocabulary, in the layout of the official file."""
    torch.manual_seed(0)
    network = TextEncoder(END + 1, PLACES, 128, 2)
    tensors = {
        f"text_model.{name}": 0.2 * torch.randn_like(t) for name, t in network.state_dict().items()
    }
    tensors["text_model.embeddings.position_ids"] = torch.arange(PLACES)[None]
    path = tmp_path_factory.mktemp("text") / "model.safetensors"
    save_file(tensors, path)
    return path


def test_embeddings_equal_those_of_the_library(weights, tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.CLIPTextConfig(
        vocab_size=END + 1,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=PLACES,
        hidden_act="quick_gelu",
    )
    library = transformers.CLIPTextModel(config).eval()
    state = {n: t for n, t in load_file(weights).items() if "position_ids" not in n}
    if "embeddings.token_embedding.weight" in library.state_dict():  # its newer name
        state = {name.removeprefix("text_model."): t for name, t in state.items()}
    library.load_state_dict(state, strict=True)

    embed_prompt(weights, tmp_path / "prompt.safetensors")

    for name, found in load_file(tmp_path / "prompt.safetensors").items():
        tokens = [START, *WORDS[name]]
        tokens += [END] * (PLACES - len(tokens))
        with torch.no_grad():
            expected = library(torch.tensor([tokens])).last_hidden_state
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("text_model.final_layer_norm.bias"), "1 missing: final_layer_norm.bias"),
        (lambda t: t.update(extra=torch.zeros(2)), "1 unexpected: extra"),
        (
            lambda t: t.update(
                {"text_model.embeddings.token_embedding.weight": torch.zeros(100, 128)}
            ),
            "knows 100 words",
        ),
    ],
)
def test_another_network_is_refused_by_name(weights, tmp_path, change, says):
    tensors = load_file(weights)
    change(tensors)
    save_file(tensors, tmp_path / "other.safetensors")

    with pytest.raises(PackError, match=says):
        embed_prompt(tmp_path / "other.safetensors", tmp_path / "prompt.safetensors")

    assert not (tmp_path / "prompt.safetensors").exists()


def test_weights_of_half_precision_are_computed_in_float32(weights, tmp_path):
    halves = {n: t.half() if t.is_floating_point() else t for n, t in load_file(weights).items()}
    save_file(halves, tmp_path / "half.safetensors")

    assert load_text_encoder(tmp_path / "half.safetensors").final_layer_norm.weight.dtype == (
        torch.float32
    )
