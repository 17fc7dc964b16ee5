"""The depth ControlNet that steers the loaded checkpoint: which there are, and the chosen one.

Weights wait in RAM in the precision that they compute in; a UNet of each run is built around them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from realishuman.backbones.control_file import open_control
from realishuman.backbones.ldm_control import LdmControl
from realishuman.errors import PackError
from realishuman.webui.choices import Control
from realishuman.webui.fields import NO_CONTROL

DEPTH = "depth"  # in the name of every file that is offered


def list_controls() -> dict[str, Path]:
    """Files of depth ControlNets by their name, wherever the WebUI and its extension look."""
    from modules import paths_internal, shared

    named = [
        getattr(shared.cmd_opts, "controlnet_dir", None),
        *(getattr(shared.cmd_opts, "controlnet_dirs", None) or ()),
        shared.opts.data.get("control_net_models_path"),
    ]
    folders = [
        Path(paths_internal.models_path) / "ControlNet",
        Path(paths_internal.extensions_dir) / "sd-webui-controlnet" / "models",
        *(Path(folder) for folder in named if folder),
    ]
    found = [path for folder in folders for path in folder.rglob("*.safetensors")]
    fitting = {path.stem: path for path in reversed(found) if DEPTH in path.stem.lower()}
    return dict(sorted(fitting.items()))


@dataclass
class HostControl:
    """The chosen ControlNet; its file is opened when it is needed."""

    chosen: Control
    _kept: dict[tuple[object, ...], dict[str, Tensor]] = field(default_factory=dict)

    def why_not(self, unet: nn.Module, context: int) -> str:
        """Why it cannot steer this UNet, as a sentence; "" if it can, as far as its header says.

        context  width of the UNet's tokens.
        """
        if not all(parameter.is_floating_point() for parameter in unet.parameters()):
            return (
                "The loaded model is stored in a form that a ControlNet cannot be run beside: load "
                f'it as fp16, bf16 or fp8, or choose "{NO_CONTROL}" as ControlNet.'
            )
        try:
            open_control(self._path(), self.chosen.weight, context)
        except PackError as error:
            return str(error)
        return ""

    def network(self, unet: nn.Module, context: int, dtype: torch.dtype) -> LdmControl:
        """It, on the CPU, of the UNet's classes. Raises PackError if it does not fit."""
        path = self._path()
        file = open_control(path, self.chosen.weight, context)
        key = (path, path.stat().st_mtime_ns, dtype)
        if key not in self._kept:
            self._kept.clear()
            self._kept[key] = file.read_ldm(dtype)
        return file.build_ldm(unet, self._kept[key])

    def _path(self) -> Path:
        there = list_controls()
        if self.chosen.name not in there:
            known = ", ".join(there) or f"no .safetensors file with {DEPTH} in its name"
            raise PackError(
                f"There is no ControlNet {self.chosen.name}; in the WebUI's folders of ControlNets "
                f"there is: {known}."
            )
        return there[self.chosen.name]
