"""The command line as a host: which device, and which networks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion.networks import Backbone
from realishuman.errors import PackError, SettingsError
from realishuman.models import Models
from realishuman.weights.pack import Pack
from realishuman.weights.random_pack import random_pack
from realishuman.weights.store import best, models_folder, of_set

PRECISIONS: Mapping[str, torch.dtype | None] = {
    "auto": None,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
RANDOM = "random"  # what --pack calls packs of random weights


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
    packs: Sequence[str | Path], device: str = "auto", precision: str = "auto"
) -> Models:
    """Models whose networks all come from packs, on `device`; on "cpu" the detector's are as well.

    precision  a key of PRECISIONS; "auto" is float16 on CUDA and float32 elsewhere.
    Networks stay loaded between pictures when all packs fit into the memory that is free now;
    otherwise each stage loads its own and lets go of them.
    Raises     SettingsError if device or precision are none.
    """
    if precision not in PRECISIONS:
        raise SettingsError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    target, dtype = pick_device(device), PRECISIONS[precision]
    keep = _fit(packs, target, dtype)

    def open_backbone(pack: Pack) -> Backbone:
        return PackedBackbone(pack, target, dtype, keep_loaded=keep)

    named = device if device.startswith("cuda") else "auto"  # the user hears of a fallback
    provider = "cpu" if target.type == "cpu" else named
    return Models(packs, open_backbone, provider=provider, spare=not keep)


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
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a Unix, or one without these names
        return 8 * 2**30


@contextmanager
def packs_for(named: Sequence[str], kinds: Sequence[str]) -> Iterator[list[Path]]:
    """The pack files of a run: those named, "random" ones made now, or the installed ones.

    named   files, or names of sets of installed packs.
    Raises PackError if nothing is named and no installed pack is for any of the kinds.
    """
    with TemporaryDirectory(prefix="realishuman-") as folder:
        packs = named_packs([name for name in named if name != RANDOM], kinds)
        if RANDOM in named:
            packs += [_random(Path(folder) / f"random-{kind}.safetensors", kind) for kind in kinds]
        yield packs or _installed(kinds)


def named_packs(named: Sequence[str], kinds: Sequence[str]) -> list[Path]:
    """Files for these names; one that is no file may be a set of installed packs."""
    packs: list[Path] = []
    for name in named:
        packs += [Path(name)] if Path(name).exists() else of_set(name, tuple(kinds)) or [Path(name)]
    return packs


def _random(path: Path, kind: str) -> Path:
    random_pack(path, kind, resolution=256)
    return path


def _installed(kinds: Sequence[str]) -> list[Path]:
    packs = best(tuple(kinds))
    if not packs:
        raise PackError(
            f"no pack for {' or '.join(kinds)} in {models_folder()}. Make one from the released "
            "checkpoints (`realishuman convert -h`), name a file with --pack, or try the wiring "
            "with --pack random, whose random weights paint noise."
        )
    return packs
