"""The command line as a host: which device, and which networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from realishuman.advice import command
from realishuman.arguments import expect
from realishuman.backbones.loading import Place
from realishuman.backbones.packed import PackedBackbone
from realishuman.backbones.wishes import Wishes
from realishuman.diffusion.networks import Backbone
from realishuman.diffusion.prompted import Checkpoint
from realishuman.errors import PackError, SettingsError
from realishuman.memory import memory_left
from realishuman.packs.pack import Pack
from realishuman.packs.random_pack import random_pack
from realishuman.packs.store import OFFICIAL, RANDOM, Installed, find_installed, set_of
from realishuman.pipeline.models import Models
from realishuman.settings import PART_KINDS

PRECISIONS: Mapping[str, torch.dtype | None] = {
    "auto": None,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


def pick_device(name: str) -> torch.device:
    """ "auto" takes CUDA when there is one; anything else is a torch device name.

    Raises SettingsError if the device does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).cpu()  # "meta" can be made but holds nothing
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(
            f"device {name!r} cannot be used here ({str(error).splitlines()[0].split('. ')[0]}); "
            "use --device auto or --device cpu."
        ) from error
    return device


def open_models(
    packs: str | Path | Sequence[str | Path] | None = None,
    device: str = "auto",
    precision: str = "auto",
    *,
    checkpoint: str | Path | None = None,
    wishes: Wishes | None = None,
) -> Models:
    """Models whose networks all come from packs, on `device`; on "cpu" the detector's are as well.

    packs      files, at most one per part kind, or names of sets of installed packs, such as
               "demo"; None takes the trained packs that are installed. Without one hands are
               repaired with the picture's own skin, and faces left alone.
    precision  a key of PRECISIONS; "auto" is float16 on CUDA and float32 elsewhere.
    checkpoint  a Stable Diffusion of your own for the engine "checkpoint": a .safetensors file or
               a diffusers folder.
    wishes     what is said of the checkpoint: its vocabulary, another VAE, LoRAs and so on.
    Networks stay loaded between pictures when all packs fit into the memory that is free now;
    otherwise each stage loads its own and lets go of them.
    Raises     SettingsError if an argument cannot be used, PackError if a pack is missing or
               damaged.
    """
    expect("device", device, str, 'a name such as "auto", "cpu" or "cuda:1"')
    if precision not in PRECISIONS:
        raise SettingsError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    told = (remarks(), lacking(PART_KINDS)) if packs is None else ((), {})
    packs = _files(packs)
    target, dtype = pick_device(device), PRECISIONS[precision]
    keep = _fit(packs, target, dtype)

    def open_backbone(pack: Pack) -> Backbone:
        return PackedBackbone(pack, target, dtype, keep_loaded=keep)

    named = device if device.startswith("cuda") else "auto"  # the user hears of a fallback
    provider = "cpu" if target.type == "cpu" else named
    models = Models(
        packs,
        open_backbone,
        provider=provider,
        spare=not keep,
        checkpoint=_checkpoint(checkpoint, target, dtype, wishes or Wishes()),
    )
    models.remarks, models.lacking = told
    return models


def _checkpoint(
    path: str | Path | None,
    device: torch.device,
    dtype: torch.dtype | None,
    wishes: Wishes,
) -> Checkpoint | None:
    """The user's own checkpoint, which is looked at here and loaded when it is needed."""
    if path is None:
        return None
    from realishuman.backbones.opening import open_checkpoint

    if dtype is None:
        dtype = torch.float16 if device.type == "cuda" else torch.float32
    return open_checkpoint(Path(path), Place(device, dtype), wishes)


def _files(packs: str | Path | Sequence[str | Path] | None) -> list[Path]:
    """The pack files that are meant."""
    if packs is None:
        return find_named_packs((), PART_KINDS)
    wanted = "the path of a pack, the name of a set, or a list of these"
    expect("packs", packs, (str, Path, Sequence), wanted)
    named = [packs] if isinstance(packs, (str, Path)) else packs
    for one in named:
        expect("packs", one, (str, Path), wanted)
    return [
        path
        for one in named
        for path in (
            [Path(one)] if Path(one).exists() else find_named_packs([str(one)], PART_KINDS)
        )
    ]


def _fit(packs: Sequence[str | Path], device: torch.device, dtype: torch.dtype | None) -> bool:
    """Whether all packs fit into two thirds of the free memory; the rest is for activations."""
    stored = sum(path.stat().st_size for path in map(Path, packs) if path.is_file())
    if dtype is None:
        dtype = torch.float16 if device.type == "cuda" else torch.float32
    needed = stored * dtype.itemsize // torch.float16.itemsize
    return needed < _free_memory(device) * 2 // 3


def _free_memory(device: torch.device) -> int:
    """Bytes that are free on the device, or 8 GiB where the system does not say."""
    if device.type == "cuda":
        # torch 2.1 refuses a device without a number here
        number = torch.cuda.current_device() if device.index is None else device.index
        return int(torch.cuda.mem_get_info(number)[0])
    left = memory_left()
    return left.free if left else 8 * 2**30


@contextmanager
def packs_for(named: Sequence[str], kinds: Sequence[str]) -> Iterator[list[Path]]:
    """The pack files of a run: those named, "random" ones made now, or the trained ones installed.

    named   files, or names of sets of installed packs.
    Raises  PackError as named_packs.
    """
    with TemporaryDirectory(prefix="realishuman-") as folder:
        others = [name for name in named if name != RANDOM]
        packs = find_named_packs(others, kinds) if others or not named else []
        if RANDOM in named:
            packs += [_random(Path(folder) / f"random-{kind}.safetensors", kind) for kind in kinds]
        yield packs


def find_named_packs(named: Sequence[str], kinds: Sequence[str]) -> list[Path]:
    """Files for these names, one that is no file being a set; without names the trained packs.

    Raises  PackError if a set is not installed, or a pack that would be taken is damaged.
    """
    there = find_installed()
    if not named:
        return [pack.path for kind in kinds if (pack := there.pick(kind))]
    packs: list[Path] = []
    for name in named:
        packs += [Path(name)] if Path(name).exists() else _set(name, kinds, there)
    return packs


def _set(name: str, kinds: Sequence[str], there: Installed) -> list[Path]:
    """The files of a set for these kinds."""
    chosen = there.set(name, kinds)
    if chosen:
        return [pack.path for pack in chosen]
    if name == OFFICIAL:
        raise PackError(
            f"the official packs are not in {there.folder} yet: "
            f"`{command('setup', OFFICIAL, '--checkpoints', 'FOLDER')}` makes them from the "
            "released files (docs/official.md)."
        )
    sets = ", ".join(dict.fromkeys(map(set_of, there.packs))) or "none"
    raise PackError(
        f"{name} is neither a file nor the name of a set of installed packs for "
        f"{' or '.join(kinds)}; installed sets: {sets}. To make a pack from the released "
        f"checkpoints: `{command('convert', '-h')}`."
    )


def remarks() -> tuple[str, ...]:
    """What a user who named no pack should know of those installed: what is passed over."""
    return tuple(find_installed().list_passed_over())


def lacking(kinds: Sequence[str]) -> dict[str, str]:
    """By kind of part without a trained pack, how to get one, as a sentence."""
    there = find_installed()
    return {kind: why for kind in kinds if (why := there.without([kind]))}


def _random(path: Path, kind: str) -> Path:
    random_pack(path, kind, resolution=256)
    return path
