"""Small stand-ins for what the WebUIs' modules do with an always-on script.

Written from the observed behaviour of AUTOMATIC1111 1.10 and Forge 2.0.1: the order of hooks,
exceptions in them being swallowed, infotext by the place in the batch, shallow copies of `p`.
"""

from __future__ import annotations

import copy
import sys
import types

from PIL import Image


class InterruptedException(BaseException):
    """As the hosts': passes through every `except Exception`."""


class HTTPException(Exception):  # noqa: N818 - its name
    def __init__(self, status_code, detail):
        super().__init__(detail)
        self.status_code, self.detail = status_code, detail


class State:
    def __init__(self):
        self.skipped = self.interrupted = self.stopping_generation = False
        self.job_no, self.job_count, self.sampling_step, self.sampling_steps = 0, -1, 0, 0
        self.current_latent = self.current_image = self.textinfo = None

    def nextjob(self):
        self.job_no += 1
        self.sampling_step = 0

    def assign_current_image(self, image):
        self.current_image = image

    def bar(self):
        """What the page shows, 0..1."""
        if self.job_count <= 0:
            return 0.0
        steps = self.sampling_step / self.sampling_steps if self.sampling_steps else 0
        return (self.job_no + steps) / self.job_count


class OptionInfo:
    def __init__(
        self, default, label, component=None, component_args=None, section=None, restrict_api=False
    ):
        self.default, self.label, self.section = default, label, section
        self.component, self.component_args = component, component_args
        self.restrict_api = restrict_api

    def needs_reload_ui(self):
        return self


class Options:
    live_previews_enable = True

    def __init__(self):
        self.data, self.labels = {}, {}

    def add_option(self, key, info):
        self.labels[key] = info
        self.data.setdefault(key, info.default)


AlwaysVisible = object()


class Script:
    is_img2img = False
    infotext_fields = paste_field_names = None

    def elem_id(self, name):
        return f"script_txt2img_{self.title().lower()}_{name}"

    def _nothing(self, *_arguments, **_named):
        pass

    before_process = process = process_batch = postprocess = _nothing
    postprocess_image = postprocess_image_after_composite = _nothing


class ScriptPostprocessing:
    pass


class Component:
    """A gradio component or container; remembers how it was made."""

    stack: list = []  # noqa: RUF012 - one page at a time

    def __init__(self, *arguments, **named):
        self.arguments, self.named = arguments, named
        self.label, self.elem_id = named.get("label"), named.get("elem_id")
        self.value = named.get("value", arguments[0] if arguments else None)
        self.choices = named.get("choices")
        self.visible = named.get("visible", True)
        self.events, self.children = [], []
        for container in self.stack:
            container.children.append(self)

    def __enter__(self):
        self.stack.append(self)
        return self

    def __exit__(self, *_reason):
        self.stack.pop()

    def change(self, fn, **named):
        """`fn` is None where the page's JavaScript does all."""
        self.events.append((fn, named))

    click = input = select = release = change


def module(name, **attributes):
    made = types.ModuleType(name)
    vars(made).update(attributes)
    return made


def modules():
    """The host's modules by name, as sys.modules wants them."""
    registered = {}

    def register(name):
        return lambda function, **_: registered.setdefault(name, []).append(function)

    names = "ui_settings before_ui image_saved script_unloaded after_component ui_tabs app_started"
    parts = {
        "scripts": module(
            "modules.scripts", Script=Script, AlwaysVisible=AlwaysVisible, scripts_data=[]
        ),
        "shared": module(
            "modules.shared", state=State(), opts=Options(), OptionInfo=OptionInfo, cmd_opts=None
        ),
        "script_callbacks": module(
            "modules.script_callbacks",
            registered=registered,
            **{f"on_{n}": register(f"on_{n}") for n in names.split()},
        ),
        "scripts_postprocessing": module(
            "modules.scripts_postprocessing", ScriptPostprocessing=ScriptPostprocessing
        ),
        "ui_components": module("modules.ui_components", InputAccordion=Component),
        "devices": module("modules.devices", autocast=None, torch_gc=None),
        "lowvram": module("modules.lowvram", send_everything_to_cpu=None),
        "sd_hijack": module("modules.sd_hijack", model_hijack=None),
        "sd_models": module("modules.sd_models", model_data=None),
        "sd_unet": module("modules.sd_unet", current_unet=None),
    }
    page = (
        *("Checkbox", "CheckboxGroup", "Dropdown", "Slider", "Radio", "Number", "Textbox", "Image"),
        *("HTML", "Button", "Row", "Column", "Group", "Tabs", "TabItem", "Accordion", "Blocks"),
    )
    return {
        "modules": module("modules", **parts),
        **{f"modules.{name}": one for name, one in parts.items()},
        "gradio": module(
            "gradio",
            __version__="3.41.2",
            update=lambda **named: named,
            **dict.fromkeys(page, Component),
        ),
        "fastapi": module("fastapi", HTTPException=HTTPException),
    }


