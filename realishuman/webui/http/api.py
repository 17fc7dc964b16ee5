"""What the HTTP routes answer: plain dictionaries in, plain dictionaries out.

Pictures travel as base64 of a file. No address and no path from a request is ever opened, and
every limit is checked before the work that it bounds. Knows no web framework: see routes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import GivenBox
from realishuman.drawing.annotated import annotate
from realishuman.errors import PictureError, SettingsError
from realishuman.imaging.loaded import LoadedPicture
from realishuman.imaging.modes import Stored
from realishuman.imaging.picture import encode_picture, picture_from
from realishuman.kinds import plural
from realishuman.parts.found import Found
from realishuman.parts.origin import origin_of
from realishuman.pipeline.look import prepare_parts
from realishuman.progress import Interrupted, Progress
from realishuman.settings import PART_KINDS, Settings
from realishuman.webui.fields import WEBUI
from realishuman.webui.host.engine import BoundEngine
from realishuman.webui.tab.boxes import MOST_BOXES, check_box

VERSION = 1
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")  # Pillow knows some that run programs
BODY = {  # keys of a request, and what they are
    "image": "base64 of a picture file (PNG, JPEG, WebP, TIFF or BMP)",
    "images": "several of them, instead of `image`",
    "settings": "settings by name; /schema lists them under `settings`",
    "saved": "name of saved settings, as /saved lists them; what the request says itself counts "
    "before them",
    "boxes": "places to search instead of the whole picture: [{kind, box: [x0, y0, x1, y1]}]; "
    "side (left or right) says which hand it is, exact: true forces a part in exactly "
    "this box",
    "only": "numbers of the parts to refine, from 1, as /detect lists them",
    "draw": "true: /detect also returns the picture with everything it found drawn on it",
    **{
        f"{kind}_pack": f"pack for {plural(kind)}, like the script's argument of that name; auto: "
        "the trained one, or none, if there is none"
        for kind in PART_KINDS
    },
    **{name: WEBUI[name].help for name in ("controlnet", "controlnet_weight")},
}
MODELS = tuple(name for name in BODY if name in WEBUI)  # what the engine is bound to


@dataclass(frozen=True)
class Limits:
    """What one request may hold.

    pictures    at most so many; pixels and characters (of base64) of each; boxes of each.
    body        bytes of the whole request.
    """

    pictures: int = 8
    pixels: int = 64_000_000
    characters: int = 96 * 2**20
    body: int = 128 * 2**20
    boxes: int = MOST_BOXES


class RefusedError(Exception):
    """The request cannot be served as it is: HTTP status, the field and a sentence."""

    def __init__(self, status: int, field: str, message: str) -> None:
        super().__init__(message)
        self.status, self.field, self.message = status, field, message

    def detail(self) -> dict[str, object]:
        """What the client is told."""
        return {"field": self.field, "message": self.message}


@dataclass(frozen=True)
class Request:
    """A request that was understood.

    models  packs and a ControlNet, by the names of the script's arguments; not checked yet.
    """

    pictures: tuple[LoadedPicture, ...]
    settings: Settings
    boxes: tuple[GivenBox, ...]
    only: tuple[int, ...] | None
    draw: bool
    models: Mapping[str, object]


def read_request(body: Mapping[str, object], limits: Limits) -> Request:
    """Read a request. Raises RefusedError: 413 for what is too much, 422 for what is wrong."""
    if unknown := [key for key in body if key not in BODY]:
        raise RefusedError(422, str(unknown[0]), f"unknown; known are {', '.join(BODY)}")
    pictures = _pictures(body, limits)
    only = body.get("only")
    if only is not None and (len(pictures) > 1 or not _are_numbers(only)):
        raise RefusedError(422, "only", "must be a list of numbers from 1, with one picture")
    draw = body.get("draw", False)
    if not isinstance(draw, bool):
        raise RefusedError(422, "draw", f"must be true or false, not {draw!r}")
    return Request(
        pictures,
        settings_from(body.get("settings")),
        _boxes(body.get("boxes"), limits),
        None if only is None else tuple(only),
        draw,
        {name: body[name] for name in MODELS if body.get(name) is not None},
    )


def with_saved(
    body: Mapping[str, object], load: Callable[[object], Mapping[str, object]]
) -> dict[str, object]:
    """The body with the saved settings that it names, where it says nothing itself.

    load  gives saved settings by name; what it raises passes.
    """
    rest = {key: value for key, value in body.items() if key != "saved"}
    if "saved" not in body:
        return rest
    found, own = load(body["saved"]), body.get("settings")
    settings = {one.name: found[one.name] for one in fields(Settings) if one.name in found}
    if isinstance(own, Mapping) or own is None:
        rest["settings"] = {**settings, **(own or {})}
    return {**{name: value for name, value in found.items() if name in BODY}, **rest}


def _are_numbers(given: object) -> TypeGuard[list[int]]:
    return isinstance(given, list) and all(type(n) is int and n > 0 for n in given)


def settings_from(given: object) -> Settings:
    """Settings by name. Raises RefusedError with the field and its range."""
    if given is None:
        return Settings()
    if not isinstance(given, Mapping):
        raise RefusedError(422, "settings", f"must be an object, not {type(given).__name__}")
    try:
        return Settings.from_dict(given)
    except SettingsError as error:
        culprits = [name for name in given if str(error).startswith(f"{name} ")]
        raise RefusedError(422, ".".join(["settings", *culprits[:1]]), str(error)) from error


def _pictures(body: Mapping[str, object], limits: Limits) -> tuple[LoadedPicture, ...]:
    if ("image" in body) == ("images" in body):
        raise RefusedError(422, "image", "name either `image` or `images`")
    texts = [body["image"]] if "image" in body else body["images"]
    if not isinstance(texts, list) or not texts:
        raise RefusedError(422, "images", "must be a list of base64 texts")
    if len(texts) > limits.pictures:
        raise RefusedError(413, "images", f"{len(texts)} pictures, at most {limits.pictures}")
    fields = ["image"] if "image" in body else [f"images[{i}]" for i in range(len(texts))]
    return tuple(_picture(text, field, limits) for text, field in zip(texts, fields, strict=True))


def _picture(text: object, field: str, limits: Limits) -> LoadedPicture:
    if not isinstance(text, str):
        raise RefusedError(422, field, f"must be base64 text, not {type(text).__name__}")
    if len(text) > limits.characters:
        raise RefusedError(
            413, field, f"{len(text)} characters of base64, at most {limits.characters}"
        )
    if text.startswith("data:image/"):
        text = text.partition(",")[2]
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(
            422, field, f"is not base64 ({error}); URLs and paths are not accepted"
        ) from error
    try:
        return picture_from(content, "the picture", limits.pixels, FORMATS)
    except PictureError as error:
        status = 413 if "megapixels" in str(error) else 422
        raise RefusedError(status, field, str(error)) from error


def _boxes(given: object, limits: Limits) -> tuple[GivenBox, ...]:
    if given is None:
        return ()
    if not isinstance(given, list):
        raise RefusedError(422, "boxes", "must be a list")
    if len(given) > limits.boxes:
        raise RefusedError(413, "boxes", f"{len(given)} boxes, at most {limits.boxes}")
    return tuple(_box(one, f"boxes[{i}]") for i, one in enumerate(given))


def _box(one: object, field: str) -> GivenBox:
    shape = 'must be {"kind": ..., "box": [x0, y0, x1, y1]}, optionally with "side" and "exact"'
    if not isinstance(one, Mapping) or set(one) - {"side", "exact"} != {"kind", "box"}:
        raise RefusedError(422, field, shape)
    side, exact = one.get("side"), one.get("exact", False)
    if side not in (None, "left", "right"):
        raise RefusedError(422, f"{field}.side", f"must be left, right or null, not {side!r}")
    if not isinstance(exact, bool):
        raise RefusedError(422, f"{field}.exact", f"must be true or false, not {exact!r}")
    if one["kind"] not in PART_KINDS:
        raise RefusedError(422, f"{field}.kind", f"must be one of {', '.join(PART_KINDS)}")
    values = one["box"]
    numbers = isinstance(values, list) and len(values) == 4
    if not numbers or not all(type(v) in (int, float) for v in values):
        raise RefusedError(422, f"{field}.box", shape)
    try:
        return GivenBox(one["kind"], check_box(values, field), side, exact)
    except SettingsError as error:
        raise RefusedError(422, f"{field}.box", str(error)) from error


def detect(request: Request, engine: BoundEngine) -> dict[str, object]:
    """Answer /detect: the parts of each picture, without sampling."""
    results = []
    for picture in request.pictures:
        found = engine.find(picture.rgb, request.settings, request.boxes)
        result: dict[str, object] = {
            "width": picture.rgb.shape[1],
            "height": picture.rgb.shape[0],
            "parts": _list_parts(found),
            "provider": engine.models(request.settings)
            .detector_for(request.settings.detector)
            .provider,
        }
        if request.draw:
            result["image"] = _draw(picture, found, request.settings, engine)
        results.append(result)
    return {"results": results}


def refine(
    request: Request, engine: BoundEngine, progress: Progress | None = None
) -> dict[str, object]:
    """Answer /refine: each picture with its parts repainted, as PNG, and what was done and why."""
    results = []
    for picture in request.pictures:
        try:
            result = engine.refine(
                picture.rgb,
                request.settings,
                boxes=request.boxes,
                only=request.only,
                progress=progress,
                made=origin_of(picture.metadata.parameters),
            )
            image, report = result.image, result.report()
        except Interrupted:
            image = picture.rgb
            report = {"message": "Interrupted: the picture is unchanged.", "parts": []}
        results.append({"image": _as_base64(image, picture), "report": report})
    return {"results": results}


def _list_parts(found: Found) -> list[dict[str, object]]:
    return [
        {
            "index": one.number,
            "kind": one.part.kind,
            "side": one.part.side,
            "score": round(one.part.score, 4),
            "box": asdict(one.part.box),
            "reason": one.reason,
            "note": one.part.note,
            "keypoints": [[round(float(v), 2) for v in point[:2]] for point in one.part.keypoints],
        }
        for one in found.parts
    ]


def _draw(picture: LoadedPicture, found: Found, settings: Settings, engine: BoundEngine) -> str:
    ready = prepare_parts(picture.rgb, found, found.parts, settings, engine.models(settings))
    view = annotate(picture.rgb, found, ready)
    return _as_base64(view, LoadedPicture(view, None, Stored("RGB", view)))


def _as_base64(rgb: NDArray[np.uint8] | NDArray[np.uint16], like: LoadedPicture) -> str:
    content, _ = encode_picture(Path("picture.png"), rgb[..., :3], like)
    return base64.b64encode(content).decode()


def schema(limits: Limits, settings: Mapping[str, object]) -> dict[str, object]:
    """Answer /schema: what a request may hold."""
    return {"body": BODY, "limits": asdict(limits), "settings": dict(settings)}
