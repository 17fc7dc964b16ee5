"""The always-on script: refines each picture last thing before it is saved.

`AlwaysOn` is mixed into the host's Script class by scripts/realishuman_webui.py. All state of a
job hangs on its `p`, because hosts run a script object for many jobs and copy `p` for grids.
Whatever goes wrong, the picture comes out as it went in and a sentence says why.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from PIL import Image

from realishuman.errors import RealisHumanError
from realishuman.imaging.handed import pixels_of, with_pixels
from realishuman.memory import is_full
from realishuman.parts.origin import Origin
from realishuman.pipeline.infotext import facts_of
from realishuman.progress import Interrupted
from realishuman.webui import saved
from realishuman.webui.choices import Choices, choices_from, values_from
from realishuman.webui.field import FieldError
from realishuman.webui.foreign import Component, HasImage, Processed, Processing
from realishuman.webui.generation import infotext, saving
from realishuman.webui.generation.inpainting import ALL, mark_untouched, mask_of
from realishuman.webui.generation.job import JOB, Job, is_nested, job_of
from realishuman.webui.generation.skipping import is_skipped, resume, skip
from realishuman.webui.host.engine import engine
from realishuman.webui.host.progress import HostProgress, count_sampling, reserve
from realishuman.webui.host.refusal import refusal
from realishuman.webui.options import KEEP_LOADED, PREVIEW, option

TITLE = "RealisHuman"
AXES = "_realishuman_axes"  # attribute of p: what an X/Y/Z grid sets, by field name
NOT_TICKED = (
    "The grid's [RealisHuman] axes have no effect, because RealisHuman refine is not ticked. "
    "Tick it, or add the axis [RealisHuman] Enabled."
)
STOPPED = "Not refined: Interrupt or Skip was pressed."
MAKE_ROOM = "Set max_batch to 1, load a smaller model, or close other programs."
# of a path with a root: all up to its last name; addresses of the web do not begin like this
FOLDERS = re.compile(r"""(?<![^\s"'(])(?:[A-Za-z]:)?[\\/](?:[^\\/:*?"<>|\n]+[\\/])+""")
log = logging.getLogger("realishuman")


class AlwaysOn:
    """The hooks, for both hosts."""

    def title(self) -> str:
        """Name of the script, and its key in API requests."""
        return TITLE

    def show(self, is_img2img: bool) -> object:
        """Always shown: the host calls this while it starts, and does not catch what it raises."""
        from modules import scripts

        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Component]:
        """The components, in the order of fields.FIELDS."""
        from realishuman.webui.generation.groups import IMG2IMG_ONLY
        from realishuman.webui.generation.panel import build

        elem_id = self.elem_id  # type: ignore[attr-defined]  # of the host's class
        panel = build(elem_id, () if is_img2img else IMG2IMG_ONLY)
        self.infotext_fields = panel.infotext_fields
        self.paste_field_names = panel.paste_field_names
        return panel.components

    def before_process(self, p: Processing, *arguments: object) -> None:
        """Check what an API client sent, and keep img2img from sampling where that is wished.

        A wrong value ends a request with HTTP 422. Hosts swallow what a hook raises, so that it
        would be passed over in silence; the next thing they call on `p` raises it instead, before
        anything is computed.
        """
        if is_nested(p):
            return
        try:
            choices = _choices(p, arguments)
            if choices.enabled and choices.values["skip_img2img"]:
                skip(p)
        except FieldError as error:
            if not getattr(p, "is_api", False):
                return  # process says it
            refused = refusal(error)

            def setup_prompts() -> None:
                raise refused

            p.setup_prompts = setup_prompts
        except Exception:  # noqa: BLE001 - process meets it again, and says it
            return

    def process(self, p: Processing, *arguments: object) -> None:
        """Read the arguments, and write them into the infotext. May be called again for a job."""
        if is_nested(p):
            return
        job = getattr(p, JOB, None)
        if job is not None and job.seeds is p.all_seeds:
            return
        setattr(p, JOB, None)
        infotext.erase(p.extra_generation_params)
        if not _is_on(p, arguments):
            if vars(p).get(AXES) and "enabled" not in vars(p)[AXES]:
                _tell(p, NOT_TICKED)
            return
        try:
            job = Job(_choices(p, arguments), p.all_seeds)
        except Exception as error:  # noqa: BLE001 - each picture says why it was not refined
            why = str(error) if isinstance(error, RealisHumanError) else _log_error(error)
            job = Job(choices_from({"enabled": True}), p.all_seeds, error=why)
        setattr(p, JOB, job)
        infotext.write(p.extra_generation_params, job.choices, job.facts)

    def process_batch(
        self, p: Processing, *_arguments: object, batch_number: int = 0, **_: object
    ) -> None:
        """Before the first sampling: tell the progress bar what is to come."""
        job = job_of(p)
        resume(p)
        if job is not None and not job.error and batch_number == 0 and not job.reserved:
            from modules import shared

            if not is_skipped(p):
                count_sampling(p)
            job.reserved = job.stages * len(p.all_seeds)
            reserve(shared.state, job.reserved)

    def postprocess_image(self, p: Processing, pp: HasImage, *_arguments: object) -> None:
        """Refine here only where the host has no later hook."""
        from modules import scripts

        if not hasattr(scripts.Script, "postprocess_image_after_composite"):
            self._refine(p, pp)

    def postprocess_image_after_composite(
        self, p: Processing, pp: HasImage, *_arguments: object
    ) -> None:
        """Refine the whole picture, inpainted parts already in their place."""
        self._refine(p, pp)

    def postprocess(self, p: Processing, processed: Processed, *_arguments: object) -> None:
        """The job is over, unless there are no pictures: then another script pretends."""
        job = job_of(p)
        if job is None or not processed.images:
            return
        from modules import shared

        shared.state.job_count -= job.reserved
        job.reserved = 0
        if not option(KEEP_LOADED):
            engine().release()

    def _refine(self, p: Processing, pp: HasImage) -> None:
        job = job_of(p)
        if job is None:
            return
        number = p.iteration * p.batch_size + p.batch_index
        from modules import shared

        reserved = min(job.stages, job.reserved)
        job.reserved -= reserved
        job.steps = {}
        progress = HostProgress(
            shared.state, reserved, preview=option(PREVIEW) and shared.opts.live_previews_enable
        )
        try:
            with progress:
                pp.image = _refine_image(p, pp.image, job, number, progress)
        except Interrupted:
            job.facts[number] = {"result": STOPPED}
        except Exception as error:  # noqa: BLE001 - nothing of ours may cost the user a picture
            job.facts[number] = {"result": f"Not refined: {_explain(p, error)}"}


def _refine_image(
    p: Processing, image: Image.Image, job: Job, number: int, progress: HostProgress
) -> Image.Image:
    """The refined picture, or the very same object if nothing changed."""
    if job.error:
        raise RealisHumanError(job.error)
    progress.heed()
    choices, wanted, bound = job.choices, saving.list_wanted(), engine().bind(job.choices)
    pixels, settings = pixels_of(image), choices.for_seed(_seed(p, number))
    mask, found = None if choices.inpaint_parts == ALL else mask_of(p, image.size), None
    if mask is not None:
        found = mark_untouched(bound.find(pixels, settings, progress=progress), mask)
    result = bound.refine(
        pixels,
        settings,
        found=found,
        progress=progress,
        keep_steps=saving.needs_steps(wanted),
        made=_origin(p, number),
    )
    job.facts[number] = facts_of(result, bound.models())
    for note in result.notes:
        if note not in job.notes:
            job.notes.add(note)
            log.warning("RealisHuman: %s", note)
            _tell(p, FOLDERS.sub("", note))
    if not any(part.outcome == "refined" for part in result.parts):
        return image
    if p.save_samples():
        job.steps = saving.pictures(image, result, saving.also_before(wanted, result))
    return with_pixels(image, result.image)


def explain(error: Exception) -> str:
    """The sentence about an error, without folders; the log has more.

    It is saved with the picture, and pictures are shared: nobody's folder names belong there.
    """
    return FOLDERS.sub("", _log_error(error))


def _log_error(error: Exception) -> str:
    """The sentence; an error that is not the user's to mend goes to the log in full."""
    if isinstance(error, RealisHumanError):
        log.warning("RealisHuman: %s", error)
        return str(error)
    line = next(iter(str(error).splitlines()), "")
    sentence = f"{type(error).__name__}{': ' if line else ''}{line}"
    if is_full(error):
        sentence = f"There is not enough memory ({line}). {MAKE_ROOM}"
    log.error("RealisHuman: the picture stays as it was. %s", sentence, exc_info=error)
    return sentence


