"""First values of networks: from a pack, from files of Stable Diffusion and DINOv2, or random."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from realishuman.backbones.naming import unet_to_ldm, vae_to_ldm
from realishuman.errors import PackError, SettingsError
from realishuman.official.text_encoder import EXPECTED, find_prompt_file
from realishuman.packs.checkpoint import Checkpoint, open_checkpoint
from realishuman.packs.convert import resize_positions
from realishuman.packs.pack import METADATA_KEY, Pack
from realishuman.packs.random_pack import initial_values
from realishuman.packs.shapes import OLD_VAE_ATTENTION, differences, inpainting_channels
from realishuman.train.config import Networks, Stage

_M = TypeVar("_M", bound=nn.Module)
Load = Callable[[str], Mapping[str, Tensor] | None]  # tensors of a prefix of the pack, or None

# What ends a residual branch starts at 0, so that every block starts as the identity.
_ZERO = ("conv2.weight", "proj_out.weight", "proj_out.bias", "conv2.bias")
_LDM = {"unet": "model.diffusion_model.", "vae": "first_stage_model."}
_IN_FOLDER = (  # files of one network in a folder of diffusers, best first
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
)
_POSITIONS = "embeddings.position_embeddings"


def source(stage: Stage, networks: Networks) -> Load:
    """Where a stage's first values come from: a function that has a network's tensors, or None.

    Raises, here or when called, PackError if a file cannot be read or lacks a network, and
    SettingsError if nothing is said about an image encoder that will not be trained.
    """
    pack = _pack(stage)

    def load(prefix: str) -> Mapping[str, Tensor] | None:
        if prefix == "image_encoder." and stage.encoder is not None:
            return _encoder(Path(stage.encoder), networks, stage.dino_positions)
        if prefix == "prompt." and stage.prompt is not None:
            with TemporaryDirectory(prefix="realishuman-") as scratch:
                file = find_prompt_file(Path(stage.prompt), Path(scratch))
                return _all(open_checkpoint(file, EXPECTED))
        if pack is not None:
            if prefix == "image_encoder." and pack.header.encoder_file is not None:
                raise SettingsError(
                    f"{pack.path} keeps its image encoder in {pack.header.encoder_file}, which "
                    "cannot be trained from: name DINOv2's file in stage_one.encoder."
                )
            return pack.tensors(prefix) or None
        if stage.initial is None:
            return None
        if prefix == "image_encoder." and not stage.train_encoder:
            raise SettingsError(
                f"{stage.initial} has no image encoder, and a random one that is not trained sees "
                "nothing: name DINOv2's file in stage_one.encoder, or set train_encoder."
            )
        if not prefix.endswith(("unet.", "reference.", "vae.")):
            return None
        kind = "vae" if prefix == "vae." else "unet"
        return _stable_diffusion(Path(stage.initial), kind, prefix, networks)

    return load


def fill(module: _M, load: Load, prefix: str, stage: Stage) -> _M:
    """Give a module its first values, from the source or at random; float32, to be trained."""
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    tensors = load(prefix)
    if tensors is None:
        tensors = {
            name: _random(prefix + name, shape, stage.seed) for name, shape in expected.items()
        }
    else:
        tensors = _widen(tensors, expected)
    fits(tensors, expected, prefix, stage)
    module.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    return module.requires_grad_(True).train()


def fits(
    tensors: Mapping[str, Tensor],
    expected: Mapping[str, tuple[int, ...]],
    prefix: str,
    stage: Stage,
) -> None:
    """Raise PackError, naming tensors, unless these have the configured shapes."""
    if wrong := differences({n: tuple(t.shape) for n, t in tensors.items()}, expected):
        given = ", ".join(filter(None, (stage.initial, stage.encoder, stage.prompt)))
        raise PackError(
            f"{given}: the tensors of {prefix}* do not fit the configuration ({wrong}). Change "
            "the sizes under networks, or name another file."
        )


def _random(name: str, shape: tuple[int, ...], seed: int) -> Tensor:
    values = initial_values(name, shape, seed)
    last = "unet.conv_out" in name or "reference.conv_out" in name or "pose_guider.conv_out" in name
    if last or (not name.startswith("vae.") and name.endswith(_ZERO)):
        return torch.zeros_like(values)
    return torch.zeros_like(values) if name.endswith(".bias") else values


def _widen(
    tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """Give a text-to-image UNet's first convolution the inputs of inpainting, as zeros.

    So the first step of stage two sees the latents as the UNet always did, and learns to look at
    mask and I_f.
    """
    tensors, name = dict(tensors), "conv_in.weight"
    if name in tensors and name in expected:
        first, inputs = tensors[name], expected[name][1]
        if inputs == inpainting_channels(first.shape[1]):
            missing = first.new_zeros(len(first), inputs - first.shape[1], *first.shape[2:])
            tensors[name] = torch.cat([first, missing], dim=1)
    return tensors


def _pack(stage: Stage) -> Pack | None:
    """The pack that a stage starts from, if it is one."""
    if stage.initial is None or not Path(stage.initial).is_file():
        return None
    try:
        with safe_open(stage.initial, framework="pt") as file:
            is_pack = METADATA_KEY in (file.metadata() or {})
    except (SafetensorError, OSError):
        return None  # an older checkpoint, or damaged; opening it will tell
    return Pack.open(stage.initial) if is_pack else None


def _all(file: Checkpoint) -> dict[str, Tensor]:
    return {name: file.load(name) for name in file.shapes}


def _stable_diffusion(
    path: Path, kind: str, prefix: str, networks: Networks
) -> Mapping[str, Tensor]:
    """A UNet or autoencoder, under diffusers' names, from any file or folder that has one."""
    expected = "a pack, or a file or diffusers folder of a Stable Diffusion 1.x"
    if path.is_dir():
        found = [path / kind / name for name in _IN_FOLDER if (path / kind / name).is_file()]
        if not found:
            raise PackError(f"{path / kind} has no {_IN_FOLDER[0]}. Expected: {expected}")
        path = found[0]
    file = open_checkpoint(path, expected)
    if names := [name for name in file.shapes if name.startswith(_LDM[kind])]:
        shape = networks.stage_two_unet if prefix == "stage_two.unet." else networks.unet
        table = vae_to_ldm(networks.vae) if kind == "vae" else unet_to_ldm(shape)
        ours = {_LDM[kind] + theirs: name for name, theirs in table.items()}
        # a name that is not ours stays, so that it is reported
        return {ours.get(n, n): _matrix(kind, ours.get(n, n), file.load(n)) for n in names}
    if ("quant_conv.weight" if kind == "vae" else "time_embedding.linear_1.weight") in file.shapes:
        if kind == "vae":
            file = file.with_names(_new_name)
        return {name: _matrix(kind, name, tensor) for name, tensor in _all(file).items()}
    wanted = "autoencoder" if kind == "vae" else "UNet"
    few = ", ".join(sorted(file.shapes)[:3]) or "nothing"
    raise PackError(f"{path} holds no {wanted}, but {few}. Expected: {expected}")


def _encoder(path: Path, networks: Networks, positions: str) -> dict[str, Tensor]:
    """DINOv2, its position table brought to the encoder's side as resize_positions does."""
    tensors = _all(open_checkpoint(path, "model.safetensors of a DINOv2 as transformers has it"))
    shape = networks.image_encoder
    if _POSITIONS in tensors:
        side = shape.side // shape.patch
        tensors[_POSITIONS] = resize_positions(tensors[_POSITIONS], side, positions)
    return tensors


def _new_name(name: str) -> str:
    """Today's name of an autoencoder's tensor; files before diffusers 0.12 differ."""
    parts = name.split(".")
    if "attentions" in parts:
        old, kind = parts[-2], parts[-1]
        return ".".join([*parts[:-2], OLD_VAE_ATTENTION.get(old, old), kind])
    return name


def _matrix(kind: str, name: str, tensor: Tensor) -> Tensor:
    """Attention of old autoencoders is stored as 1x1 convolutions."""
    attention = kind == "vae" and ".attentions." in name and tensor.ndim == 4
    return tensor[:, :, 0, 0] if attention else tensor