class Pp:
    def __init__(self, image):
        self.image = image


class Processed:
    def __init__(self, images, infotexts=()):
        self.images, self.infotexts = images, infotexts


class P:
    """A generation: n_iter batches of batch_size plain pictures."""

    def __init__(self, script, arguments, *, batch_size=2, n_iter=2, seed=100, is_api=False):
        self.script, self.arguments, self.is_api = script, arguments, is_api
        self.batch_size, self.n_iter, self.seed = batch_size, n_iter, seed
        self.extra_generation_params, self.comments = {}, []
        self.iteration = self.batch_index = 0

    def comment(self, text):
        self.comments.append(text)

    def save_samples(self):
        return True

    def setup_prompts(self):
        self.all_seeds = [self.seed + i for i in range(self.batch_size * self.n_iter)]

    def call(self, hook, *values, on=None, **named):
        """As the hosts' script runner: what an Exception stops is only this hook."""
        try:
            getattr(self.script, hook)(on or self, *values, *self.arguments, **named)
        except Exception as error:  # noqa: BLE001
            self.comments.append(f"SWALLOWED {hook}: {error!r}")


def picture(number, size=64):
    return Image.new("RGB", (size, size), (10 * number % 256, 60, 90))


def create_infotext(p, all_seeds, index, use_main_prompt=False):
    """Functions are called with the caller's local variables, lists are indexed."""
    pairs = {"Seed": all_seeds[index], **p.extra_generation_params}
    for key, value in pairs.items():
        if callable(value):
            pairs[key] = value(**locals())
    return {key: str(value) for key, value in pairs.items() if value is not None}


def process_images(p, save=None, before_hook=None):
    """One run of the hosts' main loop.

    save         called with each file's p, picture and name.
    before_hook  called before our image hook, for example another extension's doings.
    """
    state = sys.modules["modules.shared"].state
    p.call("before_process")
    p.setup_prompts()
    p.call("process")
    images, texts = [], []
    if state.job_count == -1:
        state.job_count = p.n_iter
    for n in range(p.n_iter):
        p.iteration = n
        if state.interrupted:
            break
        state.skipped = False
        p.seeds = p.all_seeds[n * p.batch_size : (n + 1) * p.batch_size]
        p.call("process_batch", batch_number=n, prompts=[], seeds=p.seeds, subseeds=[])
        state.nextjob()
        for i in range(p.batch_size):
            p.batch_index = i
            pp = Pp(picture(n * p.batch_size + i))
            if before_hook:
                before_hook(p)
            p.call("postprocess_image", pp)
            p.call("postprocess_image_after_composite", pp)
            text = create_infotext(p, p.seeds, i)
            if save:
                save(p, pp.image, f"{len(images):05}-{p.seeds[i]}.png")
            images.append(pp.image)
            texts.append(text)
    grid = create_infotext(p, p.all_seeds, 0, use_main_prompt=True)
    processed = Processed(images, [grid, *texts])
    p.call("postprocess", processed)
    return processed


def as_adetailer(p):
    """What ADetailer does between pictures: pretend an end and a new begin, on a copy of p."""
    p.call("postprocess", Processed([]), on=copy.copy(p))
    p.call("before_process", on=copy.copy(p))
    p.call("process", on=copy.copy(p))