def _explain(p: Processing, error: Exception) -> str:
    sentence = explain(error)
    _tell(p, sentence)
    return sentence


def _tell(p: Processing, sentence: str) -> None:
    """Show a sentence under the pictures; hosts show each only once."""
    if hasattr(p, "comment"):
        p.comment(f"RealisHuman: {sentence}")


def _seed(p: Processing, number: int) -> int:
    """The seed of the picture at hand; scripts may have added pictures to the batch."""
    place = p.batch_index
    return int(p.seeds[place] if place < len(p.seeds) else p.all_seeds[number % len(p.all_seeds)])


def _origin(p: Processing, number: int) -> Origin:
    """How the picture at hand was made; other extensions may leave parts of p out."""
    return Origin(
        prompt=_text(p, "prompts", "all_prompts", number),
        negative=_text(p, "negative_prompts", "all_negative_prompts", number),
        steps=getattr(p, "steps", None),
        guidance=getattr(p, "cfg_scale", None),
        sampler=getattr(p, "sampler_name", None) or "",
        scheduler=getattr(p, "scheduler", None) or "",
        distilled=getattr(p, "distilled_cfg_scale", None),
    )


def _text(p: Processing, batch: str, whole: str, number: int) -> str:
    """The text of the picture at hand, of its batch's or, where scripts added some, the job's."""
    texts = getattr(p, batch, None) or ()
    if p.batch_index < len(texts):
        return str(texts[p.batch_index])
    texts = getattr(p, whole, None) or ("",)
    return str(texts[number % len(texts)])


def _is_on(p: Processing, arguments: Sequence[object]) -> bool:
    """Whether to refine, read without checking anything else; something odd counts as on."""
    by_name = len(arguments) > 1 and isinstance(arguments[1], (dict, str))
    if arguments[:1] in ((), (None,), (False,)) and not by_name and AXES not in vars(p):
        return False
    try:
        return _choices(p, arguments).enabled
    except Exception:  # noqa: BLE001 - process meets it again, and says it
        return True


def _choices(p: Processing, arguments: Sequence[object]) -> Choices:
    given = values_from(arguments, lambda named: saved.expand(named, engine().saved_folder()))
    return choices_from({**given, **getattr(p, AXES, {})}, engine().pack_files())
