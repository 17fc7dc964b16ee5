from __future__ import annotations

import dataclasses
import gc
import weakref

import pytest
import torch
from torch import nn

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.loading import Place
from realishuman.backbones.packed import load_unet
from realishuman.backbones.twin import load_twin, misfit
from realishuman.diffusion.networks import FeatureBank
from realishuman.errors import BackboneError, PackError
from realishuman.packs.pack import Pack
from tests.backbones import ldm_like
from tests.backbones.states import same, state

PLACE = Place(torch.device("cpu"), torch.float32)
STAGES = [("stage_one.unet.", 4, "unet"), ("stage_two.unet.", 9, "stage_two_unet")]


class Interrupt(BaseException):
    """As the WebUI's: passes through every `except Exception`."""


@pytest.fixture(scope="module")
def pack(hand_pack):
    return Pack.open(hand_pack)


@pytest.fixture
def host(pack):
    return ldm_like.UNetModel(pack.header.unet).eval()


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield


def networks(host, pack, prefix="stage_one.unet.", shape="unet"):
    """The same weights in a twin of the host's UNet and in the pack's own."""
    shape = getattr(pack.header, shape)
    return (
        LdmUnet(load_twin(host, pack, prefix, shape, torch.float32), PLACE),
        load_unet(pack, prefix, shape, PLACE),
    )


def inputs(pack, channels, rows=2):
    generator = torch.Generator().manual_seed(0)

    def make(*shape):
        return torch.randn(shape, generator=generator)

    width = pack.header.unet.channels[0]
    return make(rows, channels, 16, 16), make(rows, 7, 64), make(rows, width, 16, 16)


def close(found, expected):
    assert found.dtype is torch.float32
    return (found - expected).abs().max() < 1e-5 * expected.std().clamp(min=1)


@pytest.mark.parametrize(("prefix", "channels", "shape"), STAGES)
@pytest.mark.parametrize("rows", [0, 2], ids=lambda rows: f"{rows} of 4 rows read the bank")
def test_a_twin_computes_what_the_packs_own_network_does(pack, prefix, channels, shape, rows):
    host = ldm_like.UNetModel(getattr(pack.header, shape)).eval()
    latents, tokens, pose = inputs(pack, channels, rows=4)
    reference, times = latents[:rows].flip(0), torch.tensor(501)
    results = []
    for unet in networks(host, pack, prefix, shape):
        condition = unet.condition(tokens, pose if channels == 4 else None)
        bank = unet.features(reference, times, condition.rows(0, rows)) if rows else None
        results.append(unet.predict(latents, times, condition, bank))

    assert close(*results)


def test_a_base_for_inpainting_lends_its_classes_as_well(pack):
    host = ldm_like.UNetModel(pack.header.unet, in_channels=9).eval()
    latents, tokens, _ = inputs(pack, 4)

    twin, own = (
        unet.predict(latents, torch.tensor(1), unet.condition(tokens), None)
        for unet in networks(host, pack)
    )

    assert close(twin, own)


def test_features_of_several_timesteps_are_the_packs_own_under_ldm_names(host, pack):
    latents, tokens, pose = inputs(pack, 4)
    times = torch.tensor([999, 1])

    twin, own = (
        unet.features(latents, times, unet.condition(tokens, pose)) for unet in networks(host, pack)
    )

    assert len(twin.features) == 16
    assert next(iter(twin.features)) == "input_blocks.1.1.transformer_blocks.0"
    pairs = zip(twin.features.values(), own.features.values(), strict=True)
    assert all(close(*pair) for pair in pairs)


def test_the_hosts_class_level_attention_does_the_computing(host, pack, monkeypatch):
    calls = []
    attend = ldm_like.CrossAttention.forward

    def optimised(self, x, context=None, mask=None, **options):
        calls.append(x.shape)
        return attend(self, x, context, mask)

    monkeypatch.setattr(ldm_like.CrossAttention, "forward", optimised)
    twin, own = networks(host, pack)
    latents, tokens, _ = inputs(pack, 4)

    found = twin.predict(latents, torch.tensor(1), twin.condition(tokens), None)

    assert close(found, own.predict(latents, torch.tensor(1), own.condition(tokens), None))
    assert len(calls) == 32


def tomesd(block):
    """As tomesd patches a block; its forward would merge tokens."""

    class ToMeBlock(type(block)):
        _parent = type(block)

        def forward(self, x, context=None):
            raise AssertionError("token merging must not run")

    block.__class__ = ToMeBlock
    block._tome_info = {"hooks": []}


