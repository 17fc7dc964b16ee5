"""docs/training.md names every key of a configuration with its default."""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from realishuman.cli.train import add_parser
from realishuman.packs.header import EncoderShape, ScheduleConstants, UnetShape, VaeShape
from realishuman.packs.shapes import SD15
from realishuman.train.config import (
    Corrector,
    Critic,
    Data,
    Networks,
    PackConfig,
    Stage,
    TrainConfig,
)

PAGE = Path(__file__).parents[2] / "docs/training.md"
TABLES = {  # heading of the page -> class, and where its defaults are taken from
    "the file itself": (TrainConfig, None),
    "pack": (PackConfig, None),
    "data": (Data, None),
    "networks": (Networks, None),
    "networks.unet, networks.stage_two_unet": (UnetShape, SD15.unet),
    "networks.vae": (VaeShape, SD15.vae),
    "networks.image_encoder": (EncoderShape, SD15.image_encoder),
    "schedule": (ScheduleConstants, None),
    "autoencoder, stage_one, stage_two": (Stage, None),
    "judge, scorer": (Critic, None),
    "corrector": (Corrector, None),
}


def default(spec, of):
    value = getattr(of, spec.name) if of else spec.default
    if spec.default_factory is not MISSING or hasattr(value, "__dataclass_fields__"):
        return "see below"
    if value is MISSING:
        return "must be given"
    if value is None:
        return "none"
    return (
        str(value).lower()
        if isinstance(value, bool)
        else str(value).replace("(", "").replace(")", "")
    )


@pytest.mark.parametrize("heading", TABLES)
def test_each_table_of_the_page_has_the_keys_and_defaults_of_the_code(heading):
    kind, of = TABLES[heading]
    section = PAGE.read_text(encoding="utf-8").split(f"\n### {heading}\n")[1].split("\n#")[0]
    rows = [row.split(" | ")[:2] for row in section.splitlines() if row.startswith("| `")]

    expected = [[f"| `{spec.name}`", default(spec, of)] for spec in fields(kind)]
    assert rows == expected


def test_every_task_is_on_the_page():
    import argparse

    commands = argparse.ArgumentParser().add_subparsers()
    add_parser(commands)
    tasks = next(a for a in commands.choices["train"]._actions if a.dest == "task").choices
    text = PAGE.read_text(encoding="utf-8")
    assert [task for task in tasks if f"realishuman train {task}" not in text] == []
