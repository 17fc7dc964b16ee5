"""Checkpoints as users have them: folders, single files, and what is none."""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from realishuman.backbones import families
from realishuman.backbones.loading import Place
from realishuman.backbones.naming import vae_to_ldm
from realishuman.backbones.opening import open_checkpoint
from realishuman.backbones.vocabulary import PACKED, find_vocabulary
from realishuman.backbones.wishes import Wishes
from realishuman.errors import PackError
from realishuman.packs.header import VaeShape
from tests.backbones.tiny_checkpoints import (
    ENCODER,
    ENCODER_2,
    OPEN_CLIP,
    UNET,
    UNET_2,
    UNET_XL,
    VAE,
    WORDS,
    pipeline,
)

CPU = Place(torch.device("cpu"), torch.float32)
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip


def unet_name(name, attends):
    """ldm's name of a tensor of the small UNets: two levels, one resnet each on the way down."""
    ends = {
        "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
        "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2", "down_blocks.0.resnets.0": "input_blocks.1.0",
        "down_blocks.0.attentions.0": "input_blocks.1.1",
        "down_blocks.0.downsamplers.0.conv": "input_blocks.2.0.op",
        "down_blocks.1.resnets.0": "input_blocks.3.0",
        "down_blocks.1.attentions.0": "input_blocks.3.1",
    }  # fmt: skip
    for up in range(2):
        for layer in range(2):
            place = f"output_blocks.{2 * up + layer}"
            ends[f"up_blocks.{up}.resnets.{layer}"] = f"{place}.0"
            ends[f"up_blocks.{up}.attentions.{layer}"] = f"{place}.1"
    ends["up_blocks.0.upsamplers.0.conv"] = f"output_blocks.1.{2 if attends else 1}.conv"
    module = next(one for one in sorted(ends, key=len)[::-1] if name.startswith(f"{one}."))
    rest = name[len(module) + 1 :]
    if ".resnets." in name:
        place, _, kind = rest.rpartition(".")
        rest = f"{RESNET[place]}.{kind}"
    return f"model.diffusion_model.{ends[module]}.{rest}"


def open_clip(tensors, count):
    """A text encoder's tensors, of so many layers, under the names of OpenCLIP."""
    renamed, made = {}, dict(tensors)
    layers = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
              "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj"}  # fmt: skip
    ends = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.weight": "ln_final.weight",
        "text_model.final_layer_norm.bias": "ln_final.bias",
    }
    for number in range(count):
        old, new = f"text_model.encoder.layers.{number}.", f"transformer.resblocks.{number}."
        for kind in ("weight", "bias"):
            joined = [made.pop(f"{old}self_attn.{one}_proj.{kind}") for one in "qkv"]
            renamed[f"{new}attn.in_proj_{kind}"] = torch.cat(joined)
            for there, here in layers.items():
                renamed[f"{new}{here}.{kind}"] = made.pop(f"{old}{there}.{kind}")
    if "text_projection.weight" in made:
        renamed["text_projection"] = made.pop("text_projection.weight").T.contiguous()
    for old, new in ends.items():
        renamed[new] = made.pop(old)
    assert all("position_ids" in name for name in made)
    return renamed


def single_file(pipe, path, large):
    """Write a pipeline as the single files that users have."""
    tensors = {
        unet_name(name, attends=large): tensor for name, tensor in pipe.unet.state_dict().items()
    }
    names = vae_to_ldm(VaeShape((8, 8, 16, 16), 1, 4, 4, 0.18215))
    for name, tensor in pipe.vae.state_dict().items():
        flat = ".attentions." in name and name.endswith("weight") and tensor.ndim == 2
        tensors[f"first_stage_model.{names[name]}"] = tensor[..., None, None] if flat else tensor
    first = pipe.text_encoder.state_dict()
    first = {f"text_model.{n.removeprefix('text_model.')}": t for n, t in first.items()}
    if large:
        start = "conditioner.embedders.0.transformer."
        second = pipe.text_encoder_2.state_dict()
        rest = open_clip(second, ENCODER["num_hidden_layers"])
        tensors |= {f"conditioner.embedders.1.model.{n}": t for n, t in rest.items()}
    elif pipe.text_encoder.config.num_hidden_layers == 23:
        start, rest = "cond_stage_model.model.", open_clip(first, 23)
        last = {n.replace(".22.", ".23."): t + 1 for n, t in rest.items() if ".22." in n}
        first = {**rest, **last, "text_projection": torch.ones(WORDS, WORDS)}
    else:
        start = "cond_stage_model.transformer."
    tensors |= {start + name: tensor for name, tensor in first.items()}
    save_file({name: t.detach().clone().contiguous() for name, t in tensors.items()}, path)


