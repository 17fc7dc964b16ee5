"""Every text that stands on our pages from the start is in every catalogue of localizations/.

WebUIs look texts up as they stand there, so a text that is changed must be translated anew. What is
said while the program runs, and HTML, stays English.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from realishuman.webui.tab.tab import Page
from tests.webui.tab.test_controls import TabHost
from tests.webui.texts_of_pages import texts_of, texts_of_scripts

FOLDER = Path(__file__).parents[2] / "localizations"
FILES = sorted(FOLDER.glob("*.json"))
KEPT = re.compile(
    r"\[[A-Z]+\]|m_[de]|DWPose|3DDFA-V3|HaMeR|DDIM|GPU|512|120,80,260,240|RealisHuman"
)


@pytest.fixture
def texts(host, ours):
    whole = host.Component()
    with whole:
        ours.ui(True)
        Page(None, lambda function, **_: function, TabHost())
    return texts_of(whole.children) | texts_of_scripts()


def test_the_catalogues_are_those_of_ten_languages_with_english():
    names = "de_DE es_ES fr_FR ja_JP ko_KR pt_BR ru_RU zh_CN zh_TW"

    assert [file.stem for file in FILES] == names.split()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_text_is_in_the_catalogue_and_nothing_else(file, texts):
    catalogue = json.loads(file.read_text("utf-8"))

    assert sorted(texts - set(catalogue)) == []
    assert sorted(set(catalogue) - texts) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_translations_keep_what_has_to_be_written_exactly(file):
    for text, translation in json.loads(file.read_text("utf-8")).items():
        assert translation.strip()
        assert set(KEPT.findall(text)) <= set(KEPT.findall(translation)), text
