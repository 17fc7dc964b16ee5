"""Conversion keeps every value, and each wrong file has a sentence that says what was expected."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from realishuman.errors import PackError
from realishuman.packs.convert import Assumed, convert, resize_positions
from realishuman.packs.random_pack import SMALL, initial_values
from realishuman.packs.shapes import encoder_shapes, prompt_shapes
from tests.recorded import GOLDEN, needs_golden

ROOT = Path(__file__).parents[2]
TINY = Assumed(encoder_heads=4)
ONE = {
    "unet_main.": "stage_one.unet.",
    "unet_ref.": "stage_one.reference.",
    "pose_guider.": "stage_one.pose_guider.",
    "clip_projector.": "stage_one.projector.",
}


@pytest.fixture(scope="module")
def fake():
    """The tool that writes files in the released layout, as a module."""
    path = ROOT / "tools/make_fake_checkpoints.py"
    spec = importlib.util.spec_from_file_location("make_fake_checkpoints", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(fake, tmp_path_factory):
    """Small files in the released layout; keys are convert's arguments."""
    return fake.write_all(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="module")
def stage_one(files):
    return torch.load(files["stage_one"], weights_only=True)


@pytest.fixture(scope="module")
def stage_two(files):
    return torch.load(files["stage_two"], weights_only=True)


def same(found, wanted, dtype=torch.float16):
    """Whether both hold the same names and values, as this type."""
    return found.keys() == wanted.keys() and all(
        tensor.dtype is dtype and torch.equal(tensor, wanted[name].to(dtype))
        for name, tensor in found.items()
    )


def plain(tensors, prefix):
    whole = "module." + prefix
    return {n[len(whole) :]: tensor for n, tensor in tensors.items() if n.startswith(whole)}


