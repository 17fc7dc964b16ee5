"""Whole runs as users make them, each with the places where it can fail.

A World stands in a folder of its own, in which nothing but results may be left.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import threading
import types
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from realishuman.backbones.ldm import LdmUnet
from realishuman.backbones.packed import PackedBackbone
from realishuman.batch import picture as batch_picture
from realishuman.batch.job import Job
from realishuman.batch.journal import Journal
from realishuman.batch.outputs import plan
from realishuman.batch.run import one_by_one, refine_files
from realishuman.diffusion.autoencoder import PlainAutoencoder
from realishuman.diffusion.unet import PlainUnet
from realishuman.files.steady import SteadyFile
from realishuman.judge import gate, verdict
from realishuman.judge.network import JudgeNetwork
from realishuman.mesh import embedded_hand
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.packs import store
from realishuman.paint import own_skin
from realishuman.paint.checkpoint import CheckpointPainter
from realishuman.paint.two_stage import TwoStage
from realishuman.pipeline import look, repaint
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.progress import Silent
from realishuman.settings import Settings
from realishuman.webui.host import engine as host_engine
from realishuman.webui.host import host as host_module
from realishuman.webui.host.checkpoint import LoadedCheckpoint
from realishuman.webui.host.program import program
from tests.backbones.ldm_like import UNetModel
from tests.backbones.states import same, state
from tests.faults.injection import ANY, INTERRUPT, NUMERIC, OF_FILES, Seam
from tests.faults.small import SIDE, SIZES, Hands, picture_with, small_pack
from tests.webui import stand_in
from tests.webui.host import conftest as stand_ins
from tests.webui.host.test_checkpoint import Words, first_stage

ROOT = Path(__file__).parents[2]
MODULES = "modules"


@dataclass
class Outcome:
    """What a user has after a run: pictures, what was said, and what files there are."""

    image: np.ndarray | None
    said: str
    files: dict[str, int] = field(default_factory=dict)


def pipeline_seams(hands: Hands, painter: type) -> list[Seam]:
    """The places of every run, whoever makes it."""
    return [
        Seam("detector", hands, "detect", NUMERIC),
        Seam("mesh", EmbeddedHand, "regress", NUMERIC),
        Seam("gate", gate, "doubt", ANY),
        Seam("crop, render, masks", look, "prepare", NUMERIC),
        Seam("paint", painter, "paint", ANY),
        Seam("paste", repaint, "compose", ANY),
        Seam("judge", JudgeNetwork, "malformed", NUMERIC),
        Seam("verdict", repaint, "compare", ANY),
        Seam("network forward", nn.Module, "__call__", NUMERIC, ours=False),
    ]


def packed_seams(unet: type) -> list[Seam]:
    """What a pack's run has besides."""
    return [
        Seam("encode", PlainAutoencoder, "encode", NUMERIC),
        Seam("decode", PlainAutoencoder, "decode", NUMERIC),
        Seam("unet", unet, "predict", NUMERIC),
        Seam("reference", unet, "features", (*ANY,)),
    ]


