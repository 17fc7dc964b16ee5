"""Runs on Ray: on this machine, on two nodes of which one dies, and where nothing answers."""

from __future__ import annotations

import json
import logging
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from realishuman.batch.job import Job
from realishuman.batch.journal import Journal
from realishuman.batch.outputs import Outputs
from realishuman.batch.run import one_by_one, refine_files
from realishuman.cli import main as cli
from realishuman.distributed.cluster import Workers, connected
from realishuman.distributed.run import on_ray, share_out
from realishuman.errors import RealisHumanError, SettingsError
from realishuman.settings import Settings
from tests.poison import POISON, PoisonedJob

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Ray is not tested on Windows"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """What the processes that Ray starts need; without packs of the user's."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    levels = {name: logging.getLogger(name).level for name in ("ray", "ray.data")}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


class Watch:
    """Calls something when so many pictures are done."""

    def __init__(self, at=0, call=None):
        self.at, self.call, self.lines = at, call, []

    def picture(self, number, total):
        if number == self.at:
            self.call()

    def say(self, text):
        self.lines.append(text)

    def begin(self, stage, total):
        pass

    def step(self, count=1):
        pass


def make(folder, count):
    """Small pictures in two folders."""
    for number in range(count):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        colour = (number, 90, 90)
        Image.new("RGB", (48 + number, 40), colour).save(place / f"{number:03}.png")


def content(folder):
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }


def run(*arguments):
    return cli.main([str(one) for one in arguments])


def test_thirty_pictures_on_this_machine_are_those_of_a_plain_run(tmp_path, capsys):
    make(tmp_path / "in", 29)
    (tmp_path / "in/broken.png").write_bytes(b"no picture")
    reports = []
    for name, options in (("plain", ["--workers", 1]), ("ray", ["--ray", "--workers", 2])):
        report = tmp_path / f"{name}.json"
        options += ["-o", tmp_path / name, "--json", report, "--quiet"]
        code = run("refine", tmp_path / "in", *options)
        assert code == cli.SOME_FAILED
        reports.append(json.loads(report.read_text()))
        told = capsys.readouterr().err
        assert told.count("broken.png") == 1
        assert told.count(" -> ") == 29

    plain, ray = (
        {name: value for name, value in content(tmp_path / kind).items() if name[0] != "."}
        for kind in ("plain", "ray")
    )
    assert len(plain) == 29
    assert plain == ray
    for report in reports:
        for one in report:
            one.pop("seconds", None)
            one.pop("output", None)
    assert reports[0] == reports[1]


def test_a_node_that_dies_and_a_picture_that_kills_lose_nothing_and_double_nothing(tmp_path):
    from ray.cluster_utils import Cluster

    make(tmp_path / "in", 24)
    Image.new("RGB", (50, 50), POISON).save(tmp_path / "in/poison.png")
    sources = sorted((tmp_path / "in").rglob("*.png"))
    outputs = {
        kind: [Outputs(one, tmp_path / kind / f"{one.stem}.png") for one in sources]
        for kind in ("plain", "ray")
    }
    for kind in outputs:
        (tmp_path / kind).mkdir()
    job, options = PoisonedJob(Settings()), {"include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **options})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    watch = Watch(at=8, call=lambda: cluster.remove_node(nodes[0], allow_graceful=False))
    added = []
    try:
        with Journal(tmp_path / "ray", "name") as journal:
            whole = journal.add
            journal.add = lambda one, entry: (added.append(one.source.stem), whole(one, entry))
            way, report = on_ray(job, cluster.address), tmp_path / "report.json"
            failed = refine_files(outputs["ray"], way, journal, report=report, watch=watch)
    finally:
        cluster.shutdown()

    assert failed == 1
    assert sorted(added) == sorted(one.stem for one in sources)
    [lost] = [one for one in json.loads(report.read_text()) if "error" in one]
    assert lost["input"].endswith("poison.png")
    assert "the actor that refined it died" in lost["error"]
    with Journal(tmp_path / "plain", "name") as plain, Job(Settings()).open() as models:
        refine_files(outputs["plain"], one_by_one(models, job), plain, watch=Watch())
    made = content(tmp_path / "plain")
    assert made.pop("poison.png")
    found = {name: value for name, value in content(tmp_path / "ray").items() if name[0] != "."}
    assert found == made


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:{free}", "no Ray cluster answers at 127.0.0.1"),
        ("ray://127.0.0.1:{free}", "no Ray cluster answers at ray://127.0.0.1"),
        ("pictures", "Name pictures before it"),
    ],
)
def test_where_no_cluster_is_a_sentence_says_so(address, said):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        free = unused.getsockname()[1]
    with pytest.raises(SettingsError, match=said):
        with connected(address.format(free=free)):
            pass


@pytest.mark.parametrize(
    ("there", "device", "workers", "share", "most"),
    [
        ({"CPU": 8.0}, "auto", Workers(), (1, 0), 8),
        ({"CPU": 8.0}, "auto", Workers(cores=3), (3, 0), 2),
        ({"CPU": 8.0, "GPU": 2.0}, "auto", Workers(), (1, 1), 2),
        ({"CPU": 8.0, "GPU": 2.0}, "cpu", Workers(), (1, 0), 8),
        ({"CPU": 8.0}, "auto", Workers(most=3), (1, 0), 3),
        ({"CPU": 0.0}, "cuda", Workers(most=5, cores=4), (4, 1), 5),
    ],
)
def test_each_actor_has_a_gpu_where_there_are_any_or_else_cores(
    there, device, workers, share, most
):
    watch, ray = Watch(), SimpleNamespace(cluster_resources=lambda: there)

    found = share_out(ray, Job(Settings(), device=device), workers, "10.0.0.1:6379", watch)

    assert found == ({"num_cpus": share[0], "num_gpus": share[1]}, most)
    assert len(watch.lines) == (there["CPU"] == 0)  # it says what it waits for


@pytest.mark.parametrize(
    ("device", "workers", "said"),
    [
        ("cuda", Workers(), "needs 1 cores and a GPU, but this machine has 2 cores and 0 GPUs"),
        ("auto", Workers(cores=4), "needs 4 cores, but this machine has 2 cores"),
        ("cuda:1", Workers(), "write --device cuda"),
    ],
)
def test_what_this_machine_has_not_is_said(device, workers, said):
    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0})

    with pytest.raises(SettingsError, match=said):
        share_out(ray, Job(Settings(), device=device), workers, "", Watch())


def test_cores_without_ray_are_refused(tmp_path, capsys):
    make(tmp_path / "in", 1)

    assert run("refine", tmp_path / "in", "-o", tmp_path / "out", "--cores", 2) == cli.BAD_OPTION
    assert "--cores is for --ray" in capsys.readouterr().err


def test_where_ray_finds_no_cluster_a_sentence_says_so(monkeypatch):
    def refuse(**_):
        raise ConnectionError("Could not find any running Ray instance.\nAnd more.")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(SettingsError, match=r"at auto \(Could not find any running Ray"):
        with connected("auto"):
            pass
    with pytest.raises(SettingsError, match="cannot start on this machine"):
        with connected(""):
            pass


def test_what_a_cluster_raises_becomes_a_sentence(monkeypatch):
    import ray

    monkeypatch.setattr(ray, "init", lambda **_: None)
    with pytest.raises(RealisHumanError, match=r"Ray cluster failed .*lost.*goes on"):
        with connected(""):
            raise ray.exceptions.RaySystemError("lost\nand more")


def test_without_ray_a_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"pip.* install .*ray"):
        with connected(""):
            pass
