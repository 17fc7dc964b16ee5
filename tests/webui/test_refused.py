"""A WebUI in which nothing can work says so, and ours stays out of its way."""

from __future__ import annotations

import logging
import sys
import types
from html import escape

import pytest

from realishuman.webui.host.engine import engine
from realishuman.webui.host.program import program
from realishuman.webui.models_tab import health
from realishuman.webui.tab import wiring
from realishuman.webui.tab.sending import Sending

SCRIPTS = "realishuman_webui.py"


@pytest.fixture
def strange_forge(host, monkeypatch):
    """A Forge whose memory manager has other ways; modules that A1111 has are no matter."""
    for name in ("modules_forge", "modules_forge.initialization", "backend"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    memory = types.ModuleType("backend.memory_management")
    memory.load_models_gpu = None
    monkeypatch.setitem(sys.modules, memory.__name__, memory)
    health.current.cache_clear()
    yield memory
    health.current.cache_clear()


def logged(caplog):
    return [one.message for one in caplog.records if one.levelno == logging.ERROR]


def test_in_a_webui_on_diffusers_nothing_is_registered_and_the_log_says_why(
    host, monkeypatch, caplog, request
):
    """As SD.Next, in which every one of our callbacks would raise."""
    monkeypatch.setitem(sys.modules, "modules.lowvram", None)
    registered = sys.modules["modules.script_callbacks"].registered

    loaded = request.getfixturevalue("loaded")

    assert registered == {}
    kinds = (host.Script, host.ScriptPostprocessing)
    assert not any(isinstance(o, type) and issubclass(o, kinds) for o in vars(loaded).values())
    (line,) = logged(caplog)
    assert "modules.lowvram" in line
    assert "Supported are AUTOMATIC1111's WebUI (1.10), Forge (2) and Forge Neo" in line


def test_a_forge_that_lacks_something_says_so_everywhere(
    strange_forge, host, monkeypatch, caplog, request
):
    monkeypatch.setattr(health, "report", lambda folder=None: (["ok"], True))
    loaded = request.getfixturevalue("loaded")
    script = loaded.RealisHumanScript()
    made = {}

    def make(*arguments, **named):
        return made.setdefault(named.get("elem_id"), host.Component(*arguments, **named))

    monkeypatch.setattr(sys.modules["gradio"], "HTML", make)

    script.ui(False)
    status = made["script_txt2img_realishuman_outlook"].value
    ((page, _, _),) = wiring.tabs(Sending())
    lines, healthy = health.doctor()

    why_not = program().why_not
    assert "backend.memory_management (free_memory, get_computation_dtype or" in why_not
    assert status == f"<p>{escape(why_not)}</p>"
    assert page is not None
    assert made[None].value == status
    assert not healthy
    assert lines == ["ok", f"BROKEN   WebUI: {why_not}"]
    assert logged(caplog) == [f"RealisHuman: {why_not}"]


def test_a_job_in_such_a_forge_keeps_its_picture(strange_forge, host, loaded, square):
    """With the real engine, which asks for the host."""
    script = loaded.RealisHumanScript()
    values = [one.value for one in script.ui(False)]
    engine.cache_clear()

    done = host.process_images(host.P(script, [True, *values[1:]], batch_size=1, n_iter=1))

    assert square(done.images[0], host.picture(0))[0] == 0
    assert "This Forge does not provide" in done.infotexts[1]["RealisHuman result"]


def test_a_host_that_fails_when_it_is_asked_makes_no_healthy_doctor(host, monkeypatch):
    class Failing:
        def place(self):
            raise AttributeError("no attribute 'get_computation_dtype'")

    monkeypatch.setattr(health, "report", lambda folder=None: (["ok"], True))
    monkeypatch.setattr(health, "current", Failing)

    lines, healthy = health.doctor()

    assert not healthy
    assert "get_computation_dtype" in lines[-1]
