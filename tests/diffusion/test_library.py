"""Our networks against the classes of the diffusers library, whose names and results they share."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL

from benchmarks.official import library_unet, reading, writing
from realishuman.backbones.packed import build_autoencoder, build_unet
from realishuman.diffusion.networks import FeatureBank
from realishuman.packs.header import UnetShape, VaeShape
from realishuman.packs.random_pack import initial_values
from realishuman.packs.shapes import SD15

DEMO = UnetShape((48, 80, 112), (True, True, True), layers=1, context=64, heads=2, groups=16)
SHALLOW = UnetShape((32, 64), (True, False), layers=2, context=24, heads=4, groups=8)
MIDDLE = UnetShape((16, 48, 32), (False, False, False), layers=3, context=40, heads=4, groups=8)
VAES = [VaeShape((16, 32, 64), 1, 16, 8, 1.3), VaeShape((32, 64), 2, 4, 32, 0.18215)]


def library_autoencoder(shape):
    with torch.device("meta"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * len(shape.channels),
            up_block_types=("UpDecoderBlock2D",) * len(shape.channels),
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            latent_channels=shape.latent_channels,
            norm_num_groups=shape.groups,
        )


def named(module):
    return [(name, tuple(tensor.shape)) for name, tensor in module.named_parameters()]


def filled(ours, library):
    """Both with the same random weights, biases included."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, shape in named(library):
        values = initial_values(name, shape, 0)
        tensors[name] = values + 0.1 * torch.randn(shape, generator=generator) * (len(shape) == 1)
    for module in (ours, library):
        module.load_state_dict(tensors, assign=True)
    return ours.eval(), library.eval()


@pytest.fixture(params=[DEMO, SHALLOW, MIDDLE], ids=["demo", "shallow", "middle"])
def unets(request):
    shape = request.param
    ours, library = filled(build_unet(shape, 9, 5), library_unet(shape, 9, 5))
    return ours, library, shape


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(1)
    return lambda *shape: torch.randn(shape, generator=generator)


def run(library, latents, timestep, tokens, pose):
    """The library's forward with the pose added after conv_in."""
    handle = library.conv_in.register_forward_hook(
        lambda _m, _args, out: out if pose is None else out + pose
    )
    try:
        return library(latents, timestep, tokens, return_dict=False)[0]
    finally:
        handle.remove()


@pytest.mark.parametrize("shape", [SD15.unet, DEMO, SHALLOW, MIDDLE])
@pytest.mark.parametrize("inputs", [4, 9])
def test_a_unet_has_the_library_s_parameters_in_its_order(shape, inputs):
    """An optimizer's state in a checkpoint goes by the order."""
    assert named(build_unet(shape, inputs)) == named(library_unet(shape, inputs))


@pytest.mark.parametrize("shape", [SD15.vae, *VAES])
def test_an_autoencoder_has_the_library_s_parameters_in_its_order(shape):
    assert named(build_autoencoder(shape)) == named(library_autoencoder(shape))


@pytest.mark.parametrize("posed", [True, False])
@pytest.mark.parametrize("timestep", [torch.tensor(7), torch.tensor([1, 400, 999])])
@pytest.mark.parametrize("size", [(16, 16), (10, 6)])
def test_a_unet_predicts_what_the_library_s_does(unets, drawn, close, posed, timestep, size):
    ours, library, shape = unets
    latents, tokens = drawn(3, 9, *size), drawn(3, 5, shape.context)
    pose = drawn(3, shape.channels[0], *size) if posed else None

    found = ours.predict(latents, timestep, ours.condition(tokens, pose), None)

    close(found, run(library, latents, timestep, tokens, pose), 1e-5)


