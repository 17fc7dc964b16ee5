from __future__ import annotations

import pytest

from realishuman.downloads.inventory import matching
from realishuman.downloads.partial import Partial
from realishuman.webui.models_tab import background, downloads
from realishuman.webui.models_tab.background import Background, Status
from realishuman.webui.models_tab.downloads import STOPPED, download


@pytest.fixture
def made():
    return Background()


def run(made, folder, name, agreed=()):
    assert made.start(download(matching(name), folder, agreed))
    made.wait(20)
    return made.status()


def test_nothing_runs_before_somebody_starts_it(made, served):
    assert made.status() == Status()
    assert served.asked == []


def test_a_download_ends_with_a_sentence(made, served, tmp_path):
    status = run(made, tmp_path, "net")

    assert (status.running, status.end) == (False, "done")
    assert status.lines == ("net/net.onnx is downloaded.",)
    assert status.done == status.total == len(served.content)
    assert (tmp_path / "net/net.onnx").read_bytes() == served.content


def test_one_runs_at_a_time_and_stopping_keeps_what_came(made, served, tmp_path):
    served.plan = ["stall 100000"]
    assert made.start(download(matching("net"), tmp_path, ()))
    part = Partial(tmp_path / "net/net.onnx")
    while not part.length():
        served.released.wait(0.01)

    assert not made.start(download(matching("net"), tmp_path, ()))
    made.stop()
    assert made.status().running
    assert "stopping" in made.status().stage
    served.released.set()
    made.wait(20)

    assert made.status().end == "stopped"
    assert made.status().lines == (STOPPED,)
    assert 0 < part.length() < len(served.content)
    assert run(made, tmp_path, "net").end == "done"
    assert served.asked[-1][1] == f"bytes={100_000}-"


def test_a_problem_is_the_last_sentence(made, served, tmp_path):
    served.plan = ["status 404"]

    status = run(made, tmp_path, "net")

    assert status.end == "failed"
    assert "the server says 404" in status.lines[-1]


def test_a_licence_holds_here_too(made, served, tmp_path):
    assert run(made, tmp_path, "a.pth").end == "failed"
    assert served.asked == []

    status = run(made, tmp_path, "a.pth", ["Rail"])
    assert status.end == "done"
    assert "Nobody published a hash" in status.lines[1]


def test_a_mistake_of_ours_does_not_leave_it_running(made, served, tmp_path, monkeypatch):
    def broken(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr(downloads, "fetch", broken)

    assert run(made, tmp_path, "net").end == "failed"
    assert run(made, tmp_path, "net").lines == (
        "It failed: RuntimeError: . See the console for details.",
    )


def test_the_rate_counts_only_what_came_now(made, monkeypatch):
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(background.time, "monotonic", lambda: next(clock))

    made.begin("net.onnx", 3_000_000)
    made.step(1_000_000)  # there from an earlier download
    made.step(500_000)

    assert made.status().rate == 250_000
    assert made.status().done == 1_500_000
