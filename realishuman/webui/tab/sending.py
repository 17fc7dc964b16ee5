"""Buttons "Send to RealisHuman" beside the host's own under its galleries."""

from __future__ import annotations

from dataclasses import dataclass, field

from realishuman.webui.foreign import Component

TAB = "realishuman"  # elem_id of the tab, and its name among the host's paste targets
SOURCES = ("txt2img", "img2img", "extras")
SYMBOL = "🖐️"


@dataclass
class Sending:
    """Collects galleries and makes buttons while the host builds its page, then connects them.

    The host looks every target of a button up without asking whether it is there: connect must
    run after the tab's image exists, and only then may a button be bound.
    """

    galleries: dict[str, Component] = field(default_factory=dict)
    buttons: dict[str, Component] = field(default_factory=dict)

    def on_after_component(self, component: Component, **arguments: object) -> None:
        """A callback for every component the host makes."""
        name = arguments.get("elem_id")
        for source in SOURCES:
            if name == f"{source}_gallery":
                self.galleries[source] = component
            elif name == f"{source}_send_to_extras":
                self.buttons[source] = _button(f"{source}_send_to_{TAB}")

    def connect(self, image: Component) -> None:
        """Make the tab's image the target of the buttons made so far."""
        from modules import infotext_utils

        infotext_utils.add_paste_fields(TAB, image, None)
        for source, button in self.buttons.items():
            if source in self.galleries:
                infotext_utils.register_paste_params_button(
                    infotext_utils.ParamBinding(
                        paste_button=button,
                        tabname=TAB,
                        source_image_component=self.galleries[source],
                    )
                )
        self.galleries, self.buttons = {}, {}


def _button(elem_id: str) -> Component:
    from modules.ui_components import ToolButton

    made: Component = ToolButton(
        SYMBOL, elem_id=elem_id, tooltip="Send image to the RealisHuman tab."
    )
    return made
