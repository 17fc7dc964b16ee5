"""The accordion: a component per field, and below it what a run will do, for gradio 3 and 4.

Nothing is looked for or opened while it is built, unless its box is ticked from the start. What a
run will do is said as soon as the box is ticked, and again whenever a choice changes that; that
nothing can work in this WebUI is said at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from realishuman.errors import RealisHumanError
from realishuman.settings import AUTO, PART_KINDS
from realishuman.webui.choices import choices_from
from realishuman.webui.fields import FIELDS, NO_CONTROL
from realishuman.webui.foreign import Component, Event
from realishuman.webui.generation.groups import lay_out, may_be_checkpoint
from realishuman.webui.generation.infotext import component_value
from realishuman.webui.host.program import program
from realishuman.webui.options import start_value

LABEL = "RealisHuman refine"
PACKS = tuple(f"{kind}_pack" for kind in PART_KINDS)
FILES = (*PACKS, "controlnet")  # names of fields whose choices are files
MODELS_WORDS = "Models page"  # in sentences about packs; they become the way to it
MODELS_PAGE = "switch_to_realishuman_models"  # in javascript/realishuman.js
# what the outlook and the numbers in effect depend on
LOOKED = ("parts", "engine", "allow_checkpoint", "strength", "preset", "gate", *PACKS)


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
    with InputAccordion(start_value(switch), label=LABEL, elem_id=elem_id(switch.name)) as enabled:
        again: list[Component] = []

        def add_button() -> None:
            again.append(gradio.Button("Look for packs again", elem_id=elem_id("refresh")))

        laid = lay_out(others, elem_id, {"More": add_button})
    made = {switch.name: enabled, **laid.made}
    # outside of the accordion, which ticking its box leaves closed
    said = gradio.HTML(_at_start(), elem_id=elem_id("outlook"))
    laid.numbers.connect(made)
    laid.saved.connect(made, saved_folder)
    for event in (again[0].click, enabled.change):
        laid.saved.list_on(event, saved_folder)
    files = [made[name] for name in FILES]
    looked = [made[name] for name in LOOKED]
    told = [said, laid.numbers.effects, laid.checkpoint]
    for event in (again[0].click, enabled.change):
        event(
            _look_again, inputs=[enabled, *looked], outputs=[*told, *files], show_progress="hidden"
        )
    for event in changes_of(made):
        event(_tell, inputs=[enabled, *looked], outputs=told, show_progress="hidden")
    for name in hidden:
        made[name].visible = False
    components = [made[one.name] for one in FIELDS]
    for component in (*components, *laid.numbers.extra, *laid.saved.made.values()):
        component.do_not_save_to_config = True  # its start value is an option, its range ours
    return Panel(
        components,
        [(made[one.name], component_value(one)) for one in FIELDS],
        [one.key for one in FIELDS],
    )


def saved_folder() -> Path:
    """Where saved settings lie."""
    from realishuman.webui.host.engine import engine

    return engine().saved_folder()


def changes_of(made: Mapping[str, Component]) -> list[Event]:
    """The events after which the outlook is another; of a slider, once it is let go of."""
    return [made[name].release if name == "strength" else made[name].change for name in LOOKED]


def _look_again(enabled: bool, *looked: object) -> list[object]:
    """What a run will do, and the files there are now."""
    import gradio

    return [*_tell(enabled, *looked), *(gradio.update(choices=each) for each in list_files())]


def list_files() -> list[list[str]]:
    """The files there are now, in the order of FILES."""
    from realishuman.webui.host.engine import engine

    try:
        packs = engine().pack_files()
    except RealisHumanError:  # the outlook says it
        packs = []
    return [*([AUTO, *packs] for _ in PACKS), [NO_CONTROL, *engine().control_files()]]


def _tell(enabled: bool, *looked: object) -> list[object]:
    """The outlook, the numbers in effect, and what the loaded checkpoint needs, if it may paint."""
    import gradio

    values = dict(zip(LOOKED, looked, strict=True))
    said, effects = outlook(values) if enabled else ("", gradio.update())
    return [said, effects, gradio.update(visible=may_be_checkpoint(values))]


def _at_start() -> str:
    """The outlook of a box that is ticked from the start; one that is not opens nothing.

    If nothing can be refined in this WebUI, this is said all the same.
    """
    if why_not := program().why_not:
        return f"<p>{escape(why_not)}</p>"
    at_start = {one.name: start_value(one) for one in FIELDS}
    if not at_start[FIELDS[0].name]:
        return ""
    return outlook({name: at_start[name] for name in LOOKED})[0]


def outlook(values: Mapping[str, object]) -> tuple[str, str]:
    """What a run will do, as HTML, and the numbers in effect, as JSON; empty where none can be.

    values  of components, by the names in LOOKED.
    """
    from realishuman.webui.host.engine import engine

    by_name = {one.name: one for one in FIELDS}
    given = {name: by_name[name].from_component(value) for name, value in values.items()}
    try:
        ahead = engine().outlook(choices_from(given, engine().pack_files()))
    except RealisHumanError as error:
        return outlook_html("", [str(error)]), ""
    return outlook_html(ahead.sentence, ahead.warnings), ahead.used.as_json()


def outlook_html(sentence: str, warnings: Sequence[str]) -> str:
    """The sentence and the warnings, with the way to the Models page; empty without any."""
    lines = [f'<p class="rh-ahead">{escape(sentence)}</p>'] if sentence else []
    lines += [f"<p>{escape(line)}</p>" for line in warnings]
    if not lines:
        return ""
    link = f'<a href="#" onclick="{MODELS_PAGE}(); return false">{MODELS_WORDS}</a>'
    text = "".join(lines)
    if MODELS_WORDS in text:
        text = text.replace(MODELS_WORDS, link)
    elif warnings:
        text += f"<p>See the {link}.</p>"
    return f'<div class="rh-outlook{" rh-warned" if warnings else ""}">{text}</div>'
