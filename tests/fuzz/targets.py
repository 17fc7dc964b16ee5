"""What reads strangers' bytes; each may raise errors of ours, and nothing else."""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from realishuman.downloads.manifest import read_manifest
from realishuman.errors import RealisHumanError
from realishuman.imaging import exif
from realishuman.imaging.picture import encode_picture, picture_from
from realishuman.official.face_model import read_face_model
from realishuman.official.mano_file import read_mano
from realishuman.official.pickles import read_npy, read_pickle
from realishuman.onnx_files.session import open_session
from realishuman.packs.checkpoint import open_checkpoint
from realishuman.packs.header_reader import read_header
from realishuman.packs.pack import Pack
from realishuman.parts.origin import origin_of
from realishuman.train.config_file import read_config
from realishuman.webui import saved
from realishuman.webui.choices import choices_from, values_from
from realishuman.webui.fields import FIELDS
from realishuman.webui.generation.infotext import component_value
from realishuman.webui.http.api import Limits, RefusedError, read_request
from realishuman.webui.tab.boxes import parse_lines
from tests.fuzz import seeds
from tests.fuzz.mutations import mutate

REFUSED = (RealisHumanError, RefusedError)
LONGEST = 3000  # characters of a sentence
LIMITS = Limits(pixels=100_000, characters=100_000)


@dataclass(frozen=True)
class Target:
    """Reads bytes; `seeds` are sound ones."""

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]


def _picture(content: bytes, _folder: Path) -> None:
    loaded = picture_from(content, "it", 100_000)
    for name in ("it.png", "it.jpg", "it.tif", "it.webp"):
        with suppress(*REFUSED):  # a JPEG has no alpha, and so on
            encode_picture(Path(name), loaded.rgb, loaded)


def _exif(content: bytes, _folder: Path) -> None:
    try:
        directory, _ = exif.read(content)
    except exif.ExifError:  # which becomes a note on what is lost
        return
    exif.comment_of(directory)
    exif.read(exif.as_bytes(directory)) if directory.entries else None


def _pack(content: bytes, folder: Path) -> None:
    path = _written(content, folder, "it.safetensors")
    pack = Pack.open(path)
    pack.tensors("prompt.")


def _header(content: bytes, _folder: Path) -> None:
    read_header(content.decode("utf-8", "replace"), "it")


def _file(read: Callable[[Path], object], name: str, content: bytes, folder: Path) -> None:
    read(_written(content, folder, name))


def _checkpoint(path: Path) -> None:
    made = open_checkpoint(path, "a checkpoint")
    for name in list(made.shapes)[:8]:
        made.load(name)


def _body(content: bytes, _folder: Path) -> None:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):  # routes say that it is no JSON
        return
    if isinstance(body, dict):
        read_request(body, LIMITS)


def _arguments(content: bytes, _folder: Path) -> None:
    text = content.decode("utf-8", "replace")
    choices_from(values_from([text]))
    choices_from(values_from([True, text]))


def _saved(content: bytes, folder: Path) -> None:
    saved.read(content.decode("utf-8", "replace"))


def _infotext(content: bytes, _folder: Path) -> None:
    text = content.decode("utf-8", "replace")
    origin = origin_of(text)
    assert origin.steps is None or 0 < origin.steps < 1000
    pairs = dict(pair.partition(": ")[::2] for pair in text.replace("\n", ", ").split(", "))
    for one in FIELDS:
        component_value(one)(pairs)


def _boxes(content: bytes, _folder: Path) -> None:
    parse_lines(content.decode("utf-8", "replace"))


def _written(content: bytes, folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


TARGETS: Mapping[str, Target] = {
    "picture": Target(_picture, seeds.pictures),
    "exif": Target(_exif, seeds.exifs),
    "pack": Target(_pack, lambda: seeds.packs()[:1]),
    "pack header": Target(_header, lambda: seeds.packs()[1:]),
    "checkpoint": Target(partial(_file, _checkpoint, "it.ckpt"), seeds.checkpoints),
    "pickle": Target(
        partial(_file, partial(read_pickle, expected="a pickle"), "it.pkl"), seeds.pickles
    ),
    "npy": Target(partial(_file, partial(read_npy, expected="an array"), "it.npy"), seeds.arrays),
    "mano": Target(
        partial(_file, partial(read_mano, accept_unknown=True), "it.pkl"), seeds.pickles
    ),
    "face model": Target(partial(_file, read_face_model, "it.npy"), seeds.arrays),
    "onnx": Target(
        partial(_file, partial(open_session, network=None, provider="cpu"), "it.onnx"),
        seeds.networks,
    ),
    "api body": Target(_body, seeds.bodies),
    "script arguments": Target(_arguments, seeds.arguments),
    "saved settings": Target(_saved, seeds.saved),
    "infotext": Target(_infotext, lambda: seeds.texts()[:1]),
    "box lines": Target(_boxes, lambda: seeds.texts()[1:]),
    "training config": Target(partial(_file, read_config, "it.toml"), lambda: seeds.configs()[:1]),
    "manifest": Target(partial(_file, read_manifest, "it.json"), lambda: seeds.configs()[1:]),
}


class Escape(BaseException):
    """An input made the program do what no input may."""


_ALLOWED: list[str] | None = None  # folders that may be written into; None: anything may be done
_NEVER = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect")


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _ALLOWED is None:
        return
    if event in _NEVER:
        raise Escape(f"{event} {arguments}")
    if event in ("os.remove", "os.rename", "os.mkdir", "os.symlink", "open"):
        path, mode = str(arguments[0]), arguments[1] if event == "open" else "w"
        writes = isinstance(mode, str) and any(sign in mode for sign in "wax+")
        if writes and not any(path.startswith(folder) for folder in _ALLOWED):
            raise Escape(f"{event} {path} {mode}")


sys.addaudithook(_watch)  # cannot be taken away again, but does nothing outside of `confined`


@contextmanager
def confined(folder: Path):
    """Inside, running a program, connecting, or writing elsewhere raises Escape."""
    global _ALLOWED
    _ALLOWED = [str(folder), tempfile.gettempdir(), "/dev/"]
    try:
        yield
    finally:
        _ALLOWED = None


def attack(name: str, folder: Path, number: int) -> bool:
    """Read the mutation of this number; whether it was taken. What else is raised is a finding."""
    target = TARGETS[name]
    sound = _sound(name)
    source = random.Random(f"{name} {number}")
    content = mutate(source.choice(sound), source)
    with confined(folder):
        try:
            target.read(content, folder)
        except REFUSED as error:
            said = str(error)
            if not 0 < len(said) < LONGEST:
                raise ValueError(f"a sentence of {len(said)} characters") from error
            return False
    return True


_KNOWN: dict[str, list[bytes]] = {}


def _sound(name: str) -> list[bytes]:
    if name not in _KNOWN:
        _KNOWN[name] = TARGETS[name].seeds()
    return _KNOWN[name]
