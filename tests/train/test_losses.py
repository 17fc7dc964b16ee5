"""Losses against plain formulas: separate forwards and concatenation, on the library's UNets."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from benchmarks.official import library_unet
from realishuman.diffusion.schedule import alphas_cumprod
from realishuman.packs.header import ScheduleConstants
from realishuman.train.dry import make_untrained, random_batch
from realishuman.train.losses import NoiseTable


@pytest.fixture
def filled(make_config, tmp_path):
    """A function: a stage's module without a zero weight left, and a batch with fixed numbers."""

    def make(task, **stage):
        torch.manual_seed(0)
        config = make_config(tmp_path, **{task.replace("-", "_"): {"steps": 1, **stage}})
        module = make_untrained(config, task)
        for parameter in module.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        return module, random_batch(config, task, 4, torch.device("cpu")), config

    return make


def library(unet, shape):
    """The library's UNet with the same parameters, so that gradients meet in them."""
    found = library_unet(shape, unet.conv_in.in_channels, unet.conv_out.out_channels)
    found.load_state_dict(dict(unet.named_parameters()), assign=True)
    return found


def plain_attention(attn, x, tokens):
    heads = [
        t.unflatten(2, (attn.heads, -1)).transpose(1, 2)
        for t in (attn.to_q(x), attn.to_k(tokens), attn.to_v(tokens))
    ]
    weights = (heads[0] @ heads[1].transpose(2, 3) / heads[0].shape[-1] ** 0.5).softmax(-1)
    return attn.to_out[0]((weights @ heads[2]).transpose(1, 2).flatten(2))


class Plain:
    """Processor of one block: writes what it sees, or attends to what was written as well."""

    def __init__(self, name, banks, read):
        self.name, self.banks, self.read = name, banks, read

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        if encoder_hidden_states is not None:
            return plain_attention(attn, hidden_states, encoder_hidden_states)
        if not self.read:
            self.banks[self.name] = hidden_states
            return plain_attention(attn, hidden_states, hidden_states)
        seen = torch.cat([hidden_states, self.banks.get(self.name, hidden_states[:, :0])], dim=1)
        return plain_attention(attn, hidden_states, seen)


def plain_forward(unet, banks, read, latents, t, tokens, pose):
    unet.set_attn_processor({n: Plain(n, banks, read) for n in unet.attn_processors})
    hook = unet.conv_in.register_forward_hook(lambda _m, _a, out: out + pose)
    result = unet(latents, t, encoder_hidden_states=tokens).sample
    hook.remove()
    return result


@pytest.mark.parametrize("groups", [False, True])
def test_stage_one_is_equation_3_with_gradients_through_the_reference(filled, groups):
    module, batch, config = filled("stage-one", train_encoder=True, groups=groups)
    assert (batch.reference_pose is not None) == groups
    if groups:
        batch.reference_pose.mul_(40)  # so that the pose of the wrong picture would be seen
    batch.keep[1] = False
    module(batch).backward()
    found = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    loss = float(module(batch).detach())
    module.zero_grad()

    alphas = torch.from_numpy(alphas_cumprod(config.schedule)).float()
    shape = config.networks.unet
    unet, reference = (library(each, shape) for each in (module.unet, module.reference))
    losses = []
    for i in range(4):  # each sample on its own
        one = {k: v[i : i + 1] for k, v in vars(batch).items() if v is not None}
        banks = {}
        picture = module.image_encoder.normalised(one["seen"]) * one["keep"].float()
        tokens = module.projector(module.image_encoder.tokens(picture))
        pose = module.pose_guider(one["pose"])
        t, a = one["timesteps"], alphas[one["timesteps"]]
        if one["keep"]:
            theirs = module.pose_guider(one.get("reference_pose", one["pose"]))
            plain_forward(reference, banks, False, one["reference"], t, tokens, theirs)
        noised = a.sqrt() * one["clean"] + (1 - a).sqrt() * one["noise"]
        target = a.sqrt() * one["noise"] - (1 - a).sqrt() * one["clean"]
        predicted = plain_forward(unet, banks, True, noised, t, tokens, pose)
        losses.append(F.mse_loss(predicted, target))
    expected = torch.stack(losses).mean()
    expected.backward()

    assert loss == pytest.approx(float(expected.detach()), rel=1e-5)
    gradients = {n: p.grad for n, p in module.named_parameters()}
    assert any(n.startswith("reference.") and g.abs().max() > 1e-6 for n, g in found.items())
    for name, gradient in found.items():
        assert gradients[name] is not None, name
        scale = float(gradients[name].abs().max()) + 1e-4
        assert float((gradient - gradients[name]).abs().max()) < 2e-4 * scale, name


def test_recomputing_activations_changes_no_gradient(filled):
    module, batch, _ = filled("stage-one")
    module(batch).backward()
    before = {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    for unet in (module.unet, module.reference):
        unet.recompute = True
    module(batch).backward()

    for name, gradient in before.items():
        after = dict(module.named_parameters())[name].grad
        torch.testing.assert_close(after, gradient, msg=name)


def test_stage_two_is_equation_6(filled):
    module, batch, config = filled("stage-two")
    found = float(module(batch).detach())

    alphas = torch.from_numpy(alphas_cumprod(config.schedule)).float()
    a = alphas[batch.timesteps][:, None, None, None]
    noised = a.sqrt() * batch.clean + (1 - a).sqrt() * batch.noise
    target = a.sqrt() * batch.noise - (1 - a).sqrt() * batch.clean
    tokens = module.conditional.expand(4, -1, -1)
    unet = library(module.unet, config.networks.stage_two_unet)
    predicted = plain_forward(
        unet, {}, False, torch.cat([noised, batch.m_f, batch.i_f], 1), batch.timesteps,
        tokens, torch.zeros(()),
    )  # fmt: skip
    assert found == pytest.approx(float(F.mse_loss(predicted, target).detach()), rel=1e-5)


def test_min_snr_caps_the_weight_of_easy_timesteps():
    constants = ScheduleConstants()
    steps = torch.tensor([0, 500, 999])
    alphas = torch.from_numpy(alphas_cumprod(constants))[steps]
    snr = alphas / (1 - alphas)
    noise = NoiseTable.of(constants, 5.0).weights(steps)
    v = NoiseTable.of(ScheduleConstants(prediction="v_prediction"), 5.0).weights(steps)

    assert noise[0] == pytest.approx(5 / float(snr[0]), rel=1e-4)
    assert noise[1:].tolist() == pytest.approx([1.0, 1.0])
    assert v[0] == pytest.approx(5 / (float(snr[0]) + 1), rel=1e-4)
    assert v[1] == pytest.approx(float(snr[1] / (snr[1] + 1)), rel=1e-4)
    assert v[2] == 0
    assert NoiseTable.of(constants, None).weights(steps).tolist() == [1, 1, 1]
