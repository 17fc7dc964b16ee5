from __future__ import annotations

import pytest
import torch

from realishuman.diffusion.image_encoder import MEAN, SPREAD, ImageEncoder
from realishuman.packs.header import EncoderShape
from realishuman.packs.shapes import SD15, encoder_shapes

SHAPE = EncoderShape(width=24, depth=2, heads=3, patch=14, side=42)
RENAMED = {  # our names, facebook/dinov2-large's, to those of transformers 5
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    encoder = ImageEncoder(SHAPE).eval()
    for parameter in encoder.parameters():
        parameter.copy_(0.3 * torch.randn_like(parameter))
    return encoder


def test_tokens_equal_those_of_the_library_s_dinov2(encoder):
    transformers = pytest.importorskip("transformers")
    library = transformers.Dinov2Model(
        transformers.Dinov2Config(
            hidden_size=24, num_hidden_layers=2, num_attention_heads=3, patch_size=14, image_size=42
        )
    ).eval()
    state = encoder.state_dict()
    if "encoder.layer.0.attention.q_proj.weight" in library.state_dict():
        for ours, theirs in RENAMED.items():
            state = {name.replace(ours, theirs): tensor for name, tensor in state.items()}
    library.load_state_dict(state, strict=True)
    images = torch.randn(2, 3, 42, 42)

    tokens = encoder.tokens(images)

    assert tokens.shape == (2, 10, 24)
    torch.testing.assert_close(tokens, library(images).last_hidden_state)


def test_names_are_those_of_the_released_dinov2():
    with torch.device("meta"):
        large = ImageEncoder(SD15.image_encoder)

    found = {name: tuple(tensor.shape) for name, tensor in large.state_dict().items()}

    assert found == encoder_shapes(SD15.image_encoder)
    assert len(found) == 439


def test_pictures_of_any_size_are_resized_and_normalised(encoder):
    grey = torch.full((1, 3, 128, 128), 0.5)

    normalised = encoder.normalised(grey)

    expected = [(0.5 - mean) / spread for mean, spread in zip(MEAN, SPREAD, strict=True)]
    assert normalised.shape == (1, 3, 42, 42)
    torch.testing.assert_close(normalised[0, :, 20, 20], torch.tensor(expected))
    torch.testing.assert_close(encoder(grey), encoder.tokens(normalised))
