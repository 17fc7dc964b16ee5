"""Where each field stands, in the accordion and in the tab: few in sight, the rest folded.

Under the fold are pages: one for each kind of part, then what is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from realishuman.kinds import KINDS
from realishuman.settings import CHECKPOINT, PER_KIND
from realishuman.webui.components import NAMED, component_of
from realishuman.webui.field import Field
from realishuman.webui.foreign import Component
from realishuman.webui.generation.saved_page import TITLE as SAVED
from realishuman.webui.generation.saved_page import SavedPage
from realishuman.webui.numbers import Numbers
from realishuman.webui.options import start_value

IMG2IMG_ONLY = ("inpaint_parts", "skip_img2img")  # names of fields
IN_SIGHT = ("engine",)  # besides parts, which stand beside the saved settings
BY_CHECKPOINT = ("strength", "prompt")  # in sight where the loaded checkpoint may repaint
FOLD = "More settings"
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("parts", *IN_SIGHT, *BY_CHECKPOINT, *IMG2IMG_ONLY)),
    *(
        (
            kind.plural.capitalize(),
            (f"{kind.name}_pack", *(f"{kind.name}_{name}" for name in PER_KIND)),
        )
        for kind in KINDS.values()
    ),
    (
        "Which parts",
        (
            "gate",
            "detector",
            "confidence",
            "min_size",
            "min_area",
            "max_area",
            "max_parts",
            "detector_device",
        ),
    ),
    (
        "Repainting",
        (
            "steps",
            "guidance",
            "tries",
            "seed_offset",
            "reference_weight",
            "negative_prompt",
            "controlnet",
            "controlnet_weight",
            "allow_checkpoint",
            "preset",
        ),
    ),
    (
        "Crop and seam",
        ("margin", "dilate", "erode", "colour_match", "paste", "crop", "inputs"),
    ),
    ("More", ()),  # whatever is declared and not named above
)


@dataclass
class Laid:
    """The components of a page.

    made        those that a run reads, by the names of their fields.
    numbers     those of them that may be left to the pack.
    saved       what puts saved settings into them.
    checkpoint  shown where the loaded checkpoint may repaint.
    """

    numbers: Numbers
    saved: SavedPage
    checkpoint: Component | None = None
    made: dict[str, Component] = field(default_factory=dict)


def lay_out(
    fields: Sequence[Field],
    elem_id: Callable[[str], str],
    beside: Mapping[str, Callable[[], None]] | None = None,
    also_in_sight: Sequence[str] = (),
) -> Laid:
    """Lay the fields out in the surrounding blocks.

    elem_id  makes a name unique to the page.
    beside   what else stands on a page under the fold, by its title; a title of no group adds one.
    also_in_sight  names of fields that stand above the fold as well.
    """
    import gradio

    laid = Laid(Numbers(elem_id), SavedPage(elem_id))
    by_name = {one.name: one for one in fields}
    more = {**(beside or {}), SAVED: laid.saved.make_page}
    groups = dict(GROUPS)
    with gradio.Row():
        _make(laid, by_name.pop("parts"), elem_id)
        laid.saved.make_choice()
    rows(laid, _take(by_name, IN_SIGHT), elem_id)
    with gradio.Group(
        elem_id=elem_id("checkpoint"), visible=may_be_checkpoint(_at_start(fields))
    ) as laid.checkpoint:
        rows(laid, _take(by_name, BY_CHECKPOINT), elem_id)
    rows(laid, _take(by_name, (*groups.pop(""), *also_in_sight)), elem_id)
    with gradio.Accordion(FOLD, open=False, elem_id=elem_id("fold")):
        with gradio.Tabs(elem_id=elem_id("pages")):
            for title, names in groups.items():
                group = _take(by_name, tuple(by_name) if title == "More" else names)
                if not group and title not in more:
                    continue
                with gradio.TabItem(title, elem_id=elem_id(_slug(title))):
                    rows(laid, group, elem_id)
                    more.pop(title, lambda: None)()
            for title, fill in more.items():
                with gradio.TabItem(title, elem_id=elem_id(_slug(title))):
                    fill()
    return laid


def rows(laid: Laid, group: Sequence[Field], elem_id: Callable[[str], str]) -> None:
    """Make the components of these fields: two to a row, choices in sight alone."""
    import gradio

    wide = [one for one in group if one.name in NAMED]
    narrow = [one for one in group if one not in wide]
    pairs = [narrow[start : start + 2] for start in range(0, len(narrow), 2)]
    for row in (*pairs, *([one] for one in wide)):
        with gradio.Row():
            for one in row:
                _make(laid, one, elem_id)


def _make(laid: Laid, one: Field, elem_id: Callable[[str], str]) -> None:
    import gradio

    value = start_value(one)
    if one.is_left:
        laid.made[one.name] = laid.numbers.make(one, value)
        return
    name, arguments = component_of(one, value)
    laid.made[one.name] = getattr(gradio, name)(value=value, elem_id=elem_id(one.name), **arguments)


def may_be_checkpoint(values: Mapping[str, object]) -> bool:
    """Whether the loaded checkpoint may repaint, by what the components hold."""
    return values.get("engine") == CHECKPOINT or bool(values.get("allow_checkpoint"))


def _at_start(fields: Sequence[Field]) -> dict[str, object]:
    return {one.name: start_value(one) for one in fields}


def _take(by_name: dict[str, Field], names: Sequence[str]) -> list[Field]:
    return [by_name.pop(name) for name in names if name in by_name]


def _slug(title: str) -> str:
    return f"page_{title.lower().replace(' ', '_')}"
