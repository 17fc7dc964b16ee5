from __future__ import annotations

import sys
import types

import pytest

from realishuman.errors import BackboneError
from realishuman.webui.host.host import current
from realishuman.webui.host.program import program


@pytest.fixture(autouse=True)
def _forgotten():
    """No host is remembered from another test."""
    for each in (program, current):
        each.cache_clear()
    yield
    for each in (program, current):
        each.cache_clear()


def empty(*names):
    return [types.ModuleType(name) for name in names]


@pytest.mark.parametrize(
    ("name", "said"), [("a1111", "AUTOMATIC1111"), ("forge", "Forge"), ("neo", "Forge Neo")]
)
def test_each_webui_is_told_by_what_it_offers(request, name, said):
    request.getfixturevalue(name)

    assert program().why_not == ""
    assert current().name == said
    assert current() is current()


def test_a_package_of_an_extension_that_is_called_backend_makes_no_forge(a1111, installed):
    installed(
        *empty("backend", "backend.memory_management", "modules_forge"),
        *empty("modules_forge.initialization"),
    )

    assert current().name == "AUTOMATIC1111"


def test_an_older_forge_is_refused_by_name(a1111, installed):
    installed(*empty("ldm_patched", "ldm_patched.modules", "ldm_patched.modules.model_management"))

    assert program().adapter == ""
    with pytest.raises(BackboneError, match=r"reForge.*Supported are .*Forge Neo"):
        current()


@pytest.mark.parametrize(
    ("lacks", "named"),
    [
        (["unload_model"], "unload_model_clones or unload_model"),
        (["inference_cast"], "get_computation_dtype or inference_cast"),
        (["free_memory", "vae_dtype"], r"\(free_memory, vae_dtype\)"),
    ],
)
def test_a_forge_of_another_make_names_what_it_lacks(neo, monkeypatch, lacks, named):
    for each in lacks:
        monkeypatch.delattr(neo.memory_management, each)

    assert program().adapter == "forge"  # so that accordion, tab and doctor can say it
    with pytest.raises(BackboneError, match=named):
        current()


def test_a_webui_on_diffusers_with_a1111s_stubs_is_refused(a1111, monkeypatch):
    """As SD.Next: sd_hijack.model_hijack is there, lowvram is gone."""
    monkeypatch.setitem(sys.modules, "modules.lowvram", None)

    assert program().adapter == ""
    with pytest.raises(BackboneError, match=r"modules\.lowvram .*Supported are"):
        current()


def test_outside_of_a_webui_the_command_line_is_named(monkeypatch):
    for name in ("modules", "backend", "modules_forge", "ldm_patched"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(BackboneError, match="realishuman refine"):
        current()
