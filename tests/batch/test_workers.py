"""Several pictures at once, in processes of which one may die."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from realishuman.batch.job import Job
from realishuman.batch.journal import Journal
from realishuman.batch.outputs import Outputs
from realishuman.batch.run import one_by_one, refine_files
from realishuman.batch.workers import in_processes, suit
from realishuman.errors import PackError
from realishuman.memory import Memory
from realishuman.pipeline.models import Models
from realishuman.settings import Settings
from tests.batch.test_run import Said
from tests.poison import POISON, PoisonedJob


def make(folder, colours):
    (folder / "out").mkdir(parents=True)
    found = []
    for number, colour in enumerate(colours):
        source = folder / f"{number}.png"
        Image.new("RGB", (48 + number, 40), colour).save(source)
        found.append(Outputs(source, folder / "out" / source.name))
    return found


def go(outputs, way, report):
    said = Said()
    with Journal(outputs[0].target.parent, "name") as journal:
        failed = refine_files(outputs, way, journal, report=report, watch=said)
    return failed, said, json.loads(report.read_text())


def test_a_picture_at_which_its_process_dies_fails_alone(tmp_path):
    colours = [(90, 90, 90)] * 3 + [POISON] + [(90, 90, 90)] * 3
    outputs, alone = make(tmp_path / "many", colours), make(tmp_path / "one", colours[:3])

    failed, said, report = go(outputs, in_processes(PoisonedJob(Settings()), 2), tmp_path / "j")

    assert failed == 1
    assert [number for number, _ in said.numbers] == list(range(1, 8))
    assert [one.target.exists() for one in outputs] == [True] * 3 + [False] + [True] * 3
    assert "the process that refined it ended at once" in report[3]["error"]
    _, _, plain = go(alone, one_by_one(Models(), Job(Settings())), tmp_path / "k")
    for one, other in zip(report, plain, strict=False):
        assert {**one, "seconds": 0, "input": 0, "output": 0} == {
            **other, "seconds": 0, "input": 0, "output": 0,
        }  # fmt: skip
    for one, other in zip(outputs, alone, strict=False):
        assert one.target.read_bytes() == other.target.read_bytes()


def test_networks_that_no_process_can_open_end_the_run_with_a_sentence(tmp_path):
    outputs = make(tmp_path / "many", [(90, 90, 90)])

    with pytest.raises(PackError, match="none such"):
        go(outputs, in_processes(Job(Settings(), packs=("none such",)), 2), tmp_path / "report")


@pytest.mark.parametrize(
    ("pictures", "cores", "free", "device", "many"),
    [
        (100, 4, 100e9, "auto", 4),
        (17, 4, 100e9, "cpu", 2),
        (15, 4, 100e9, "auto", 1),
        (100, 4, 3.1e9, "auto", 2),
        (100, 4, 0, "auto", 1),
        (100, 4, 100e9, "cuda", 1),
    ],
)
def test_as_many_processes_as_cores_memory_and_pictures_are_worth(
    pictures, cores, free, device, many, monkeypatch
):
    monkeypatch.setattr("realishuman.batch.workers.cores", lambda: cores)
    monkeypatch.setattr(
        "realishuman.batch.workers.memory_left", lambda: Memory(int(free), int(free))
    )
    assert suit(Models(), Job(Settings(), device=device), pictures) == many


def test_networks_that_paint_use_all_cores_by_themselves(models_of):
    assert suit(models_of([]), Job(Settings()), 1000) == 1
