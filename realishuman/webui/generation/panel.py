"""The accordion: one component per field, laid out in groups, for gradio 3 and 4 alike.

Nothing is looked for or opened while it is built, unless its box is ticked from the start. What a
run will do that its user may not expect is said below it as soon as the box is ticked; that nothing
can work in this WebUI is said at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from html import escape

from realishuman.errors import RealisHumanError
from realishuman.kinds import KINDS
from realishuman.settings import AUTO, PART_KINDS, PER_KIND
from realishuman.webui.components import component_of
from realishuman.webui.field import Field
from realishuman.webui.fields import FIELDS
from realishuman.webui.foreign import Component
from realishuman.webui.generation.infotext import component_value
from realishuman.webui.host.program import program
from realishuman.webui.options import start_value

LABEL = "RealisHuman refine"
PACKS = tuple(f"{kind}_pack" for kind in PART_KINDS)
MODELS_WORDS = "Models page"  # in sentences about packs; they become the way to it
MODELS_PAGE = "switch_to_realishuman_models"  # in javascript/realishuman.js
LOOKED = ("parts", "engine", "allow_checkpoint")  # what the outlook depends on besides packs
IMG2IMG_ONLY = ("inpaint_parts", "skip_img2img")  # names of fields
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "",
        (
            "parts",
            "engine",
            *PACKS,
            "gate",
            "preset",
            "inpaint_parts",
            "skip_img2img",
        ),
    ),
    (
        "Find",
        (
            "detector",
            "detector_device",
            "confidence",
            "min_size",
            "min_area",
            "max_area",
            "max_parts",
        ),
    ),
    ("Mask", ("crop", "margin", "dilate", "erode", "inputs", "paste", "colour_match")),
    ("Sampling", ("steps", "guidance", "seed_offset")),
    (
        "Repainting with the loaded checkpoint",
        ("allow_checkpoint", "strength", "reference_weight", "prompt", "negative_prompt"),
    ),
    (
        ", ".join(f"only for {kind.plural}" for kind in KINDS.values()).capitalize(),
        tuple(f"{kind}_{name}" for name in PER_KIND for kind in PART_KINDS),
    ),
    ("More", ()),  # whatever is declared and not named above
)


@dataclass(frozen=True)
class Panel:
    """What a script's ui() makes.

    components          in the order of fields.FIELDS.
    infotext_fields     pairs of component and function for pasting.
    paste_field_names   the keys that "send to" buttons carry over.
    """

    components: list[Component]
    infotext_fields: list[tuple[Component, Callable[..., object]]]
    paste_field_names: list[str]


def build(elem_id: Callable[[str], str], hidden: Collection[str] = ()) -> Panel:
    """Create the accordion in the surrounding blocks.

    elem_id  makes a name unique to the tab.
    hidden   names of fields that mean nothing here; they are arguments all the same.
    """
    import gradio
    from modules.ui_components import InputAccordion

    switch, *others = FIELDS
    made: dict[str, Component] = {}
    by_name = {one.name: one for one in others}
    with InputAccordion(start_value(switch), label=LABEL, elem_id=elem_id(switch.name)) as made[
        switch.name
    ]:
        for title, names in GROUPS:
            rest = tuple(by_name) if title == "More" else names
            group = [by_name.pop(name) for name in rest if name in by_name]
            if title:
                with gradio.Accordion(title, open=False, elem_id=elem_id(_slug(title))):
                    made.update(lay_out(group, elem_id))
            else:
                made.update(lay_out(group, elem_id))
        refresh = gradio.Button("Look for packs again", size="sm", elem_id=elem_id("refresh"))
    # outside of the accordion, which ticking its box leaves closed
    said = gradio.HTML(_at_start(), elem_id=elem_id("outlook"))
    packs = [made[name] for name in PACKS]
    looked = [*(made[name] for name in LOOKED), *packs]
    inputs = [made[switch.name], *looked]
    for event in (refresh.click, made[switch.name].change):
        event(_look_again, inputs=inputs, outputs=[said, *packs], show_progress="hidden")
    for one in looked:
        one.change(_if_on, inputs=inputs, outputs=[said], show_progress="hidden")
    for name in hidden:
        made[name].visible = False
    components = [made[one.name] for one in FIELDS]
    for component in components:
        component.do_not_save_to_config = True  # its start value is an option, its range ours
    return Panel(
        components,
        [(made[one.name], component_value(one)) for one in FIELDS],
        [one.key for one in FIELDS],
    )


def _slug(title: str) -> str:
    return title.lower().replace(",", "").replace(" ", "_")


def lay_out(group: Sequence[Field], elem_id: Callable[[str], str]) -> dict[str, Component]:
    """Two to a row."""
    import gradio

    made = {}
    for start in range(0, len(group), 2):
        with gradio.Row():
            for one in group[start : start + 2]:
                value = start_value(one)
                name, arguments = component_of(one, value)
                made[one.name] = getattr(gradio, name)(
                    value=value, elem_id=elem_id(one.name), **arguments
                )
    return made


def _look_again(
    enabled: bool, parts: Sequence[str], wish: str, allowed: bool, *packs: str
) -> list[object]:
    """What a run will do, and the pack files there are now."""
    import gradio

    from realishuman.webui.host.engine import engine

    try:
        files = [AUTO, *engine().pack_files()]
    except RealisHumanError:  # the outlook says it
        files = [AUTO]
    choices = [gradio.update(choices=files) for _ in packs]
    return [gradio.update(value=_if_on(enabled, parts, wish, allowed, *packs)), *choices]


def _if_on(enabled: bool, parts: Sequence[str], wish: str, allowed: bool, *packs: str) -> str:
    return outlook(parts, wish, allowed, *packs) if enabled else ""


def _at_start() -> str:
    """The outlook of a box that is ticked from the start; one that is not opens nothing.

    If nothing can be refined in this WebUI, this is said all the same.
    """
    if why_not := program().why_not:
        return f"<p>{escape(why_not)}</p>"
    at_start = {one.name: start_value(one) for one in FIELDS}
    parts = at_start["parts"]
    if not at_start[FIELDS[0].name] or not isinstance(parts, list):
        return ""
    allowed = bool(at_start["allow_checkpoint"])
    packs = [str(at_start[name]) for name in PACKS]
    return outlook(parts, str(at_start["engine"]), allowed, *packs)


def outlook(parts: Sequence[str], wish: str, allowed: bool, *packs: str) -> str:
    """What a run will do that its user may not expect, as HTML.

    wish     the setting `engine`.
    allowed  the setting `allow_checkpoint`.
    packs    in the order of PACKS.
    """
    from realishuman.webui.host.engine import engine

    try:
        chosen = {kind: name or AUTO for kind, name in zip(PART_KINDS, packs, strict=True)}
        lines = engine().outlook(parts or (), chosen, wish or AUTO, allowed)
    except RealisHumanError as error:
        lines = [str(error)]
    return outlook_html(lines)


def outlook_html(lines: Sequence[str]) -> str:
    """Sentences with the way to the Models page; empty without any."""
    if not lines:
        return ""
    link = f'<a href="#" onclick="{MODELS_PAGE}(); return false">{MODELS_WORDS}</a>'
    text = "".join(f"<p>{escape(line)}</p>" for line in lines)
    if MODELS_WORDS in text:
        text = text.replace(MODELS_WORDS, link)
    else:
        text += f"<p>See the {link}.</p>"
    return f'<div class="rh-outlook">{text}</div>'
