"""A page that holds the viewer and the hidden components it reads and writes, over real Actions.

What gradio does between them is left out: a button calls the action, and what it answers is put
into the components. So the viewer is tried without a WebUI; tests/webui/live tries it in one.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from realishuman.webui.tab import markup

ROOT = Path(__file__).parents[3]
HTML = ("view", "meshes", "before", "after", "note")
SCRIPT = """
    window.updateInput = () => undefined;
    window.randomId = () => "task";
    const byId = (name) => document.getElementById(`realishuman_${name}`);
    function answer(update) {
        for (const [name, html] of Object.entries(update.html)) byId(name).innerHTML = html;
        if (update.boxes !== null) byId("boxes").firstElementChild.value = update.boxes;
        if (update.ticks) byId("ticks").innerHTML = update.ticks;
    }
    for (const name of ["find", "apply", "obey", "refine", "redraw"]) {
        byId(name).addEventListener("click", async () => {
            const boxes = byId("ticks").querySelectorAll("input:checked");
            const ticked = Array.from(boxes, (one) => one.value);
            const text = (area) => byId(area).firstElementChild.value;
            answer(await window.act(name, ticked, text("boxes"), text("order")));
        });
    }
"""


def page_html(theme: str = "") -> str:
    """The page; the theme is a line of CSS."""
    scripts = sorted((ROOT / "javascript").glob("*.js"))
    code = "".join(f"<script>{one.read_text(encoding='utf-8')}</script>" for one in scripts)
    style = (ROOT / "style.css").read_text(encoding="utf-8")
    hidden = "".join(f'<div id="realishuman_{name}" class="rh-hidden"></div>' for name in HTML)
    areas = "".join(
        f'<div id="realishuman_{name}" class="rh-hidden"><textarea></textarea></div>'
        for name in ("boxes", "order")
    )
    buttons = "".join(
        f'<button id="realishuman_{name}">{name}</button>'
        for name in ("find", "refine", "apply", "obey", "redraw")
    )
    viewer = f'<div class="rh-viewer">{markup.HINT}</div>'
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>viewer</title>'
        f"<style>{style} body {{ font-family: sans-serif; {theme} }}</style>"
        f'<main id="realishuman_tabs"><h1>Viewer</h1>{buttons}'
        f'<div id="realishuman_right"><div id="realishuman_viewer">{viewer}</div></div>'
        f'{hidden}{areas}<div id="realishuman_ticks" class="rh-hidden"></div>'
        f"</main><script>{SCRIPT}</script>{code}</html>"
    )


class StandInPage:
    """A browser's page over actions.

    update  what was answered last.
    """

    def __init__(self, page, actions, image, theme=""):
        self.page, self.actions, self.image = page, actions, image
        self.token, self.values, self.asked = "", {}, []
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.expose_function("act", self._act)
        page.set_content(page_html(theme))
        page.wait_for_selector(".rh-canvas", state="attached")

    def press(self, name):
        """Press a button of the page's and wait until the viewer has shown the answer."""
        self.page.click(f"#realishuman_{name}")
        self.settle(len(self.asked) or 1)

    def settle(self, count=None):
        """Wait until the actions asked for so far were shown."""
        self.page.wait_for_timeout(150)

    def _act(self, name, ticked, boxes, order):
        self.asked.append(name)
        update = {
            "find": lambda: self.actions.find(self.token, self.image, self.values),
            "refine": lambda: self.actions.refine(self.token, self.image, ticked, self.values),
            "redraw": lambda: self.actions.redraw(self.token, ticked, self.values),
            "apply": lambda: self.actions.apply_boxes(
                self.token, boxes, ticked, self.image, self.values
            ),
            "obey": lambda: self.actions.change(self.token, order, ticked, self.image, self.values),
        }[name]()
        self.update = update
        if update.token is not None:
            self.token = update.token
        return {
            "html": {name: value for name in HTML if (value := getattr(update, name)) is not None},
            "boxes": update.boxes,
            "ticks": None if update.ticks is None else _boxes_to_tick(*update.ticks),
        }


def _boxes_to_tick(names, ticked):
    return "".join(
        f'<input type="checkbox" value="{escape(name, quote=True)}"'
        f"{' checked' if name in ticked else ''}>"
        for name in names
    )
