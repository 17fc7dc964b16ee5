from __future__ import annotations

import sys
import types

import pytest

from realishuman.errors import BackboneError
from realishuman.hosts.webui.host import current


@pytest.fixture(autouse=True)
def _forgotten():
    """No host is remembered from another test."""
    current.cache_clear()
    yield
    current.cache_clear()


def test_each_webui_is_told_by_what_it_can_do(request):
    for name, said in (("a1111", "AUTOMATIC1111"), ("forge", "Forge")):
        request.getfixturevalue(name)
        current.cache_clear()

        assert current().name == said
        assert current() is current()


def test_a_package_of_an_extension_that_is_called_backend_makes_no_forge(a1111, installed):
    installed(
        types.ModuleType("backend"),
        types.ModuleType("backend.memory_management"),
        types.ModuleType("modules_forge"),
        types.ModuleType("modules_forge.initialization"),
    )

    assert current().name == "AUTOMATIC1111"


def test_an_older_forge_is_refused_by_name(a1111, installed):
    installed(
        types.ModuleType("ldm_patched"),
        types.ModuleType("ldm_patched.modules"),
        types.ModuleType("ldm_patched.modules.model_management"),
    )

    with pytest.raises(BackboneError, match="reForge"):
        current()


def test_outside_of_a_webui_the_command_line_is_named(monkeypatch):
    for name in ("modules", "backend", "modules_forge", "ldm_patched"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(BackboneError, match="realishuman refine"):
        current()
