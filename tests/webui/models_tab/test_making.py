"""Which folder a user means on the Models page; what it makes of it is tested in tests/official."""

from __future__ import annotations

import pytest

from realishuman.errors import SettingsError
from realishuman.webui.models_tab.making import folder_of


@pytest.mark.parametrize("text", ["", None, "  ", '""'])
def test_no_folder_means_the_models_folder(text):
    assert folder_of(text) is None


def test_a_folder_may_be_pasted_with_quotes_and_from_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert folder_of(f' "{tmp_path}" ') == tmp_path
    assert folder_of("~") == tmp_path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nothing/here", "is a relative path"),
        ("/nothing/here", "does not exist on the machine that runs the WebUI"),
        (__file__, "is a file: name its folder"),
        ("/a\0b", "cannot be read|does not exist"),
        ("/" + "x" * 300, "cannot be read|does not exist"),
    ],
)
def test_what_is_no_folder_is_a_sentence(text, says):
    with pytest.raises(SettingsError, match=says):
        folder_of(text)