def refused(files, tmp_path, message, **changed):
    """Conversion fails with this message and leaves nothing."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    with pytest.raises(PackError, match=message):
        convert(out / "p.safetensors", "hand", **(files | changed), assumed=TINY)
    assert not list(out.iterdir())


def saved(tmp_path, tensors, **more):
    path = tmp_path / "changed.ckpt"
    torch.save({"epoch": 0, "state_dict": tensors, **more}, path)
    return path


def test_every_value_arrives_as_float16_and_prompts_unrounded(
    files, tmp_path, stage_one, stage_two
):
    pack = convert(tmp_path / "p.safetensors", "face", **files, assumed=TINY)

    for source, target in ONE.items():
        assert same(pack.tensors(target), plain(stage_one["state_dict"], source)), target
    assert same(pack.tensors("stage_two.unet."), plain(stage_two["state_dict"], "unet_main."))
    assert same(pack.tensors("vae."), load_file(files["vae"]))
    prompts = load_file(files["prompt"])
    assert same(pack.tensors("prompt."), prompts, torch.float32)
    assert (prompts["conditional"] != prompts["conditional"].half()).any()
    found, wanted = pack.tensors("image_encoder."), load_file(files["dinov2"])
    table, stored = (t.pop("embeddings.position_embeddings") for t in (found, wanted))
    assert same(found, wanted)
    assert (stored.shape[1], table.shape[1]) == (1370, 257)
    assert torch.equal(table, resize_positions(stored, 16, "old").half())


def test_the_header_says_what_the_files_hold(files, tmp_path):
    header = convert(tmp_path / "p.safetensors", "face", **files, assumed=TINY).header

    assert (header.kind, header.weights, header.pose, header.preset) == (
        "face",
        "random",  # as the tool that made the files says in them
        "shaded",
        "released",
    )
    assert header.mesh == "official"
    assert header.unet == SMALL.unet
    assert header.stage_two_unet == SMALL.stage_two_unet
    assert header.vae == SMALL.vae
    assert header.image_encoder == SMALL.image_encoder
    assert header.training_step == 50_000
    assert header.source.startswith("checkpoint-stage1.ckpt, checkpoint-stage2.ckpt, vae.")


@needs_golden
def test_the_recorded_official_checkpoints_are_converted_exactly(tmp_path, files):
    given = {
        "stage_one": GOLDEN / "stage1/stage1.ckpt",
        "stage_two": GOLDEN / "stage2/stage2.ckpt",
        "vae": GOLDEN / "vae/diffusion_pytorch_model.safetensors",
    }

    pack = convert(tmp_path / "p.safetensors", "hand", **(files | given), assumed=TINY)

    one = load_file(GOLDEN / "stage1/stage1_state.safetensors")
    two = load_file(GOLDEN / "stage2/stage2_state.safetensors")
    for source, target in ONE.items():
        wanted = {n[len(source) :]: tensor for n, tensor in one.items() if n.startswith(source)}
        assert same(pack.tensors(target), wanted), target
    wanted = {name.removeprefix("unet_main."): tensor for name, tensor in two.items()}
    assert same(pack.tensors("stage_two.unet."), wanted)
    assert same(pack.tensors("vae."), load_file(given["vae"]))
    assert pack.header.unet.channels == (32, 32, 32, 64)
    assert pack.header.stage_two_unet.channels == (32, 32, 32, 32)
    assert pack.header.training_step == 123


def test_safetensors_checkpoints_without_prefix_do_as_well(files, tmp_path, stage_one):
    path = tmp_path / "one.safetensors"
    tensors = {n.removeprefix("module."): t for n, t in stage_one["state_dict"].items()}
    save_file(tensors, path)

    pack = convert(
        tmp_path / "p.safetensors", "hand", **(files | {"stage_one": path}), assumed=TINY
    )

    assert same(pack.tensors("stage_one.unet."), plain(stage_one["state_dict"], "unet_main."))
    assert pack.header.training_step == 0


def test_old_names_of_the_vaes_attention_become_todays(files, tmp_path):
    tensors, old = load_file(files["vae"]), {}
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for name, tensor in tensors.items():
        parts = [n for n in names if f".attentions.0.{n}." in name]
        old[name.replace(parts[0], names[parts[0]]) if parts else name] = tensor
    assert sum(name not in tensors for name in old) == 16
    path = tmp_path / "vae.bin"
    torch.save(old, path)

    pack = convert(tmp_path / "p.safetensors", "hand", **(files | {"vae": path}), assumed=TINY)

    assert same(pack.tensors("vae."), tensors)


def test_stage_two_may_have_its_own_vae(files, tmp_path):
    other = {n: tensor + 0.25 for n, tensor in load_file(files["vae"]).items()}
    path = tmp_path / "other.safetensors"
    save_file(other, path)

    pack = convert(tmp_path / "p.safetensors", "hand", **files, vae_stage_two=path, assumed=TINY)

    assert same(pack.tensors("stage_two.vae."), other)
    assert same(pack.tensors("vae."), load_file(files["vae"]))


def cubic_weights(places, count):
    """(len(places), count) weights of Keys' cubic kernel with a = -0.75; the rim is repeated."""
    weights = np.zeros((len(places), count))
    for row, place in zip(weights, places, strict=True):
        for tap in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            x, a = abs(place - tap), -0.75
            near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * (x**3 - 5 * x**2 + 8 * x - 4)
            row[min(max(tap, 0), count - 1)] += near if x <= 1 else far
    return weights


@pytest.mark.parametrize(("variant", "scale"), [("old", 16.1 / 37), ("new", 16 / 37)])
def test_positions_are_sampled_where_each_variant_looks(variant, scale):
    table = torch.randn(1, 1370, 3, generator=torch.Generator().manual_seed(5))

    small = resize_positions(table, 16, variant)

    assert small.shape == (1, 257, 3)
    assert small.dtype is torch.float32
    assert torch.equal(small[0, 0], table[0, 0])
    weights = cubic_weights((np.arange(16) + 0.5) / scale - 0.5, 37)
    grid = table[0, 1:].reshape(37, 37, 3).double().numpy()
    wanted = np.einsum("iy,jx,yxc->ijc", weights, weights, grid)
    np.testing.assert_allclose(small[0, 1:].reshape(16, 16, 3).numpy(), wanted, rtol=0, atol=2e-5)


