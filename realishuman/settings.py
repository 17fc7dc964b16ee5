"""Every setting, declared once: the command line, the API and the WebUI are derived from here.

A field's metadata holds its help, range and choices. `None` means "as the preset says", see
presets.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from realishuman.declarations import check, declare, setting
from realishuman.errors import SettingsError
from realishuman.kinds import KINDS
from realishuman.presets import PRESETS, Ways

PART_KINDS = tuple(KINDS)
AUTO = "auto"  # the value by which a choice is left to us
PACK = "pack"  # the engine that is a pack's two stages
CHECKPOINT = "checkpoint"  # the engine that is both stages on the user's own checkpoint
TRANSPLANT = "transplant"  # the engine that needs no weights
HANDREFINER = "handrefiner"  # the engine to compare with, on the command line
RENAMED = {"skip_good": "gate"}  # settings of earlier versions, and what does their work now
DETECTORS = ("embedded", "dwpose", "dwpose-released")
RELEASED_DETECTOR = DETECTORS[2]
PER_KIND = ("confidence", "dilate", "erode")  # settings that a kind of part may have of its own
_PER_KIND_HELP = {
    "confidence": "how sure the detector must be",
    "dilate": "how far around the part is repainted (m_d)",
    "erode": "how much of the part's rim is repainted again (m_e)",
}
_Class = TypeVar("_Class")


def _with_own(cls: type[_Class]) -> type[_Class]:
    """Declare the settings of PER_KIND once more for each kind of part: hand_dilate."""
    for kind in KINDS.values():
        for name in PER_KIND:
            general = getattr(cls, name).metadata
            number = cls.__annotations__[name].removesuffix(" | None")
            own = setting(
                None,
                f"{_PER_KIND_HELP[name]}, for {kind.plural} only",
                low=general["low"],
                high=general["high"],
            )
            declare(cls, f"{kind.name}_{name}", f"{number} | None", own)
    return cls


@dataclass(frozen=True)
@_with_own
class Settings:
    """What the user may choose. Change a copy with dataclasses.replace.

    The settings of PER_KIND are there for each kind of part as well, as hand_dilate; None means
    the general one.
    Raises SettingsError when a value is out of its range; the message names field and range.
    """

    parts: tuple[str, ...] = setting(PART_KINDS, "what to repair", choices=PART_KINDS)
    detector: str = setting(
        "embedded",
        "what finds hands and faces: the built-in detector, or the paper's DWPose, which you "
        "download first; dwpose-released repeats the released code: only the largest person, "
        "channels in BGR order, its own thresholds instead of confidence, and its crops",
        choices=DETECTORS,
    )
    confidence: float = setting(
        0.5,
        "how sure the detector must be; lower finds more hands and faces, and more that are none",
        low=0.0,
        high=1.0,
    )
    min_size: int = setting(
        20,
        "skip parts whose longer side is shorter than this, in pixels",
        low=1,
        high=4096,
        usual=512,
    )
    min_area: float = setting(
        0.0,
        "skip parts whose box covers less than this share of the picture",
        low=0.0,
        high=1.0,
        step=0.001,
    )
    max_area: float = setting(
        1.0,
        "skip parts whose box covers more than this share of the picture",
        low=0.0,
        high=1.0,
        step=0.001,
    )
    max_parts: int = setting(
        0,
        "refine at most this many parts of each kind, largest first; 0 refines all",
        low=0,
        high=1000,
        usual=20,
    )
    crop: str | None = setting(
        None,
        "how parts are cropped: a square sized to the part and mirrored at the picture's "
        "border; or, as released, 100 pixels beyond the keypoints on every side and black "
        "outside the picture",
        choices=("part", "released"),
    )
    margin: float | None = setting(
        None,
        "how much around a part is looked at: side of the square crop (not of a released one), in "
        "longer sides of the part",
        low=1.2,
        high=6.0,
    )
    engine: str = setting(
        AUTO,
        "what repaints the parts: a pack's two stages; a Stable Diffusion checkpoint of your own; "
        "or transplant, which needs no weights and repairs malformed hands with the picture's own "
        "skin; auto takes a pack where one is in use, the checkpoint where that is allowed, the "
        "transplant for other hands, and leaves other faces alone",
        choices=(AUTO, PACK, CHECKPOINT, TRANSPLANT, HANDREFINER),
        command_line=(HANDREFINER,),
    )
    preset: str | None = setting(
        None,
        "constants of the released code or of the paper, instead of the pack's own. Both suit "
        "the released weights; the demo pack fails with them. released also crops, prepares "
        "inputs and pastes as released, without gate and judge",
        choices=("released", "paper"),
    )
    dilate: int | None = setting(
        None,
        "how far around the part is repainted, to blend it in (m_d's kernel, in pixels of the 512 "
        "crop)",
        low=0,
        high=256,
    )
    erode: int | None = setting(
        None,
        "how much of the part's rim is repainted again, to hide the seam (m_e's kernel, in pixels "
        "of the 512 crop)",
        low=0,
        high=256,
    )
    steps: int | None = setting(
        None,
        "more bring finer detail and take longer (DDIM steps of each stage)",
        low=1,
        high=999,
        usual=150,
    )
    guidance: float | None = setting(
        None,
        "how closely pose or prompt is followed; too much looks hard (classifier-free guidance; 1 "
        "turns it off)",
        low=1.0,
        high=20.0,
    )
    seed: int = setting(
        0, "which of many repairs: another number paints another one", low=0, high=2**63 - 1
    )
    tries: int = setting(
        1,
        "paint each part so many times, with consecutive seeds, and keep the best by the judge's "
        "word; takes as many times longer",
        low=1,
        high=64,
        usual=8,
    )
    reference_every: int = setting(
        1,
        "look at the part as it was only every N steps; above 1 is faster but approximate",
        low=1,
        high=1000,
        usual=20,
    )
    guidance_share: float = setting(
        1.0,
        "share of the steps, from the first, that use guidance; below 1 is faster but approximate",
        low=0.0,
        high=1.0,
    )
    max_batch: int = setting(
        4, "how many parts are repainted at once; fewer use less memory", low=1, high=64
    )
    inputs: str | None = setting(
        None,
        "where the pose is drawn and the reference cut out: in the resized crop; or, as "
        "released, at the picture's own resolution, by the pose's brightness, and resized "
        "afterwards",
        choices=("crop", "picture"),
    )
    paste: str | None = setting(
        None,
        "how the crop is pasted back: along the part's outline; with a radial fade inside the "
        "ring; or with that fade over the whole crop, as released",
        choices=("silhouette", "radial", "released"),
    )
    colour_match: bool | None = setting(
        None,
        "match colours: the repaired part's to the original's, then the refined crop's to the "
        "picture around it",
    )
    mesh: str = setting(
        "auto",
        "where the meshes come from: built in, or the paper's HaMeR and 3DDFA-V3; auto uses what "
        "the pack asks for, if it is installed",
        choices=("auto", "embedded", "official"),
    )
    judge: bool | None = setting(None, "keep the original wherever the repair is no better")
    gate: bool | None = setting(
        None, "leave hands alone that look right already; parts that you name are repainted anyway"
    )
    allow_checkpoint: bool = setting(
        False,
        "let the engine auto repaint with your checkpoint; off, because it is not measured yet "
        "how good that is",
    )
    strength: float = setting(
        0.5,
        "how much a checkpoint changes: hands from what the transplant makes of them, faces from "
        "what they are; 0.3 is subtle, 0.7 strong",
        low=0.05,
        high=1.0,
    )
    reference_weight: float = setting(
        1.0,
        "how much of the old part's look a checkpoint keeps; 1 as in the paper, 0 nothing "
        "(reference attention)",
        low=0.0,
        high=1.0,
    )
    prompt: str = setting(
        "[PROMPT], detailed [PART]",
        "what a checkpoint is told to paint; [PROMPT] stands for the picture's own prompt, [PART] "
        "for hand or face",
        prose=True,
    )
    negative_prompt: str = setting(
        "[PROMPT], deformed, extra fingers, missing fingers, fused fingers",
        "what a checkpoint is told to avoid; [PROMPT] stands for the picture's own negative prompt",
        prose=True,
    )

    def __post_init__(self) -> None:
        """Refuse what cannot be used."""
        for spec in fields(self):
            check(spec, getattr(self, spec.name))

    def of(self, kind: str) -> Settings:
        """These settings for parts of one kind: what is set for that kind alone comes first."""
        own = {name: getattr(self, f"{kind}_{name}", None) for name in PER_KIND}
        return replace(self, **{name: value for name, value in own.items() if value is not None})

    @property
    def ways(self) -> Ways:
        """What the user says, then a preset the user names, then what Ways says.

        Who names a margin, crops by it; the released detector crops as released.
        """
        ways = PRESETS[self.preset].ways if self.preset else Ways()
        if self.margin is not None:
            ways = replace(ways, crop="part")
        elif self.detector == RELEASED_DETECTOR:
            ways = replace(ways, crop="released")
        own = {spec.name: getattr(self, spec.name) for spec in fields(Ways)}
        return replace(ways, **{name: value for name, value in own.items() if value is not None})

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Settings:
        """Build from JSON. Raises SettingsError on a key that is not a setting."""
        known = {spec.name for spec in fields(cls)}
        if unknown := sorted(map(str, raw.keys() - known)):
            raise SettingsError(
                f"unknown setting {', '.join(unknown)}{explain_renamed(unknown)}; known are "
                f"{', '.join(sorted(known))}"
            )
        values = dict(raw)
        if isinstance(values.get("parts"), (list, tuple)):
            values["parts"] = tuple(values["parts"])
        return cls(**values)


def explain_renamed(names: Iterable[str]) -> str:
    """What took the place of settings that are gone, in brackets; empty for unknown ones."""
    now = [f"{name} is now {RENAMED[name]}" for name in names if name in RENAMED]
    return f" ({', '.join(now)})" if now else ""