def refuse(*_args, **_options):
    raise AssertionError("what others put on the host's instances must not run")


def burden(host):
    """What users' extensions leave on a loaded model."""
    host.forward = refuse  # ControlNet
    host.register_forward_pre_hook(refuse)  # tomesd
    for name, module in host.named_modules():
        if isinstance(module, ldm_like.CrossAttention):
            module.forward = refuse  # hypertile
        if isinstance(module, ldm_like.BasicTransformerBlock):
            module._forward = refuse  # reference of ControlNet
            tomesd(module)
        if isinstance(module, nn.Conv2d):
            module.padding_mode = "circular"  # tiling
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.network_layer_name = name
            module.network_current_names = (("a", 1.0, 1.0, None),)
            module.network_weights_backup = module.weight.clone()
    for block in [host.time_embed, *host.input_blocks, host.middle_block, *host.output_blocks]:
        block.register_forward_pre_hook(refuse)  # --lowvram


def test_what_others_put_on_the_hosts_instances_neither_runs_nor_changes(host, pack):
    burden(host)
    before = state(host)
    twin, own = networks(host, pack)
    latents, tokens, pose = inputs(pack, 4)

    found, expected = (
        unet.predict(latents, torch.tensor(1), unet.condition(tokens, pose), None)
        for unet in (twin, own)
    )

    assert close(found, expected)
    assert same(before, state(host))


@pytest.mark.parametrize(("error", "at"), [(RuntimeError, 1), (Interrupt, 17), (Interrupt, 32)])
def test_an_error_within_a_forward_leaves_host_and_twin_usable(host, pack, monkeypatch, error, at):
    twin, _ = networks(host, pack)
    latents, tokens, pose = inputs(pack, 4)
    condition = twin.condition(tokens, pose)
    bank = twin.features(latents, torch.tensor(1), condition)
    expected = twin.predict(latents, torch.tensor(1), condition, bank)
    before, calls, attend = state(host), [], ldm_like.CrossAttention.forward

    def failing(self, *args, **options):
        calls.append(1)
        if len(calls) == at:
            raise error
        return attend(self, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(ldm_like.CrossAttention, "forward", failing)
        with pytest.raises(error):
            twin.predict(latents, torch.tensor(1), condition, bank)

    plain = twin.predict(latents, torch.tensor(1), twin.condition(tokens), None)
    assert not close(plain, expected)  # neither pose nor bank of the failed call is left
    assert close(twin.predict(latents, torch.tensor(1), condition, bank), expected)
    assert same(before, state(host))


def lora(monkeypatch):
    """Class-level Linear as the WebUI's Lora extension makes it; returns its loaded networks.

    A module whose networks are out of date gets its backup back and new deltas, in place.
    """
    loaded, plain = [("a", 0.5)], nn.Linear.forward

    def forward(self, x):
        if getattr(self, "network_layer_name", None) is not None:
            wanted = tuple(loaded)
            if getattr(self, "network_weights_backup", None) is None:
                self.network_weights_backup = self.weight.clone()
            if getattr(self, "network_current_names", ()) != wanted:
                self.weight.copy_(self.network_weights_backup)
                for _, delta in loaded:
                    self.weight += delta
                self.network_current_names = wanted
        return plain(self, x)

    monkeypatch.setattr(nn.Linear, "forward", forward)
    return loaded


@pytest.mark.parametrize("stale", [False, True], ids=["settled", "changed since the last picture"])
def test_an_active_lora_is_neither_in_our_result_nor_disturbed(host, pack, monkeypatch, stale):
    loaded = lora(monkeypatch)
    for name, module in host.named_modules():
        if isinstance(module, nn.Linear):
            module.network_layer_name = name
    latents, tokens, pose = inputs(pack, 4)
    base = host.time_embed[0].weight.clone()
    expected = host(latents, torch.ones(2), tokens)
    assert torch.equal(host.time_embed[0].weight, base + 0.5)
    if stale:
        loaded[:] = [("b", 0.25)]
    before = state(host)

    twin, own = networks(host, pack)
    found = [
        u.predict(latents, torch.tensor(1), u.condition(tokens, pose), None) for u in (twin, own)
    ]

    assert close(*found)
    assert same(before, state(host))
    loaded[:] = [("a", 0.5)]
    torch.testing.assert_close(host(latents, torch.ones(2), tokens), expected, rtol=0, atol=0)
    loaded.clear()
    host(latents, torch.ones(2), tokens)
    assert torch.equal(host.time_embed[0].weight, base)


def test_a_twin_keeps_nothing_of_the_host_alive(pack):
    host = ldm_like.UNetModel(pack.header.unet)
    burden(host)
    gone = [weakref.ref(each) for each in (host, host.time_embed[0].weight)]
    twin, _ = networks(host, pack)

    del host
    gc.collect()

    assert [each() for each in gone] == [None, None]
    latents, tokens, _ = inputs(pack, 4)
    twin.predict(latents, torch.tensor(1), twin.condition(tokens), None)


def test_a_module_hidden_from_memory_can_still_be_copied(host, pack):
    host.to("meta")

    twin, own = networks(host, pack)

    latents, tokens, _ = inputs(pack, 4)
    found = [u.predict(latents, torch.tensor(1), u.condition(tokens), None) for u in (twin, own)]
    assert close(*found)


def test_the_hosts_memory_format_is_taken_over(host, pack):
    host.to(memory_format=torch.channels_last)

    twin = load_twin(host, pack, "stage_one.unet.", pack.header.unet, torch.float32)

    weight = twin.get_submodule("input_blocks.1.0.in_layers.2").weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def other(pack, **changes):
    return dataclasses.replace(pack.header.unet, **changes)


def test_a_unet_that_fits_has_nothing_against_it(host, pack):
    assert misfit(host, pack.header.unet, 4) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"channels": (32, 32, 32, 96)}, "other sizes"),
        ({"context": 32}, "other sizes"),
        ({"attention": (True, True, True, True)}, "other sizes"),
        ({"layers": 1}, "other sizes"),
        ({"heads": 4}, "other attention heads"),
        ({"groups": 16}, "norm groups"),
    ],
)
def test_a_unet_of_other_sizes_is_told_apart(host, pack, changes, reason):
    assert reason in misfit(host, other(pack, **changes), 4)