def test_a_position_table_of_the_right_size_is_kept(files, tmp_path):
    tensors = {n: initial_values(n, s, 3) for n, s in encoder_shapes(SMALL.image_encoder).items()}
    path = tmp_path / "dinov2.safetensors"
    save_file(tensors, path)

    pack = convert(tmp_path / "p.safetensors", "hand", **(files | {"dinov2": path}), assumed=TINY)

    assert same(pack.tensors("image_encoder."), tensors)


def test_the_variant_of_the_positions_is_the_callers_choice(files, tmp_path):
    packs = [
        convert(
            tmp_path / f"{v}.safetensors", "hand", **files, dino_positions=v, assumed=TINY
        ).tensors("image_encoder.")
        for v in ("old", "new")
    ]

    differ = {name for name in packs[0] if not torch.equal(packs[0][name], packs[1][name])}
    assert differ == {"embeddings.position_embeddings"}
    with pytest.raises(PackError, match="not 'linear'"):
        convert(tmp_path / "p", "hand", **files, dino_positions="linear", assumed=TINY)


@pytest.mark.parametrize(
    ("argument", "hint"),
    [
        ("stage_one", r"--stage-one: checkpoint-stage1-hand\.ckpt"),
        ("stage_two", r"--stage-two: checkpoint-stage2-hand\.ckpt"),
        ("vae", "--vae: .*stabilityai/sd-vae-ft-mse"),
        ("dinov2", "--dinov2: .*facebook/dinov2-large"),
        ("prompt", "--prompt: .*Natural inpainting"),
    ],
)
def test_a_file_that_is_not_given_or_not_there_is_named(files, tmp_path, argument, hint):
    refused(files, tmp_path, hint, **{argument: None})
    refused(
        files, tmp_path, rf"none\.ckpt does not exist.*{hint.split(': ')[1]}",
        **{argument: tmp_path / "none.ckpt"},
    )  # fmt: skip


def test_swapped_stages_are_recognised(files, tmp_path):
    one, two = files["stage_one"], files["stage_two"]

    refused(files, tmp_path, "stage2.ckpt: this is a stage-two checkpoint", stage_one=two)
    refused(files, tmp_path, "stage1.ckpt: this is a stage-one checkpoint", stage_two=one)
    refused(files, tmp_path, "given as stage one: swap", stage_one=two, stage_two=one)


def test_a_file_of_another_method_is_recognised(files, tmp_path):
    refused(
        files, tmp_path, r"no RealisHuman checkpoint: it has no unet_main\.\*, but decoder",
        stage_one=files["vae"],
    )  # fmt: skip
    refused(files, tmp_path, r"encoder\.down_blocks.*is missing.*sd-vae", vae=files["dinov2"])
    refused(files, tmp_path, r"cls_token is missing.*dinov2-large", dinov2=files["vae"])
    refused(files, tmp_path, "2 missing: conditional, uncond", prompt=files["vae"])


def test_missing_unexpected_and_misshapen_tensors_are_named(files, tmp_path, stage_one):
    key = "module.unet_ref.mid_block.resnets.1.conv2.weight"
    tensors = dict(stage_one["state_dict"])

    without = saved(tmp_path, {n: t for n, t in tensors.items() if n != key})
    refused(
        files, tmp_path,
        r"1 missing: unet_ref\.mid_block\.resnets\.1\.conv2\.weight\. "
        r"Expected: checkpoint-stage1-hand\.ckpt",
        stage_one=without,
    )  # fmt: skip
    extra = saved(tmp_path, tensors | {"module.unet_ref.lora.up": torch.ones(1)})
    refused(files, tmp_path, r"1 unexpected: unet_ref\.lora\.up\. Expected", stage_one=extra)
    odd = saved(tmp_path, tensors | {key: torch.ones(64, 32, 3, 3)})
    refused(
        files, tmp_path, r"1 misshapen: unet_ref\S+ is 64x32x3x3, expected 64x64x3x3", stage_one=odd
    )


def test_an_encoder_of_another_size_is_named(files, tmp_path):
    wide = replace(SMALL.image_encoder, width=96)
    path = tmp_path / "base.safetensors"
    save_file({n: torch.ones(s) for n, s in encoder_shapes(wide).items()}, path)

    refused(files, tmp_path, "tokens have 96 channels.*trained with 48", dinov2=path)


