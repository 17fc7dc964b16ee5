"""What may be named beside a checkpoint: LoRAs, a VAE, embeddings, a ControlNet."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file

from realishuman.backbones.by_diffusers import LibraryAutoencoder, embed
from realishuman.backbones.loading import Place
from realishuman.backbones.naming import vae_to_ldm
from realishuman.backbones.opening import open_checkpoint
from realishuman.backbones.wishes import Wishes, open_additions
from realishuman.errors import PackError
from realishuman.packs.header import VaeShape
from tests.backbones.test_opening import unet_name
from tests.backbones.tiny_checkpoints import VAE, WORDS, WORDS_2, pipeline

CPU = Place(torch.device("cpu"), torch.float32)
CONTEXT = {False: WORDS, True: WORDS + WORDS_2}
RANK, ALPHA, WEIGHT = 2, 1.0, 0.7
ATTENTION = "attentions.0.transformer_blocks.0.attn2.to_k"
CONV, HEAD = "down_blocks.0.resnets.0.conv1", "encoder.layers.1.self_attn.q_proj"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A function: the folder of a small checkpoint, large or not."""
    made = {}

    def folder(large=False):
        if large not in made:
            made[large] = tmp_path_factory.mktemp("checkpoint")
            pipeline(made[large] / "words", large=large).save_pretrained(made[large] / "it")
        return made[large] / "it"

    return folder


def loaded(folder, **wishes):
    """The components of a checkpoint with what is named beside it."""
    return open_checkpoint(folder, CPU, Wishes(**wishes))._load()


def saved(tensors, path):
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, path
    )
    return path


def layers_of(made):
    """The layers that the LoRA changes, each with the names it may have in a file."""
    up, ldm = ("down_blocks.1", "input_blocks_3_1") if len(made.encoders) > 1 else (
        "down_blocks.0", "input_blocks_1_1")  # fmt: skip
    te = "lora_te1_" if len(made.encoders) > 1 else "lora_te_"
    found = {
        "attention": (made.unet, f"{up}.{ATTENTION}", f"lora_unet_{ldm}_"
                      "transformer_blocks_0_attn2_to_k", "unet."),
        "conv": (made.unet, CONV, "lora_unet_input_blocks_1_0_in_layers_2", "unet."),
        "head": (made.encoders[0], HEAD, None, "text_encoder.text_model."),
    }  # fmt: skip
    if len(made.encoders) > 1:
        found["second"] = (made.encoders[1], HEAD, None, "text_encoder_2.text_model.")
    starts = {"head": f"{te}text_model_", "second": "lora_te2_text_model_"}
    result = {}
    for key, (network, name, ldm_name, peft) in found.items():
        kohya = starts.get(key, "lora_unet_") + name.replace(".", "_")
        in_network = name if name in dict(network.named_modules()) else f"text_model.{name}"
        module = network.get_submodule(in_network)
        result[key] = (module, {"kohya": kohya, "ldm": ldm_name or kohya, "peft": peft + name})
    return result


@pytest.mark.parametrize(
    ("large", "form"), [(False, "kohya"), (False, "peft"), (True, "ldm"), (True, "peft")]
)
def test_a_lora_changes_the_layers_it_names_and_no_others(folders, tmp_path, large, form):
    before = loaded(folders(large))
    generator = torch.Generator().manual_seed(3)
    tensors, expected = {}, {}
    for key, (module, names) in layers_of(before).items():
        out, width, *kernel = module.weight.shape
        down = torch.randn(RANK, width, *kernel, generator=generator)
        up = torch.randn(out, RANK, *[1 for _ in kernel], generator=generator)
        ends = ("lora_A", "lora_B") if form == "peft" else ("lora_down", "lora_up")
        tensors |= {
            f"{names[form]}.{end}.weight": t for end, t in zip(ends, (down, up), strict=True)
        }
        scale = 1.0
        if form != "peft":
            tensors[f"{names[form]}.alpha"], scale = torch.tensor(ALPHA), ALPHA / RANK
        change = torch.einsum("or,r...->o...", up.flatten(1), down)
        expected[key] = module.weight + WEIGHT * scale * change
    file = saved(tensors, tmp_path / "style.safetensors")

    after = loaded(folders(large), loras=((file, WEIGHT),))

    changed = layers_of(after)
    for key, wanted in expected.items():
        torch.testing.assert_close(changed[key][0].weight, wanted)
    old, new = (
        [p for network in (made.unet, *made.encoders) for p in network.parameters()]
        for made in (before, after)
    )
    unequal = [one for one, other in zip(old, new, strict=True) if not torch.equal(one, other)]
    assert len(unequal) == len(expected)