def judged(picture):
    """A judge that finds every repair good and what was there before malformed."""

    def malformed(_self, seen, part, _mesh):
        box = part.box
        place = np.s_[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
        return 0.9 if np.array_equal(seen[place], picture[place]) else 0.1

    return malformed


class World:
    """What all worlds share."""

    name = ""
    count = 1  # hands

    def __init__(self, patch, folder: Path) -> None:
        self.patch, self.folder = patch, folder
        self.picture, hands = picture_with(self.count)
        self.hands = Hands(hands)
        patch.setattr(embedded_hand, "fit", remembering(embedded_hand.fit))
        patch.setattr(verdict, "COLOUR_LIMIT", 1e9)  # random weights paint any colour
        patch.setattr(JudgeNetwork, "__init__", lambda *_: None)
        patch.setattr(JudgeNetwork, "malformed", judged(self.picture))
        patch.setattr(store, "EMBEDDED", folder / "none")
        (folder / "temporary").mkdir()
        patch.setattr(tempfile, "tempdir", str(folder / "temporary"))
        self.models = folder / "models"
        self.models.mkdir()
        small_pack(self.models / "small-hand.safetensors")

    def seams(self) -> list[Seam]:
        raise NotImplementedError

    def run(self) -> Outcome:
        raise NotImplementedError

    def interrupt(self) -> None:
        """What the user does to stop a run."""
        raise NotImplementedError

    def state(self) -> object:
        """All that a run must leave as it was."""
        return None

    def check(self, before: object) -> None:
        """AssertionError unless the state is as before."""

    def files(self) -> dict[str, int]:
        """Every file below the folder, by its size."""
        return {
            str(Path(top, name).relative_to(self.folder)): Path(top, name).stat().st_size
            for top, _, names in os.walk(self.folder)
            for name in names
            if not name.endswith(".jsonl")  # the journal, with which a stopped run goes on
        }


class Webui(World):
    """AUTOMATIC1111 with a Stable Diffusion 1.x of the pack's size: one picture is generated."""

    name = "AUTOMATIC1111, pack"
    chosen: dict = {"gate": False, "parts": "hand"}  # noqa: RUF012
    keep_loaded = True
    saved: tuple = ()
    painter: type = TwoStage

    def __init__(self, patch, folder: Path) -> None:
        super().__init__(patch, folder)
        install = stand_ins.installing(patch)
        self.modules = merged(stand_in.modules(), stand_ins.a1111_modules(self.unet()))
        install(*self.modules.values())
        for cached in (program, host_module.current, host_engine.engine):
            cached.cache_clear()
        self.made = True
        self.shared = self.modules["modules.shared"]
        self.data = self.modules["modules.sd_models"].model_data
        paths = self.modules["modules.paths_internal"]
        paths.models_path = str(folder / "none")
        options = self.shared.opts.data
        options |= {
            "realishuman_models_dir": str(self.models),
            "realishuman_keep_loaded": self.keep_loaded,
            "realishuman_save": list(self.saved),
        }
        patch.setattr(stand_in, "picture", lambda _number: Image.fromarray(self.picture))
        self.script = load("realishuman_webui", ROOT / "scripts" / "realishuman_webui.py")
        self.ours = self.script.RealisHumanScript()
        self.engine = host_engine.engine()
        self.engine._detectors["auto"] = self.hands
        self.outputs = folder / "outputs"
        self.outputs.mkdir()
        self.prepare_model()

    def unet(self) -> nn.Module:
        return UNetModel(SIZES.unet).eval()

    def prepare_model(self) -> None:
        """Whatever else the loaded model has."""

    def close(self) -> None:
        """After the patches are undone."""
        stand_ins.forget_adapters()
        for cached in (program, host_module.current, host_engine.engine):
            cached.cache_clear()

    def seams(self) -> list[Seam]:
        devices, state = self.modules["modules.devices"], type(self.shared.state)
        a1111 = sys.modules["realishuman.webui.host.a1111"]
        return [
            *pipeline_seams(self.hands, self.painter),
            *packed_seams(LdmUnet),
            Seam("list packs", Path, "glob", OF_FILES),
            Seam("host: autocast", devices, "autocast", ANY),
            Seam("host: torch_gc", devices, "torch_gc", ANY),
            Seam("host: nextjob", state, "nextjob", (INTERRUPT, "hang")),
            Seam("host: live preview", state, "assign_current_image", ANY),
            Seam("host: loaded model", a1111, "loaded_model", ANY),
            Seam("host: save_samples", stand_in.P, "save_samples", ANY),
        ]

    def run(self) -> Outcome:
        self.shared.state.__init__()
        p = stand_in.P(self.ours, [{"enabled": True, **self.chosen}], batch_size=1, n_iter=1)
        done = stand_in.process_images(p, save=self._save)
        self.made = bool(done.images)
        if not self.made:
            return Outcome(self.picture, "The host stopped before it made a picture.")
        said = done.infotexts[1].get("RealisHuman result", "")
        swallowed = [one for one in p.comments if "SWALLOWED" in one]
        assert not swallowed, f"a hook raised: {swallowed}"
        return Outcome(np.asarray(done.images[0]), said)

    def _save(self, p, image, name) -> None:
        """As the host: writes, then calls back, and reports what a callback raises."""
        (self.outputs / name).write_bytes(image.tobytes())
        parameters = types.SimpleNamespace(p=p, image=image, filename=str(self.outputs / name))
        self.script.saving.on_image_saved(parameters)

    def interrupt(self) -> None:
        self.shared.state.interrupted = True

    def state(self) -> object:
        model, shared = self.data.sd_model, self.shared
        return {
            "model": state(model),
            "numbers": _random_state(),
            "options": dict(shared.opts.data),
            "hypernetworks": list(shared.loaded_hypernetworks),
            "circular": self.modules["modules.sd_hijack"].model_hijack.circular_enabled,
            "threads": threading.active_count(),
            "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        }

    def check(self, before: object) -> None:
        now = self.state()
        same(before["model"], now["model"])
        for name in before.keys() - {"model"}:
            assert before[name] == now[name], f"the host's {name} differ"
        job = self.shared.state
        if self.made:  # else the host's own job is not done
            assert job.job_count == job.job_no, f"{job.job_no} of {job.job_count} jobs are done"
        assert job.textinfo is None, f"textinfo says {job.textinfo}"
        assert job.current_latent is None
        assert (job.sampling_step, job.sampling_steps) == (0, 0), "the bar stands in a step of ours"
        assert is_free(self.engine._lock), "the engine's lock is held"


class WebuiSaving(Webui):
    """The same, intermediate pictures saved beside the host's own."""

    name = "AUTOMATIC1111, pack, steps saved"
    saved = ("before", "stage one")

    def seams(self) -> list[Seam]:
        return [
            Seam("write: encode", Image.Image, "save", OF_FILES),
            Seam("write: temporary file", tempfile, "mkstemp", OF_FILES),
            Seam("write: to the disk", os, "fsync", OF_FILES),
            Seam("rename", Path, "replace", OF_FILES),
            Seam("make folder", Path, "mkdir", OF_FILES),
        ]


class WebuiReading(Webui):
    """The same with networks read from the disk for every picture."""

    name = "AUTOMATIC1111, pack, nothing kept"
    keep_loaded = False

    def seams(self) -> list[Seam]:
        return [
            Seam("pack: open", SteadyFile, "at", OF_FILES),
            Seam("pack: reading", SteadyFile, "reading", OF_FILES),
            Seam("pack: read a tensor", SteadyFile, "_take", (*OF_FILES, "memory")),
            Seam("pack: build", nn.Module, "load_state_dict", ANY),
            Seam("pack: to the device", nn.Module, "to", ANY),
            Seam("files: open", Path, "open", OF_FILES),
            Seam("files: stat", Path, "stat", OF_FILES),
        ]


class WebuiCheckpoint(Webui):
    """The same, repainted by the loaded model."""

    name = "AUTOMATIC1111, checkpoint"
    chosen = {  # noqa: RUF012
        "gate": False, "parts": "hand", "engine": "checkpoint", "steps": 2, "strength": 0.5,
        "guidance": 1.0, "mesh": "embedded",
    }  # fmt: skip
    painter = CheckpointPainter

    def unet(self) -> nn.Module:
        self.patch.setattr(LoadedCheckpoint, "side", SIDE)
        self.patch.setattr(own_skin, "repaint_hand", lambda *_: None)  # slow, and a world apart
        return UNetModel(SIZES.unet).eval()

    def prepare_model(self) -> None:
        model = self.data.sd_model
        vars(model).update(first_stage(large=False, has_mode=True))
        width = SIZES.unet.context
        learned = model.get_learned_conditioning
        vars(model)["get_learned_conditioning"] = lambda words: learned(words)[..., :width]
        model.alphas_cumprod = torch.linspace(0.999, 0.005, 1000)
        model.parameterization = "eps"
        self.modules["modules.devices"].without_autocast = nullcontext
        parser = stand_ins.module(
            "modules.prompt_parser",
            SdConditioning=Words,
            get_learned_conditioning_prompt_schedules=lambda texts, _steps: [[[1, texts[0]]]],
        )
        stand_ins.installing(self.patch)(parser)
        self.modules[parser.__name__] = parser

    def seams(self) -> list[Seam]:
        model = self.data.sd_model
        parser, devices = self.modules["modules.prompt_parser"], self.modules["modules.devices"]
        schedules = "get_learned_conditioning_prompt_schedules"
        return [
            *pipeline_seams(self.hands, self.painter),
            Seam("transplant", own_skin, "repaint_hand", ANY),
            Seam("unet", LdmUnet, "predict", NUMERIC),
            Seam("reference", LdmUnet, "features", ANY),
            Seam("host: encode", model, "encode_first_stage", ANY),
            Seam("host: decode", model, "decode_first_stage", NUMERIC),
            # the negative prompt is read by nobody without guidance: NaN there may do nothing
            Seam("host: text encoder", model, "get_learned_conditioning", NUMERIC, ours=False),
            Seam("host: prompt", parser, schedules, ANY),
            Seam("host: autocast", devices, "autocast", ANY),
            Seam("host: no autocast", devices, "without_autocast", ANY),
        ]


class Files(World):
    """`realishuman refine` on a picture of two hands."""

    name = "command line, pack"
    count = 2

    def __init__(self, patch, folder: Path) -> None:
        super().__init__(patch, folder)
        self.source, self.target = folder / "in", folder / "out"
        self.source.mkdir()
        Image.fromarray(self.picture).save(self.source / "picture.png")
        pack = self.models / "small-hand.safetensors"
        self.networks = Models([pack], lambda one: PackedBackbone(one, "cpu"), self.hands)
        self.settings = Settings(parts=("hand",), gate=False)

    def seams(self) -> list[Seam]:
        return [
            *pipeline_seams(self.hands, TwoStage),
            *packed_seams(PlainUnet),
            Seam("read picture", Path, "read_bytes", OF_FILES),
            Seam("write: temporary file", tempfile, "mkstemp", OF_FILES),
            Seam("write: to the disk", os, "fsync", OF_FILES),
            Seam("write: mode", Path, "chmod", OF_FILES),
            Seam("rename", Path, "replace", OF_FILES),
            Seam("make folder", Path, "mkdir", OF_FILES),
            Seam("encode picture", batch_picture, "save_picture", OF_FILES),
        ]

    def run(self) -> Outcome:
        for path in sorted(self.target.rglob("*"), reverse=True) if self.target.exists() else ():
            path.rmdir() if path.is_dir() else path.unlink()
        pairs = [(one, self.target / one.name) for one in sorted(self.source.iterdir())]
        report = self.target / "report.json"
        self.target.mkdir(exist_ok=True)
        outputs = plan(pairs, steps_folder=self.target / "steps", report=report)
        watch = Watch()
        try:
            with Journal(self.target, "faults") as journal:
                way = one_by_one(self.networks, Job(self.settings))
                refine_files(outputs, way, journal, report=report, watch=watch)
        except KeyboardInterrupt:
            watch.say("Stopped.")
        except Exception as error:
            watch.say(f"{error}")  # as main does with errors of ours
            if not error.__class__.__module__.startswith("realishuman"):
                raise
        target = outputs[0].target
        image = np.asarray(Image.open(target)) if target.exists() else None
        return Outcome(image, "\n".join(watch.said))

    def interrupt(self) -> None:
        raise KeyboardInterrupt

    def state(self) -> object:
        sources = {one: one.read_bytes() for one in self.source.iterdir()}
        return {"pictures": sources, "numbers": _random_state()}

    def check(self, before: object) -> None:
        now = self.state()
        for name, value in before.items():
            assert now[name] == value, f"{name} differ"


class Python(World):
    """`realishuman.refine` on an array, parts known: every single layer can fail in little time."""

    name = "Python, pack"

    def __init__(self, patch, folder: Path) -> None:
        super().__init__(patch, folder)
        pack = self.models / "small-hand.safetensors"
        self.networks = Models([pack], lambda one: PackedBackbone(one, "cpu"), self.hands)
        self.settings = Settings(parts=("hand",), gate=False, judge=False, steps=2, guidance=2.0)
        self.found = look.look(self.picture, self.networks, self.settings)

    def seams(self) -> list[Seam]:
        return [Seam("each layer", nn.Module, "__call__", NUMERIC, ours=False)]

    def run(self) -> Outcome:
        try:
            result = refine(self.picture, self.networks, self.settings, found=self.found)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - Python shows it
            return Outcome(self.picture, f"{type(error).__name__}: {error}")
        said = [result.message, *(f"{one.outcome} {one.reason}" for one in result.parts)]
        return Outcome(result.image, " ".join(said))

    def interrupt(self) -> None:
        raise KeyboardInterrupt

    def state(self) -> object:
        return _random_state(), torch.is_grad_enabled(), threading.active_count()

    def check(self, before: object) -> None:
        assert self.state() == before


class Watch(Silent):
    """What the command line prints."""

    def __init__(self) -> None:
        self.said = []

    def picture(self, number: int, total: int) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)


WORLDS = {
    one.__name__: one for one in (Python, Webui, WebuiSaving, WebuiReading, WebuiCheckpoint, Files)
}


@contextmanager
def opened(kind: type[World], folder: Path):
    """A world, and the process afterwards as it was."""
    import pytest

    with pytest.MonkeyPatch.context() as patch:
        made = kind(patch, folder)
        yield made
    if isinstance(made, Webui):
        made.close()


def remembering(fit):
    """The fit of a mesh, which is slow, made once for each hand."""
    known = {}

    def remembered(template, target, trust=None):
        key = target.tobytes()
        if key not in known:
            known[key] = fit(template, target, trust)
        return known[key]

    return remembered


def merged(*hosts):
    """Modules by name; of what several say about one, the last counts, but for options."""
    made = {}
    for modules in hosts:
        for one in modules.values():
            known = made.setdefault(one.__name__, one)
            for name, value in vars(one).items():
                if name.startswith("__") or known is one:
                    continue
                if name == "opts":
                    known.opts.data |= value.data
                else:
                    setattr(known, name, value)
            if hasattr(one, "__path__"):
                known.__path__ = one.__path__
    return made


def load(name: str, path: Path):
    """A scripts file as a host loads it."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def is_free(lock) -> bool:
    """Whether another thread could have this lock."""
    got = []

    def take():
        if lock.acquire(timeout=0.5):
            lock.release()
            got.append(True)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return bool(got)


def _random_state():
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return (
        torch.get_rng_state().numpy().tobytes(),
        (kind, keys.tobytes(), *rest),
        random.getstate(),
    )