def test_prompts_of_another_text_encoder_are_named(files, tmp_path):
    path = tmp_path / "prompt.safetensors"
    save_file({n: torch.ones(s) for n, s in prompt_shapes(77, 80).items()}, path)

    refused(files, tmp_path, "conditional is 1x77x80, expected 1x77x64", prompt=path)


def test_nan_in_a_checkpoint_is_named(files, tmp_path, stage_two):
    key = "module.unet_main.conv_out.bias"
    path = saved(tmp_path, stage_two["state_dict"] | {key: torch.full((4,), float("nan"))})

    refused(files, tmp_path, r"stage_two\.unet\.conv_out\.bias holds NaN", stage_two=path)


class Attack:
    """Unpickling it would create a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.mark.parametrize("place", ["beside", "inside"])
def test_a_pickle_that_would_run_code_is_refused(files, tmp_path, stage_one, place):
    victim, attack = tmp_path / "victim", Attack(tmp_path / "victim")
    tensors = dict(stage_one["state_dict"])
    if place == "inside":
        tensors["module.unet_main.x"] = attack
    path = saved(tmp_path, tensors, optimizer=attack if place == "beside" else None)

    refused(files, tmp_path, "was refused: .*would run code", stage_one=path)

    assert not victim.exists()


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
@pytest.mark.parametrize("argument", ["stage_one", "dinov2"])
def test_a_truncated_file_is_refused(files, tmp_path, argument, share):
    whole = files[argument].read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(whole[: int(len(whole) * share)])

    message = "cut (cannot be read: it is truncated|is being written or is incomplete)"
    refused(files, tmp_path, message, **{argument: path})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "web page or a Git LFS pointer"),
        (b"version https://git-lfs.github.com/spec/v1", "web page or a Git LFS pointer"),
        (b"GIF89a and so on", "neither a safetensors file nor one that torch.save wrote"),
        (b"PK\x03\x04 not really", "truncated or damaged"),
    ],
)
def test_other_contents_are_refused(files, tmp_path, content, message):
    path = tmp_path / "file.ckpt"
    path.write_bytes(content)

    refused(files, tmp_path, f"file.ckpt .*{message}.*checkpoint-stage1-hand", stage_one=path)


def test_the_old_torch_format_is_refused_with_a_way_out(files, tmp_path, stage_two):
    path = tmp_path / "old.ckpt"
    torch.save(stage_two, path, _use_new_zipfile_serialization=False)

    refused(files, tmp_path, r"before version 1\.6.*Use the safetensors", stage_two=path)


@pytest.mark.parametrize("content", [[torch.ones(2)], {"state_dict": {"epoch": 3}}, torch.ones(3)])
def test_a_file_without_a_table_of_tensors_is_refused(files, tmp_path, content):
    path = tmp_path / "list.ckpt"
    torch.save(content, path)

    refused(files, tmp_path, "no table of named tensors", stage_one=path)


def test_a_source_is_never_overwritten(files):
    before = files["vae"].read_bytes()

    with pytest.raises(PackError, match="is one of the files to convert"):
        convert(files["vae"], "hand", **files, assumed=TINY)

    assert files["vae"].read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(
    not (os.environ.get("REALISHUMAN_SLOW") and sys.platform == "linux"),
    reason="set REALISHUMAN_SLOW=1 on Linux: writes 18 GB and takes minutes",
)
def test_released_sizes_are_converted_in_less_than_4_gb(fake, tmp_path):
    files = fake.write_all(tmp_path, fake.SD15)
    arguments = {name: str(path) for name, path in files.items()}
    code = (
        "from pathlib import Path\n"
        "from realishuman.packs.convert import convert\n"
        f"files = {{name: Path(path) for name, path in {arguments}.items()}}\n"
        f"convert({str(tmp_path / 'p.safetensors')!r}, 'hand', **files)"
    )

    process, peak = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT), 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.02)

    assert process.returncode == 0
    assert 5.9e9 < (tmp_path / "p.safetensors").stat().st_size < 6e9
    assert 0.1e9 < peak < 4e9


def anonymous(pid):
    """Bytes of memory that are no mapped file; 0 once the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