KOHYA = "lora_unet_down_blocks_0_" + ATTENTION.replace(".", "_")
DOWN, UP = torch.zeros(RANK, WORDS), torch.zeros(16, RANK)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({f"{KOHYA}.lora_down.weight": torch.zeros(4, 768)}, "a LoRA of Stable Diffusion 1.x"),
        ({f"{KOHYA}.hada_w1_a": DOWN}, "is a LoHa"),
        ({f"{KOHYA}.dora_scale": DOWN, f"{KOHYA}.lora_up.weight": UP}, "is a DoRA"),
        ({"lora_unet_double_blocks_0_x.lora_up.weight": UP}, "another kind of model"),
        ({f"{KOHYA}.lora_up.weight": UP, "model.diffusion_model.x": UP}, "1 tensors that are no"),
        ({"decoder.mid.block_1.x": UP}, "holds a VAE"),
        ({"model.diffusion_model.input_blocks.0.0.weight": UP}, "holds a whole checkpoint"),
        (None, "is not there"),
    ],
)
def test_a_file_that_is_no_lora_for_the_checkpoint_is_refused(tmp_path, tensors, words):
    path = tmp_path / "mine.safetensors"
    if tensors is not None:
        saved(tensors, path)

    with pytest.raises(PackError, match=words) as caught:
        open_additions(Wishes(loras=((path, 1.0),)), WORDS)

    assert "Expected: a LoRA of the checkpoint's own kind" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "down", "words"),
    [
        (KOHYA.replace("_k", "_v"), torch.zeros(RANK, 7), r"is \(16, 2\) by \(2, 7\)"),
        (KOHYA.replace("blocks_0", "blocks_5", 1), DOWN, "of which the checkpoint lacks 1"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused_when_it_is_loaded(
    folders, tmp_path, name, down, words
):
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": UP}
    file = saved(tensors, tmp_path / "mine.safetensors")

    with pytest.raises(PackError, match=words):
        loaded(folders(), loras=((file, 1.0),))


def test_what_is_named_beside_a_checkpoint_is_in_its_name(folders, tmp_path):
    file = saved({f"{KOHYA}.lora_up.weight": UP, f"{KOHYA}.lora_down.weight": DOWN},
                 tmp_path / "style.safetensors")  # fmt: skip

    assert open_checkpoint(folders(), CPU, Wishes(loras=((file, 0.8),))).name == (
        "it, style.safetensors:0.8"
    )


def control_name(name):
    """ldm's name of a tensor of the small ControlNet."""
    start, *middle, kind = name.split(".")
    if start == "controlnet_down_blocks":
        return f"zero_convs.{middle[0]}.0.{kind}"
    if start == "controlnet_mid_block":
        return f"middle_block_out.0.{kind}"
    if start != "controlnet_cond_embedding":
        return unet_name(name, attends=False).removeprefix("model.diffusion_model.")
    number = {"conv_in": 0, "conv_out": 14}.get(middle[0])
    return f"input_hint_block.{2 * int(middle[1]) + 2 if number is None else number}.{kind}"


@pytest.mark.parametrize("form", ["diffusers", "ldm", "prefixed", "whole"])
@pytest.mark.parametrize("large", [False, True])
def test_a_controlnet_is_the_same_whoever_wrote_it(folders, tmp_path, large, form):
    unet = UNet2DConditionModel.from_pretrained(folders(large) / "unet")
    network = ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    tensors = network.state_dict()
    if form != "diffusers":
        tensors = {control_name(name): tensor for name, tensor in tensors.items()}
    if form in ("prefixed", "whole"):
        tensors = {f"control_model.{name}": tensor for name, tensor in tensors.items()}
    if form == "whole":
        tensors["model.diffusion_model.x"] = torch.zeros(1)
    file = saved(tensors, tmp_path / "depth.safetensors")

    control = loaded(folders(large), control=(file, 0.4)).control

    assert control.weight == 0.4
    for name, tensor in network.state_dict().items():
        assert torch.equal(control.network.state_dict()[name], tensor)


HINT = {"input_hint_block.0.weight": torch.zeros(16, 3, 3, 3)}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({**HINT, "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(4, 768)},
         "a ControlNet of Stable Diffusion 1.x"),
        ({**HINT, "lora_controlnet": torch.zeros(1)}, "a Control-LoRA"),
        ({"adapter.body.0.x": torch.zeros(1)}, "a T2I-Adapter"),
        ({f"{KOHYA}.lora_up.weight": UP}, "holds a LoRA"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_controlnet_for_the_checkpoint_is_refused(tmp_path, tensors, words):
    path = saved(tensors, tmp_path / "it.safetensors")

    with pytest.raises(PackError, match=words) as caught:
        open_additions(Wishes(control=(path, 1.0)), WORDS)

    assert "Expected: a depth ControlNet of the checkpoint's own kind" in str(caught.value)


def test_a_controlnet_of_another_shape_is_refused_when_it_is_loaded(folders, tmp_path):
    file = saved(HINT, tmp_path / "small.safetensors")

    with pytest.raises(PackError, match=r"small.safetensors does not fit the checkpoint .*missing"):
        loaded(folders(), control=(file, 1.0))


@pytest.fixture
def vae():
    torch.manual_seed(9)
    return AutoencoderKL(**VAE)


@pytest.mark.parametrize("form", ["diffusers", "old", "ldm", "whole"])
def test_a_vae_takes_the_place_of_the_checkpoint_s_own(folders, tmp_path, vae, form):
    tensors = vae.state_dict()
    if form == "old":
        tensors = {n.replace(".to_q.", ".query."): t for n, t in tensors.items()}
    elif form in ("ldm", "whole"):
        names = vae_to_ldm(VaeShape((8, 8, 16, 16), 1, 4, 4, 0.18215))
        flat = {n for n in tensors if ".attentions." in n and tensors[n].ndim == 2}
        tensors = {names[n]: t[..., None, None] if n in flat else t for n, t in tensors.items()} | {
            "loss.logvar": torch.zeros(())
        }
        if form == "whole":
            tensors = {f"first_stage_model.{n}": t for n, t in tensors.items()}
            tensors["model.diffusion_model.x"] = torch.zeros(1)
    file = saved(tensors, tmp_path / "vae.safetensors")

    made = loaded(folders(), vae=file)

    for name, tensor in vae.state_dict().items():
        assert torch.equal(made.vae.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"decoder.conv_in.weight": torch.zeros(8, 16, 3, 3)}, "latents of 16 channels"),
        ({f"{KOHYA}.lora_up.weight": UP}, "holds a LoRA"),
    ],
)
def test_a_file_that_is_no_vae_for_the_checkpoint_is_refused(tmp_path, tensors, words):
    with pytest.raises(PackError, match=words):
        open_additions(Wishes(vae=saved(tensors, tmp_path / "it.safetensors")), WORDS)


def test_a_vae_of_another_size_is_refused_when_it_is_loaded(folders, tmp_path, vae):
    tensors = {name: one for name, one in vae.state_dict().items() if "encoder" not in name}
    file = saved(tensors, tmp_path / "half.safetensors")

    with pytest.raises(PackError, match=r"half.safetensors does not fit .* missing: encoder"):
        loaded(folders(), vae=file)


class Overflowing(torch.nn.Module):
    """An autoencoder whose numbers are too large for float16."""

    config = SimpleNamespace(force_upcast=False, scaling_factor=0.5)

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.0))

    def decode(self, latents, return_dict):
        return (latents * self.scale * 1e6 / 1e6,)

    def encode(self, images):
        made = images * self.scale * 1e6 / 1e6
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: made))


