"""Which WebUI runs in this process, told by what it offers, and whether it can be used.

Imports nothing heavy: scripts/ asks before anything of ours is registered.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from realishuman.advice import command

SUPPORTED = "Supported are AUTOMATIC1111's WebUI (1.10), Forge (2) and Forge Neo, and their forks"
# what our modules forge and forge_memory call; of alternatives, parted by "or", one must be there
_FORGE = {
    "backend.memory_management": (
        "free_memory",
        "get_computation_dtype or inference_cast",
        "get_computation_dtype or unet_dtype",
        "get_free_memory",
        "get_torch_device",
        "load_models_gpu",
        "soft_empty_cache",
        "unload_model_clones or unload_model",
        "vae_dtype",
    ),
    "backend.patcher.base": ("ModelPatcher",),
    "modules.sd_models": ("model_data",),
}
# what our module a1111 calls; SD.Next has modules of the same names, some empty, and no lowvram
_A1111 = {
    "modules.devices": ("autocast", "torch_gc"),
    "modules.lowvram": ("send_everything_to_cpu",),
    "modules.sd_hijack": ("model_hijack",),
    "modules.sd_models": ("model_data",),
    "modules.sd_unet": ("current_unet",),
}


@dataclass(frozen=True)
class Program:
    """The program around us.

    adapter  the module in realishuman.webui.host that speaks to it; "" if it is none we know.
    why_not  a sentence if nothing can be refined in it, else "".
    """

    adapter: Literal["a1111", "forge", ""]
    why_not: str = ""


@functools.cache
def program() -> Program:
    """The program of this process; the answer is kept."""
    if _has("modules_forge.initialization") and _has(
        "backend.memory_management", "load_models_gpu"
    ):
        return Program("forge", _lacking("This Forge", _FORGE))
    if _has("ldm_patched.modules.model_management"):
        return Program(
            "", _refusal("This WebUI is built on an older Forge (reForge, Forge classic)")
        )
    if not _has("modules.shared"):
        return Program(
            "",
            "This process runs neither AUTOMATIC1111's WebUI nor Forge. Elsewhere, use the "
            f"command line: `{command('refine', '-h')}`.",
        )
    why_not = _lacking("This WebUI", _A1111)
    return Program("", why_not) if why_not else Program("a1111")


def _lacking(who: str, needs: Mapping[str, Sequence[str]]) -> str:
    """What is asked for in vain, as a sentence; "" if all is there."""
    missing = []
    for module, names in needs.items():
        lost = [each for each in names if not any(_has(module, n) for n in each.split(" or "))]
        if lost:
            missing.append(f"{module} ({', '.join(lost)})")
    return _refusal(f"{who} does not provide {', '.join(missing)}") if missing else ""


def _refusal(reason: str) -> str:
    return (
        f"{reason}, so RealisHuman cannot work in it. {SUPPORTED}; elsewhere, use the command "
        f"line: `{command('refine', '-h')}`."
    )


def _has(module: str, attribute: str = "") -> bool:
    """Whether the program has this module, with this attribute; nothing of a host is run twice."""
    found: ModuleType | None = sys.modules.get(module)
    if found is None:
        try:
            found = importlib.import_module(module)
        except ImportError:
            return False
    return not attribute or hasattr(found, attribute)
