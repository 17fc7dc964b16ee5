"""Every choice a WebUI user has, derived from declarations: their order and the API's schema.

Most are settings.Settings; what only a WebUI knows is declared in WebuiSettings in the same way.
Components, arguments, infotext, XYZ axes, options and the API's schema all come from FIELDS.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from realishuman.declarations import declare, setting
from realishuman.kinds import KINDS
from realishuman.packs.store import demo_pack
from realishuman.settings import AUTO, Settings
from realishuman.webui.field import Field, field_of

NO_CONTROL = "none"  # the choice of no ControlNet
_Class = TypeVar("_Class")


def _with_packs(cls: type[_Class]) -> type[_Class]:
    """Declare which pack repaints a kind, for each kind of part: hand_pack."""
    for kind in KINDS.values():
        without = "none," if kind.engines else f"leave {kind.plural} alone"
        text = (
            f"pack for {kind.plural}, a file in the models folder; auto: the trained one, or "
            f"{without} if there is none"
        )
        if demo_pack(kind.name).is_file():
            text += f"; demo: small networks for rendered {kind.plural}"
        declare(cls, f"{kind.name}_pack", "str", setting(AUTO, text))
    return cls


@dataclass(frozen=True)
@_with_packs
class WebuiSettings:
    """What only the WebUI's script asks for; for each kind of part there is its pack as well."""

    enabled: bool = setting(False, "refine every picture before it is saved")
    seed_offset: int = setting(0, "added to the picture's seed", low=0, high=2**31 - 1, usual=1000)
    detector_device: str = setting(
        AUTO,
        "where the detector and mesh networks run; auto: on the GPU, if that works",
        choices=(AUTO, "cpu"),
    )
    inpaint_parts: str = setting(
        "masked",
        "when inpainting, refine only the parts the mask touches, or all parts",
        choices=("masked", "all"),
    )
    skip_img2img: bool = setting(
        False, "img2img: skip sampling and refine your picture at its own size"
    )
    controlnet: str = setting(
        NO_CONTROL,
        "depth ControlNet that shows the loaded checkpoint the mesh's depth, so that it keeps to "
        "the right shape; a .safetensors file with depth in its name, of the WebUI's folder of "
        "ControlNets",
    )
    controlnet_weight: float = setting(
        0.55, "how strictly the checkpoint keeps to the mesh's depth", low=0.0, high=2.0
    )


SETTINGS = {spec.name: field_of(spec) for spec in dataclasses.fields(Settings)}
WEBUI = {spec.name: field_of(spec) for spec in dataclasses.fields(WebuiSettings)}

# The order of the script's arguments is a promise to API users: names are only ever added at the
# end. A new setting comes last by itself until it is listed here with the next release.
_ORDER = (
    "enabled",
    "parts",
    "hand_pack",
    "face_pack",
    "detector",
    "confidence",
    "min_size",
    "min_area",
    "max_area",
    "max_parts",
    "margin",
    "preset",
    "dilate",
    "erode",
    "steps",
    "guidance",
    "seed_offset",
    "reference_every",
    "guidance_share",
    "max_batch",
    "paste",
    "colour_match",
    "hand_confidence",
    "hand_dilate",
    "hand_erode",
    "face_confidence",
    "face_dilate",
    "face_erode",
)
_SCRIPT = {name: one for name, one in {**SETTINGS, **WEBUI}.items() if name != "seed"}
FIELDS: tuple[Field, ...] = tuple(
    _SCRIPT[name] for name in dict.fromkeys([*_ORDER, *_SCRIPT]) if name in _SCRIPT
)


def schema(fields: Sequence[Field] = FIELDS) -> dict[str, object]:
    """The fields as a JSON schema of an object."""
    types = {"bool": "boolean", "int": "integer", "float": "number"}
    properties = {}
    for one in fields:
        entry: dict[str, object] = {"description": one.help, "default": one.default}
        if one.kind == "names":
            entry |= {"type": "array", "items": {"enum": list(one.choices)}, "uniqueItems": True}
            entry |= {"minItems": 1, "default": one.show(one.default)}
        else:
            name = types.get(one.kind, "string")
            entry["type"] = [name, "null"] if one.automatic else name
        if one.is_number:
            entry |= {"minimum": one.spec.metadata["low"], "maximum": one.spec.metadata["high"]}
        elif one.kind == "name" and one.choices:
            entry["enum"] = [*one.choices, *([None] if one.automatic else [])]
        properties[one.name] = entry
    return {"type": "object", "properties": properties, "additionalProperties": False}
