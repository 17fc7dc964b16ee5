"""Several at once: clients of the API, processes on one folder, a folder of models that changes."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realishuman.backbones.packed import PackedBackbone
from realishuman.packs import store
from realishuman.progress import Silent
from realishuman.settings import Settings
from realishuman.webui.choices import choices_from
from realishuman.webui.host.engine import Engine
from tests.faults.small import Hands, picture_with, small_pack

ROOT = Path(__file__).parents[2]
CLIENTS = 8
PLAIN = Settings(parts=("hand",), gate=False, judge=False)


class Host:
    """A WebUI whose networks are the standalone ones."""

    name = "stand-in"

    def __init__(self, folder):
        self.folder = folder

    def open_backbone(self, pack):
        return PackedBackbone(pack, "cpu")

    def undisturbed(self):
        return nullcontext()

    def release(self):
        pass

    def models_folder(self):
        return self.folder

    def checkpoint(self, *_asked):
        return None


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """An engine on a folder with one small pack, and its host."""
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")
    (tmp_path / "models").mkdir()
    small_pack(tmp_path / "models" / "small-hand.safetensors")
    host = Host(tmp_path / "models")
    made = Engine(lambda: host)
    made._detectors["auto"] = Hands(picture_with(1)[1])
    return made, host


def test_eight_clients_at_once_get_what_each_would_get_alone(engine):
    fastapi = pytest.importorskip("fastapi", reason="fastapi comes with the WebUIs")
    pytest.importorskip("httpx", reason="FastAPI's test client needs httpx")
    from fastapi.testclient import TestClient

    from realishuman.webui.http.routes import PREFIX, Service, add_routes

    made, _ = engine
    queue, inside, most = threading.Lock(), [0], [0]

    @contextmanager
    def turn():
        with queue:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            yield
            inside[0] -= 1

    service = Service(
        engine=lambda _packs: made.bind(choices_from({})), exclusive=turn,
        progress=lambda: nullcontext(Silent()), schema=dict, saved=dict, list_saved=dict,
        models=dict, doctor=dict, credentials={},
    )  # fmt: skip
    app = fastapi.FastAPI()
    add_routes(app, service)
    client = TestClient(app)
    settings = {"parts": ["hand"], "gate": False, "judge": False}

    def ask(seed):
        body = {"image": _as_base64(picture_with(1)[0]), "settings": {**settings, "seed": seed}}
        answer = client.post(f"{PREFIX}/refine", json=body)
        assert answer.status_code == 200, answer.text
        (result,) = answer.json()["results"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(result["image"]))))

    alone = [ask(seed) for seed in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = list(pool.map(ask, range(CLIENTS)))

    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len({one.tobytes() for one in alone}) == CLIENTS
    assert most == [1]
    assert inside == [0]


REFINES = """
import sys
from pathlib import Path
import torch
from realishuman.backbones.packed import PackedBackbone
from realishuman.batch.outputs import plan
from realishuman.batch.job import Job
from realishuman.batch.journal import Journal
from realishuman.batch.run import one_by_one, refine_files
from realishuman.pipeline.models import Models
from realishuman.settings import Settings
from tests.faults.small import Hands, picture_with
from tests.faults.worlds import Watch
torch.set_num_threads(1)
folder = Path(sys.argv[1])
models = Models([folder / "small-hand.safetensors"], lambda one: PackedBackbone(one, "cpu"),
                Hands(picture_with(1)[1]))
pairs = [(one, folder / "out" / one.name) for one in sorted((folder / "in").iterdir())]
watch = Watch()
way = one_by_one(models, Job(Settings(parts=("hand",), gate=False, judge=False)))
with Journal(folder / "out", sys.argv[2]) as journal:
    failed = refine_files(plan(pairs), way, journal, report=folder / "out" / "report.json",
                          watch=watch)
print("\\n".join(watch.said))
sys.exit(failed)
"""


def test_two_processes_may_refine_one_folder_into_one_output(tmp_path):
    small_pack(tmp_path / "small-hand.safetensors")
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    pixels, _ = picture_with(1)
    for number in range(6):
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number}.png")
    command = [sys.executable, "-W", "ignore", "-c", REFINES, str(tmp_path)]
    commands = [[*command, name] for name in ("one", "other")]  # the same one twice is refused

    running = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )
        for command in commands
    ]  # fmt: skip
    said = [one.communicate()[0] for one in running]

    assert [one.returncode for one in running] == [0, 0], said
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [*(f"{number}.png" for number in range(6)), "report.json"]
    first = np.asarray(Image.open(tmp_path / "out" / "0.png"))
    assert (first != pixels).any()
    for number in range(6):
        result = np.asarray(Image.open(tmp_path / "out" / f"{number}.png"))
        np.testing.assert_array_equal(result, first)


def test_a_folder_of_models_that_changes_in_a_run_counts_from_the_next_picture_on(engine, tmp_path):
    made, host = engine
    picture, _ = picture_with(1)
    bound, elsewhere = made.bind(choices_from({})), tmp_path / "elsewhere"
    elsewhere.mkdir()

    class Changing(Silent):
        def begin(self, stage, _total):
            if stage == "stage one":
                host.folder = elsewhere

    whole = bound.refine(picture, PLAIN, progress=Changing())
    without = bound.refine(picture, PLAIN)
    host.folder = tmp_path / "models"
    again = bound.refine(picture, PLAIN)

    assert (whole.image != picture).any()
    np.testing.assert_array_equal(whole.image, again.image)
    assert without.weights != whole.weights == {"hand": "trained"}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux's list of open files")
def test_no_file_of_a_pack_stays_open_or_mapped_so_that_windows_lets_it_be_replaced(engine):
    made, _ = engine
    made.bind(choices_from({})).refine(picture_with(1)[0], PLAIN)

    targets = []
    for one in Path("/proc/self/fd").iterdir():
        try:
            targets.append(str(one.readlink()))
        except OSError:
            continue  # that of the listing itself
    assert not [one for one in targets if "small-hand" in one]
    assert "small-hand" not in Path("/proc/self/maps").read_text()


def _as_base64(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()