@pytest.mark.parametrize("kind", range(3), ids=["sd1", "sd2", "xl"])
def test_a_single_file_is_the_same_checkpoint_as_its_folder(tmp_path, monkeypatch, kind):
    large, prediction = kind == 2, "v_prediction" if kind == 1 else "epsilon"
    pipe = pipeline(
        tmp_path / "words", large=large, open_clip=kind == 1, prediction_type=prediction
    )
    pipe.save_pretrained(tmp_path / "folder")
    single_file(pipe, tmp_path / "it.safetensors", large)
    encoder = {**(OPEN_CLIP if kind == 1 else ENCODER)}
    encoder["vocab_size"] = pipe.text_encoder.config.vocab_size
    configs = {"unet": (UNET, UNET_2, UNET_XL)[kind], "vae": VAE, "text_encoder": encoder}
    if large:
        configs["text_encoder_2"] = {**encoder, **ENCODER_2}
    context = 80 if large else WORDS
    tiny = replace(families.FAMILIES[kind], context=context, side=128, configs=configs)
    monkeypatch.setattr(families, "FAMILIES", (tiny,))

    results = []
    wishes = Wishes(tokenizer=tmp_path / "words")
    for path in (tmp_path / "it.safetensors", tmp_path / "folder"):
        checkpoint = open_checkpoint(path, CPU, wishes)
        with torch.no_grad(), checkpoint.networks() as networks:
            prompt = networks.embed("a hand", False)
            latents = networks.autoencoder.encode(
                torch.linspace(-1, 1, 3 * 64**2).reshape(1, 3, 64, 64)
            )
            time = torch.tensor(400)
            condition = networks.unet.condition(prompt)
            found = networks.unet.predict(latents, time, condition, None)
            results.append((prompt.tokens, latents, found, networks.autoencoder.decode(found)))
            assert checkpoint.side == 128
            assert networks.noise.prediction == prediction
            assert networks.noise.alphas[0] > networks.noise.alphas[-1]

    for single, folder in zip(*results, strict=True):
        torch.testing.assert_close(single, folder)


@pytest.fixture
def folder(tmp_path):
    """The tables of a folder, without weights."""
    made = tmp_path / "mine"
    (made / "unet").mkdir(parents=True)
    (made / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    (made / "unet/config.json").write_text(json.dumps({"in_channels": 4, "sample_size": 64}))
    return made


def test_a_folder_without_weights_is_noticed_when_it_is_loaded(folder):
    checkpoint = open_checkpoint(folder, CPU, Wishes())

    assert checkpoint.side == 512
    with pytest.raises(PackError, match=r"mine cannot be loaded .* Expected: a checkpoint"):
        checkpoint.networks().__enter__()


@pytest.mark.parametrize(
    ("table", "content", "words"),
    [
        ("model_index.json", {"_class_name": "FluxPipeline"}, "holds a FluxPipeline"),
        ("model_index.json", {"_class_name": "StableDiffusionUpscalePipeline"}, "Upscale"),
        ("unet/config.json", {"in_channels": 5}, "a UNet with 5 channels"),
        ("unet/config.json", {"in_channels": 4, "cross_attention_dim": 1280}, "holds a refiner"),
        ("unet/config.json", [], "holds no table"),
        ("model_index.json", None, r"model_index\.json cannot be read"),
    ],
)
def test_a_folder_of_something_else_is_refused(folder, table, content, words):
    if content is None:
        (folder / table).unlink()
    else:
        (folder / table).write_text(json.dumps(content))

    with pytest.raises(PackError, match=words):
        open_checkpoint(folder, CPU, Wishes())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("it.ckpt", b"\x80\x02", "is a pickle, which may run code"),
        ("it.safetensors", b"", "cannot be read as safetensors"),
        ("it.safetensors", b"GGUF" + bytes(60), r"cannot be read|no readable|incomplete"),
        ("it.safetensors", None, "is not there"),
    ],
)
def test_a_file_that_is_none_is_refused_unopened(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(PackError, match=words):
        open_checkpoint(path, CPU, Wishes())


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "it.safetensors"
    save_file({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)}, path)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(PackError, match=r"incomplete|bytes"):
        open_checkpoint(path, CPU, Wishes())


def test_without_a_vocabulary_a_single_file_says_how_to_name_one(monkeypatch, tmp_path):
    monkeypatch.setattr("realishuman.backbones.vocabulary.PACKAGES", ())

    with pytest.raises(PackError, match="--tokenizer"):
        find_vocabulary(None)
    with pytest.raises(PackError, match="holds no vocabulary"):
        find_vocabulary(tmp_path)


def test_the_packed_vocabulary_is_the_two_files_that_it_stands_for(tmp_path):
    merges = [f"{first} {second}" for first in letters() for second in letters()]
    lines = ["version", *merges[: 49152 - 256 - 2], "more", ""]
    with gzip.open(tmp_path / PACKED, "wt", encoding="utf-8") as file:
        file.write("\n".join(lines))

    found = find_vocabulary(tmp_path / PACKED)

    table = json.loads(found["vocab.json"])
    assert found["merges.txt"].splitlines()[:2] == ["#version: 0.2", merges[0]]
    assert [table[word] for word in ("!", "a</w>", "!!")] == [0, 256 + 64, 512]
    assert table["<|startoftext|>"] == 49406
    assert table["<|endoftext|>"] == 49407
    shutil.copy(tmp_path / PACKED, tmp_path / "short.gz")
    with gzip.open(tmp_path / "short.gz", "wt") as file:
        file.write("version\na b\n")
    with pytest.raises(PackError, match="cut short"):
        find_vocabulary(tmp_path / "short.gz")


def letters():
    from realishuman.backbones.vocabulary import _letters

    return _letters()
