"""What the README promises is what the code and the continuous integration do."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
from PIL import Image

from realishuman.pipeline import standalone
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.presets import usual_way
from realishuman.settings import PART_KINDS, Settings

ROOT = Path(__file__).parents[1]


def settings_table():
    rows = ["| option | what | allowed | default |", "|---|---|---|---|"]
    for spec in fields(Settings):
        meta, default = spec.metadata, spec.default
        if spec.type.startswith("bool"):
            flag = spec.name.replace("_", "-")
            allowed = (
                f"`--{flag}` turns it on" if default is False else f"`--no-{flag}` turns it off"
            )
            shown = None if default is None else "on" if default else "off"
        else:
            allowed = ", ".join(meta["choices"]) or f"{meta['low']} to {meta['high']}"
            if meta["prose"]:
                allowed = "any text"
            shown = ",".join(default) if isinstance(default, tuple) else default
        kind, _, rest = spec.name.partition("_")
        if default is None:
            own = f"that of `--{rest}`" if kind in PART_KINDS else "as the pack says"
            shown = usual_way(spec) or own
        name = spec.name.replace("_", "-")
        rows.append(f"| `--{name}` | {meta['help']} | {allowed} | {shown} |")
    return "\n".join(rows)


def test_the_table_of_settings_is_the_declaration():
    assert settings_table() in (ROOT / "README.md").read_text(encoding="utf-8")


def test_continuous_integration_runs_the_readmes_test_command():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line.startswith("python3 -m venv")]

    assert len(commands) == 1
    assert commands[0] in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


def test_every_picture_and_page_the_readme_links_to_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = [part.split(")")[0] for part in text.split("](")[1:]]

    local = [target for target in targets if "://" not in target]
    headings = [line for line in text.splitlines() if line.startswith("#")]
    anchors = {"#" + line.lstrip("# ").lower().replace(" ", "-") for line in headings}
    assert local
    assert [one for one in local if one not in anchors and not (ROOT / one).exists()] == []


def test_the_first_command_runs_the_default_on_both_examples():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in text.splitlines() if "realishuman refine examples/" in line]

    assert len(commands) == 1
    for name in ("malformed-hand.png", "good-hand.png"):
        assert f"examples/{name}" in commands[0]
        assert (ROOT / "examples" / name).is_file()
    assert "--pack" not in commands[0]


def test_the_default_repairs_the_malformed_example_and_leaves_the_good_one(tmp_path):
    models = Models(folder=tmp_path)

    malformed, good = (
        refine(ROOT / "examples" / f"{name}-hand.png", models) for name in ("malformed", "good")
    )

    assert [part.outcome for part in malformed.parts] == ["refined"]
    assert malformed.parts[0].engine == "transplant"
    assert [part.outcome for part in good.parts] == ["kept"]
    assert "looks right already" in good.parts[0].reason


def test_the_readmes_python_runs_as_it_stands(hand_pack, relabelled, tmp_path, monkeypatch, capsys):
    """With a small pack of random weights and few steps under the demo pack's name."""
    pack = relabelled(hand_pack, tmp_path / "demo-hand.safetensors", steps=2)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples/hand.png", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(
        standalone, "find_named_packs", lambda names, kinds: {"demo": [pack]}[names[0]]
    )

    exec(compile(code, "README.md", "exec"), found := {})

    assert found["result"].parts[0].outcome == "refined"
    with Image.open("refined.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved.convert("RGB")), found["result"].image)
    assert "1 of 1 parts refined." in capsys.readouterr().out