def test_a_vae_that_overflows_runs_in_float32_from_then_on():
    vae = Overflowing()
    half = LibraryAutoencoder(vae, Place(torch.device("cpu"), torch.float16))
    latents = torch.full((1, 4, 2, 2), 0.25)

    assert half.encode(latents).isfinite().all()
    assert vae.scale.dtype == torch.float32
    torch.testing.assert_close(half.decode(latents), torch.full((1, 4, 2, 2), 0.75))
    assert half.decode(latents * float("nan")).isnan().all()  # no fault of the VAE's


@pytest.mark.parametrize("large", [False, True])
def test_a_word_of_the_user_s_stands_for_the_vectors_of_its_file(folders, tmp_path, large):
    plain = loaded(folders(large))
    tables = [encoder.get_input_embeddings().weight for encoder in plain.encoders]
    hand = plain.tokenizers[0]("hand", add_special_tokens=False).input_ids
    assert len(hand) == 1
    names = ("clip_l", "clip_g") if large else ("emb_params",)
    tensors = {n: table[hand * 2].detach().clone() for n, table in zip(names, tables, strict=True)}
    file = saved(tensors, tmp_path / "My-Word.safetensors")

    made = loaded(folders(large), embeddings=(file,))

    with torch.no_grad():
        said = embed(made, "a my-word, x", CPU.device, 64)
        meant = embed(plain, "a hand hand , x", CPU.device, 64)
        other = embed(made, "a my-words", CPU.device, 64)
        same = embed(plain, "a my-words", CPU.device, 64)
    torch.testing.assert_close(said.tokens, meant.tokens)
    torch.testing.assert_close(other.tokens, same.tokens)


def test_an_embedding_of_another_kind_is_refused(folders, tmp_path):
    wide = saved({"emb_params": torch.zeros(2, 768)}, tmp_path / "wide.safetensors")
    two = saved({"clip_l": DOWN, "clip_g": DOWN}, tmp_path / "two.safetensors")
    none = saved({"a": UP, "b": UP, "lora_x": UP}, tmp_path / "none.safetensors")

    with pytest.raises(PackError, match=r"vectors \(2, 768\), the checkpoint's words are 32 wide"):
        loaded(folders(), embeddings=(wide,))
    with pytest.raises(PackError, match="made for 2 text encoders, the checkpoint has 1"):
        loaded(folders(), embeddings=(two,))
    with pytest.raises(PackError, match="holds a LoRA"):
        open_additions(Wishes(embeddings=(none,)), WORDS)
