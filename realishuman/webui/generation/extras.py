"""RealisHuman among the Extras: the same choices for a picture that is there already."""

from __future__ import annotations

from collections.abc import Mapping

from realishuman.imaging.handed import pixels_of, with_pixels
from realishuman.pipeline.infotext import PREFIX, facts_of
from realishuman.progress import Interrupted
from realishuman.webui.choices import choices_from
from realishuman.webui.fields import FIELDS
from realishuman.webui.foreign import Component, Extra
from realishuman.webui.generation import infotext
from realishuman.webui.generation.script import STOPPED, TITLE, explain
from realishuman.webui.host.engine import engine
from realishuman.webui.host.progress import STAGES, HostProgress, reserve
from realishuman.webui.options import KEEP_LOADED, PREVIEW, option


class Postprocessing:
    """Mixed into the host's ScriptPostprocessing by scripts/realishuman_webui.py."""

    name = TITLE
    order = 500  # before upscaling (1000): the repaired parts are enlarged with the rest

    def ui(self) -> dict[str, Component]:
        """The components by the names of their fields."""
        from realishuman.webui.generation.groups import IMG2IMG_ONLY
        from realishuman.webui.generation.panel import build

        panel = build(lambda name: f"extras_realishuman_{name}", IMG2IMG_ONLY)
        return {one.name: made for one, made in zip(FIELDS, panel.components, strict=True)}

    def process(self, pp: Extra, **arguments: object) -> None:
        """Refine pp.image; on any failure it stays as it was and pp.info says why."""
        if arguments.get("enabled") in (None, False):
            return
        try:
            self._process(pp, arguments)
        except Interrupted:
            pp.info[f"{PREFIX}result"] = STOPPED
        except Exception as error:  # noqa: BLE001 - nothing of ours may cost the user a picture
            pp.info[f"{PREFIX}result"] = f"Not refined: {explain(error)}"
        finally:
            if not option(KEEP_LOADED):
                engine().release()

    def _process(self, pp: Extra, arguments: Mapping[str, object]) -> None:
        from modules import shared

        given = {one.name: one.from_component(arguments.get(one.name)) for one in FIELDS}
        choices = choices_from(given, engine().pack_files())
        bound, stages = engine().bind(choices), STAGES * len(choices.settings.parts)
        reserve(shared.state, stages)
        with HostProgress(shared.state, stages, preview=option(PREVIEW)) as progress:
            progress.heed()
            result = bound.refine(pixels_of(pp.image), choices.for_seed(0), progress=progress)
        facts = facts_of(result, bound.models())
        pp.info.update(infotext.settings_of(choices))
        pp.info.update({PREFIX + name: value for name, value in facts.items() if value})
        if any(part.outcome == "refined" for part in result.parts):
            pp.image = with_pixels(pp.image, result.image)
