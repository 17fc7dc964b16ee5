"""Pages for readers and contributors name what is there, and link to what is there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
WRAPPED = [ROOT / "README.md", *PAGES]


def headings(page):
    """The anchors of a page, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))

    for target in targets:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in headings(file), target


def long_lines(text, columns=100):
    """Lines of prose beyond `columns`; targets of links do not count, since they cannot wrap."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"\]\([^)]*\)|https?://\S+", "", prose)
    return [
        line
        for line in prose.splitlines()
        if len(line) > columns and not line.lstrip().startswith("|")
    ]


@pytest.mark.parametrize("page", WRAPPED, ids=lambda page: str(page.relative_to(ROOT)))
def test_prose_is_wrapped_at_100_columns(page):
    assert long_lines(page.read_text(encoding="utf-8")) == []


def test_long_lines_are_seen_in_prose_alone():
    row, code = "| " + "a " * 60 + "|", "```\n" + "b " * 60 + "\n```"

    assert long_lines(f"{row}\n{code}\nshort\n") == []
    assert long_lines("[a](" + "c" * 120 + ")") == []
    assert len(long_lines("a " * 60)) == 1


def test_the_index_lists_every_page():
    index = (DOCS / "README.md").read_text(encoding="utf-8")

    assert [
        p.name for p in DOCS.glob("*.md") if p.name != "README.md" and p.name not in index
    ] == []


def test_the_architecture_has_a_line_for_every_folder():
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = page.split("## Folders")[1].split("\n## ")[0]

    folders = [path.parent.name for path in (ROOT / "realishuman").glob("*/__init__.py")]
    assert folders
    assert [name for name in folders if f"`{name}/" not in table] == []


def test_the_steps_of_the_architecture_are_functions_of_the_package():
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| step | function |")[1].split("\n\n")[0]
    named = re.findall(r"`([a-z_.]+)\.(\w+)`", table)

    assert len(named) > 8
    for module, name in named:
        assert hasattr(importlib.import_module(f"realishuman.{module}"), name), f"{module}.{name}"


def test_commits_are_checked_with_the_tools_of_the_continuous_integration():
    pins = re.findall(r'"(\w+==[\d.]+)"', (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))

    assert pins
    assert [
        pin for pin in pins if f'"{pin}"' not in (ROOT / "pyproject.toml").read_text("utf-8")
    ] == []
