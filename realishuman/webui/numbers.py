"""Numbers that are left to the pack until the user sets them, on a page.

Each is three components: a hidden text, which is what a run gets, "auto" or the number; a slider
that shows the number in effect and, once it is moved, writes it into the text; and a button that
leaves the number to the pack again. What a slider shows by itself is never sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from realishuman.settings import AUTO, PER_KIND
from realishuman.webui.components import info_of, label_of, slider_range
from realishuman.webui.field import Field, Shown
from realishuman.webui.fields import SETTINGS
from realishuman.webui.foreign import Component
from realishuman.webui.in_effect import without_packs
from realishuman.webui.options import start_value

BACK = "\u21ba"


def js(code: str) -> dict[str, str]:
    """The argument that gives an event's JavaScript, for the gradio at hand."""
    import gradio

    return {"_js" if gradio.__version__.startswith("3.") else "js": code}


class Numbers:
    """Those of one page.

    effects  the numbers in effect, in_effect.Used.as_json; empty before anything was looked for.
    extra    every component that is no argument of the script.
    """

    def __init__(self, elem_id: Callable[[str], str]) -> None:
        """Make what holds the numbers in effect, in the surrounding blocks."""
        import gradio

        self.elem_id = elem_id
        self.effects: Component = gradio.Textbox(
            "", label="Numbers in effect", visible=False, elem_id=elem_id("effects")
        )
        self.extra: list[Component] = [self.effects]
        self._texts: dict[str, Component] = {}
        self._sliders: dict[str, Component] = {}
        self._at_start = without_packs().numbers()

    def make(self, one: Field, value: Shown) -> Component:
        """The components of one number, in the surrounding blocks; returns the hidden text.

        value  what the text holds.
        """
        import gradio

        left = value == AUTO
        classes = ["rh-number"] if left else ["rh-number", "rh-own"]
        with gradio.Column(
            elem_id=self.elem_id(f"{one.name}_number"), elem_classes=classes, min_width=220
        ):
            slider = gradio.Slider(
                value=self._start(one.name) if left else float(str(value)),
                label=label_of(one),
                info=info_of(one),
                interactive=True,
                elem_id=self.elem_id(one.name),
                **slider_range(one),
            )
            back = gradio.Button(
                BACK, size="sm", elem_id=self.elem_id(f"{one.name}_back"), elem_classes=["rh-back"]
            )
            text: Component = gradio.Textbox(
                value=value,
                label=label_of(one),
                visible=False,
                elem_id=self.elem_id(f"{one.name}_own"),
            )
        quiet: dict[str, object] = {"fn": None, "outputs": [text], "show_progress": False}
        slider.input(inputs=[slider], **quiet, **js("realishuman_number_set"))
        back.click(inputs=[], **quiet, **js(f"() => {json.dumps(AUTO)}"))
        self._texts[one.name], self._sliders[one.name] = text, slider
        self.extra.append(slider)
        return text

    def connect(self, others: Mapping[str, Component]) -> None:
        """Once all are made: keep the sliders at what is in effect.

        others  components of numbers that are never left to the pack, by the names of their fields.
        """
        general = {name: others[name] for name in PER_KIND if name in others}
        names = [*self._texts, *general]
        rows = [[name, names.index(of) if (of := _general(name)) else -1] for name in self._texts]
        inputs = [self.effects, *self._texts.values(), *general.values()]
        code = (
            f"(...all) => realishuman_numbers({json.dumps(self.elem_id(''))}, {json.dumps(rows)}, "
            f"all.slice(0, {len(inputs)}))"
        )
        for one in inputs:
            one.change(
                fn=None,
                inputs=inputs,
                outputs=list(self._sliders.values()),
                show_progress=False,
                **js(code),
            )

    def _start(self, name: str) -> float:
        if name in self._at_start:
            return self._at_start[name].value
        return float(str(start_value(SETTINGS[_general(name)])))


def _general(name: str) -> str:
    """The setting for all kinds of part that this one of a single kind overrides; else ""."""
    found = [one for one in PER_KIND if name.endswith(f"_{one}")]
    return found[0] if found else ""
