"""Registers the third kind of part and refines a picture of one in every way.

Arguments: the picture, and the folder for what came of it.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from pathlib import Path

from realishuman.kinds import MaskRule, PartKind, register

register(
    PartKind(
        name="logo",
        plural="logos",
        colour=(200, 0, 200),
        masks=MaskRule(0.2, dilate=30, erode=0.06, erode_of="side"),
        regressor="logo:FlatMesh",
        shade="realishuman.render.shade:shade_face",
        at_rest="logo:at_rest",
        detector="logo:RedSquare",
    )
)

from dataclasses import asdict  # noqa: E402

from realishuman import Settings, open_models, refine  # noqa: E402
from realishuman.cli.main import main  # noqa: E402
from realishuman.packs.random_pack import random_pack  # noqa: E402
from realishuman.webui.choices import choices_from  # noqa: E402
from realishuman.webui.fields import FIELDS, schema  # noqa: E402
from realishuman.webui.generation.groups import GROUPS  # noqa: E402
from realishuman.webui.generation.infotext import settings_of  # noqa: E402
from realishuman.webui.http import api  # noqa: E402

picture, folder = Path(sys.argv[1]), Path(sys.argv[2])
pack = random_pack(folder / "logo.safetensors", "logo", resolution=128).path
result = refine(
    picture, open_models([pack]), Settings(parts=("logo",), steps=1, judge=False, logo_dilate=9)
)
result.save(folder / "api.png")
arguments = ["refine", str(picture), "-o", str(folder / "cli"), "--parts", "logo", "--quiet"]
arguments += ["--pack", str(pack), "--steps", "1", "--no-judge", "--logo-dilate", "9", "--compare"]
code = main([*arguments, "--box", "logo:20,20,110,110", "--json", str(folder / "report.json")])
content = b64encode(picture.read_bytes()).decode()
box = {"kind": "logo", "box": [1, 2, 30, 40]}
body = {"image": content, "boxes": [box], "logo_pack": "mine", "settings": {"logo_erode": 3}}
request = api.read_request(body, api.Limits())
choices = choices_from({"logo_dilate": 9, "parts": ["logo"], "logo_pack": "mine"})
answers = {
    "report": result.report(),
    "code": code,
    "schema": schema()["properties"],
    "order": [one.name for one in FIELDS],
    "groups": GROUPS,
    "infotext": settings_of(choices),
    "packs": dict(choices.packs),
    "request": [asdict(request.settings), dict(request.models), request.boxes[0].kind],
}
(folder / "answers.json").write_text(json.dumps(answers, default=str))
