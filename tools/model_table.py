"""Writes the table of model files in docs/models.md anew: python tools/model_table.py"""

from __future__ import annotations

from pathlib import Path

from realishuman.downloads.manifest import KnownFile, manifest

PAGE = Path(__file__).parents[1] / "docs/models.md"
BEGIN = "<!-- made by tools/model_table.py; a test compares -->\n"
END = "<!-- end -->\n"
WHO = {"auto": "download", "user": "you", "made": "made here"}


def table() -> str:
    """A row per file of the list, in Markdown."""
    rows = ["| file | for | who | MB | SHA-256 | licence |", "|---|---|---|---|---|---|"]
    return "\n".join([*rows, *map(_row, manifest().files.values()), ""])


def _row(file: KnownFile) -> str:
    about = "about " if file.size and file.bytes is None else ""
    cells = (
        f"[{file.name}]({file.page})",
        ", ".join(file.features),
        WHO[file.how],
        f"{about}{file.size / 1e6:.1f}" if file.size else "",
        file.sha256 or "",
        f"[{file.licence.title}]({file.licence.url})",
    )
    return f"| {' | '.join(cells)} |"


def written(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