def test_features_are_what_the_library_s_self_attention_sees(unets, drawn, close):
    ours, library, shape = unets
    latents, tokens = drawn(2, 9, 16, 16), drawn(2, 5, shape.context)
    timestep, pose = torch.tensor([3, 700]), drawn(2, shape.channels[0], 16, 16)
    seen = {}

    features = ours.features(latents, timestep, ours.condition(tokens, pose)).features
    with writing(library, seen):
        run(library, latents, timestep, tokens, pose)

    assert {f"{name}.attn1" for name in features} == seen.keys()
    for name, value in features.items():
        close(value, seen[f"{name}.attn1"], 1e-5)


def test_reading_a_bank_is_attention_to_joined_tokens_in_the_library(unets, drawn, close):
    ours, library, shape = unets
    latents, tokens = drawn(3, 9, 16, 16), drawn(3, 5, shape.context)
    timestep, condition = torch.tensor(501), ours.condition(tokens)
    bank = ours.features(drawn(3, 9, 16, 16), timestep, condition)

    found = ours.predict(latents, timestep, condition, bank)
    last = ours.predict(latents, timestep, condition, bank.rows(2, 3))

    with reading(library, {f"{name}.attn1": each for name, each in bank.features.items()}):
        expected = run(library, latents, timestep, tokens, None)
    plain = run(library, latents, timestep, tokens, None)
    close(found, expected, 1e-5)
    close(last, torch.cat([plain[:2], expected[2:]]), 1e-5)
    assert (expected - plain).abs().max() > 1e-3


@pytest.mark.parametrize("shape", VAES)
def test_an_autoencoder_encodes_and_decodes_as_the_library_s_does(shape, drawn, close):
    ours, library = filled(build_autoencoder(shape), library_autoencoder(shape))
    images = drawn(2, 3, 48, 32).clamp(-1, 1)

    expected = library.encode(images).latent_dist
    found = ours.posterior(images)
    noise = drawn(*expected.mean.shape)

    close(found.mean, expected.mean, 1e-5)
    close(found.sample(noise), expected.mean + expected.std * noise, 1e-5)
    torch.testing.assert_close(found.divergence(), expected.kl(), rtol=1e-5, atol=1e-5)
    close(ours.encode(images), expected.mode() * shape.scaling, 1e-5)
    close(ours.pictures(noise), library.decode(noise).sample, 1e-5)
    painted = library.decode(noise / shape.scaling).sample
    close(ours.decode(noise), (painted / 2 + 0.5).clamp(0, 1), 1e-5)


def test_half_precision_rounds_as_the_library_s_does(unets, drawn):
    """The same operations in the same dtypes: the error against float32 is no larger."""
    ours, library, shape = unets
    latents, tokens, timestep = drawn(2, 9, 16, 16), drawn(2, 5, shape.context), torch.tensor(501)
    exact = run(library, latents, timestep, tokens, None)

    ours, library = ours.bfloat16(), library.bfloat16()
    found = ours.predict(latents, timestep, ours.condition(tokens), None)
    theirs = run(library, latents.bfloat16(), timestep, tokens.bfloat16(), None).float()

    assert (found - exact).abs().mean() < 1.1 * (theirs - exact).abs().mean()


def test_recomputing_keeps_less_and_writes_the_same_features(unets, drawn):
    ours, _, shape = unets
    latents, tokens = drawn(2, 9, 16, 16), drawn(2, 5, shape.context)
    kept = {}

    def gradient(recompute):
        ours.recompute, kept[recompute] = recompute, 0

        def count(tensor):
            kept[recompute] += tensor.numel()
            return tensor

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            condition = ours.condition(tokens)
            bank = ours.features(latents, torch.tensor(5), condition)
            bank = FeatureBank({name: each * 1.5 for name, each in bank.features.items()})
            loss = ours.predict(latents, torch.tensor(5), condition, bank).square().mean()
        return torch.autograd.grad(loss, ours.conv_in.weight)[0]

    plain, again = gradient(False), gradient(True)

    torch.testing.assert_close(again, plain)
    assert kept[True] < 0.5 * kept[False]
