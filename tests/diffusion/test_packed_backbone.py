from __future__ import annotations

import dataclasses
import gc
import weakref

import pytest
import torch

from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion.networks import FeatureBank
from realishuman.errors import BackboneError, PackError


class Altered:
    """A pack with some tensors replaced or, where the new one is None, removed."""

    def __init__(self, pack, header=None, **changes):
        self.path, self._pack = pack.path, pack
        self.header = header or pack.header
        self._changes = {name.replace("__", "."): value for name, value in changes.items()}

    def has(self, prefix):
        return self._pack.has(prefix) or any(n.startswith(prefix) for n in self._changes)

    def tensors(self, prefix, *place):
        found = self._pack.tensors(prefix, *place)
        for name, tensor in self._changes.items():
            if name.startswith(prefix):
                found.pop(name.removeprefix(prefix), None)
                if tensor is not None:
                    found[name.removeprefix(prefix)] = tensor
        return found


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage_two__unet__conv_out__bias": None}, "1 missing: conv_out.bias"),
        ({"stage_two__unet__conv_in__weight": None}, "1 missing: conv_in.weight"),
        ({"stage_two__unet__extra__bias": torch.zeros(1)}, "1 unexpected: extra.bias"),
        (
            {"stage_two__unet__conv_out__bias": torch.zeros(5)},
            "1 misshapen: conv_out.bias is 5, expected 4",
        ),
        ({"vae__quant_conv__bias": torch.zeros(2)}, "quant_conv.bias is 2, expected 8"),
    ],
)
def test_tensors_that_do_not_fit_the_header_are_named(golden_pack, changes, message):
    backbone = PackedBackbone(Altered(golden_pack, **changes))

    with pytest.raises(PackError, match=message) as caught, backbone.stage_two():
        pass
    assert str(golden_pack.path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stage_one__pose_guider__conv_out__weight", None),
        ("stage_one__projector__1__weight", torch.zeros(1, 1)),
        ("image_encoder__layernorm__bias", None),
    ],
)
def test_small_networks_that_do_not_fit_are_named(golden_pack, name, value):
    backbone = PackedBackbone(Altered(golden_pack, **{name: value}))

    with pytest.raises(PackError, match=name.replace("__", ".").rsplit(".", 1)[0].split(".")[-1]):
        with backbone.stage_one():
            pass


def test_a_cpu_computes_in_float32(backbone, one):
    assert backbone.device == torch.device("cpu")
    assert backbone.dtype is torch.float32
    assert {p.dtype for p in one.unet.parameters()} == {torch.float32}
    assert not any(p.requires_grad for p in one.unet.parameters())


def test_another_precision_computes_in_it_and_returns_float32(golden_pack, two):
    latents, timestep = torch.randn(1, 9, 16, 16), torch.tensor(501)

    with PackedBackbone(golden_pack, dtype=torch.bfloat16).stage_two() as short:
        assert next(short.unet.parameters()).dtype is torch.bfloat16
        prediction, exact = (
            each.unet.predict(latents, timestep, each.unet.condition(each.context), None)
            for each in (short, two)
        )
        encoded = short.autoencoder.encode(torch.zeros(1, 3, 64, 64))
        decoded = short.autoencoder.decode(encoded)

    assert {x.dtype for x in (prediction, encoded, decoded)} == {torch.float32}
    assert 0 < (prediction - exact).abs().mean() < 0.02 * exact.std()


def test_networks_are_loaded_once_and_freed_when_that_is_asked_for(golden_pack):
    kept, freed = (PackedBackbone(golden_pack, keep_loaded=keep) for keep in (True, False))

    with kept.stage_two() as first, kept.stage_two() as second:
        assert first is second
    with freed.stage_two() as networks:
        gone = weakref.ref(networks.unet)
    del networks
    gc.collect()
    assert gone() is None


def test_both_stages_share_one_autoencoder_unless_stage_two_has_its_own(golden_pack, one, two):
    own = {f"stage_two.vae.{name}": tensor for name, tensor in golden_pack.tensors("vae.").items()}
    backbone = PackedBackbone(Altered(golden_pack, **own))

    assert one.autoencoder is two.autoencoder
    with backbone.stage_one() as first, backbone.stage_two() as second:
        assert first.autoencoder is not second.autoencoder


def test_features_of_another_unet_are_refused(one):
    condition = one.unet.condition(one.no_context)
    strange = FeatureBank({"mid": torch.zeros(1, 4, 64)})

    with pytest.raises(BackboneError, match=r"1 blocks .* 16 blocks"):
        one.unet.predict(torch.zeros(1, 4, 16, 16), torch.tensor(1), condition, strange)


def test_only_the_last_rows_look_at_the_bank(one):
    latents = torch.randn(2, 4, 16, 16).repeat(2, 1, 1, 1)
    condition = one.unet.condition(one.no_context.expand(4, -1, -1))
    bank = one.reference.features(latents[:2], torch.tensor(501), condition.rows(0, 2))

    plain = one.unet.predict(latents, torch.tensor(501), condition, None)
    mixed = one.unet.predict(latents, torch.tensor(501), condition, bank)

    torch.testing.assert_close(mixed[:2], plain[:2], rtol=1e-5, atol=1e-5)
    assert (mixed[2:] - plain[2:]).abs().amax((1, 2, 3)).min() > 1e-3


def test_no_context_comes_from_an_all_zero_normalised_picture(one):
    grey = torch.tensor([0.485, 0.456, 0.406])[None, :, None, None].expand(1, 3, 40, 40)

    context = one.projector(one.image_encoder(grey))

    torch.testing.assert_close(context, one.no_context, rtol=1e-4, atol=1e-4)


def test_a_header_of_other_sizes_is_refused(golden_pack):
    shape = dataclasses.replace(golden_pack.header.stage_two_unet, layers=1)
    header = dataclasses.replace(golden_pack.header, stage_two_unet=shape)

    with pytest.raises(PackError, match="unexpected"):
        with PackedBackbone(Altered(golden_pack, header)).stage_two():
            pass