def test_what_is_no_unet_or_stored_otherwise_is_told_apart(host, pack):
    shape = pack.header.unet

    assert "no Stable Diffusion 1.x" in misfit(nn.Linear(2, 2), shape, 4)
    host.time_embed[0].weight.data = host.time_embed[0].weight.to(torch.float8_e4m3fn)
    assert "stored as torch.float8_e4m3fn" in misfit(host, shape, 4)
    host.register_buffer("extra", torch.zeros(1))
    assert "other sizes" in misfit(host, shape, 4)


def test_tensors_that_do_not_fit_the_header_are_named(host, pack):
    with pytest.raises(PackError, match=r"misshapen: conv_in.bias is 32, expected 64") as caught:
        load_twin(host, pack, "stage_two.unet.", other(pack, channels=(64,) * 4), torch.float32)
    assert str(pack.path) in str(caught.value)


def test_features_of_another_unet_are_refused(host, pack):
    twin, _ = networks(host, pack)
    latents, tokens, _ = inputs(pack, 4)
    strange = FeatureBank({"mid": torch.zeros(1, 4, 64)})

    with pytest.raises(BackboneError, match=r"1 blocks .* 16 blocks"):
        twin.predict(latents, torch.tensor(1), twin.condition(tokens), strange)


def test_a_module_without_transformers_is_no_ldm_unet():
    with pytest.raises(BackboneError, match="no transformer blocks"):
        LdmUnet(nn.Linear(2, 2), PLACE)


def test_another_precision_computes_in_it_and_returns_float32(host, pack):
    place = Place(torch.device("cpu"), torch.bfloat16)
    module = load_twin(host, pack, "stage_one.unet.", pack.header.unet, torch.bfloat16)
    twin, (_, own) = LdmUnet(module, place), networks(host, pack)
    latents, tokens, _ = inputs(pack, 4)

    found = twin.predict(latents, torch.tensor(1), twin.condition(tokens), None)
    exact = own.predict(latents, torch.tensor(1), own.condition(tokens), None)

    assert found.dtype is torch.float32
    assert 0 < (found - exact).abs().mean() < 0.02 * exact.std()
    bank = twin.features(latents, torch.tensor(1), twin.condition(tokens))
    assert {each.dtype for each in bank.features.values()} == {torch.bfloat16}
