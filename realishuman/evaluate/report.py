"""The report of an evaluation: JSON for programs, Markdown for documents, a page, a sheet.

Each file is written whole. What the numbers can not say, and which weights made them, stands above
them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.errors import PictureError
from realishuman.evaluate.metrics import Interval
from realishuman.evaluate.plots import contact_sheet
from realishuman.files.whole import whole_file

Pixels = NDArray[np.uint8]

RANDOM = (
    "The weights are RANDOM: they paint noise. These numbers only prove that everything runs; they "
    "are no result."
)
LARGE = 256  # side of the pictures on the sheet of its own
MOST_ROWS = 200  # of a sheet; a JPEG has no more than 65 535 lines
DEMO = "These are a demo pack's weights: small networks that show the method, no more."
STYLE = (
    "body{font:14px system-ui,sans-serif;max-width:1400px;margin:2em auto;padding:0 1em}"
    ".wide{overflow-x:auto;margin:1em 0}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:3px 8px;"
    "text-align:right}td:first-child,th:first-child{text-align:left}svg{font-size:12px;"
    "display:block;margin:1em 0}.warning{background:#fde2d8;padding:.7em;font-weight:bold}"
    "img{max-width:100%}"
)


@dataclass(frozen=True)
class Table:
    """A title, column titles and rows of cells; a cell is text, a number or an Interval."""

    title: str
    columns: Sequence[str]
    cells: Sequence[Sequence[Any]]
    digits: Sequence[int]


@dataclass(frozen=True)
class Report:
    """All that goes into the files.

    weights   "trained", "demo" or "random" of the packs in use; "none" without a pack, "unknown"
              where nobody can tell.
    facts     what was run: names and values.
    notes     sentences on what the numbers mean, and what is left out and why.
    plots     <svg> texts.
    sheet     rows of (caption, picture).
    data      single measures and rows, for the JSON file only.
    """

    title: str
    weights: str
    facts: dict[str, Any]
    notes: Sequence[str]
    tables: Sequence[Table]
    plots: Sequence[str] = ()
    sheet: Sequence[Sequence[tuple[str, Pixels]]] = ()
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def warning(self) -> str:
        """What a reader must know first about the weights; empty for trained ones."""
        return {"random": RANDOM, "demo": DEMO}.get(self.weights, "")


def write(report: Report, folder: Path) -> list[Path]:
    """Write report.json, report.md, report.html and sheet.jpg; returns their paths.

    The page has the sheet too, with smaller pictures. Without rows there is none.

    Raises PictureError if the disk refuses.
    """
    files = {
        "report.json": to_json(report).encode(),
        "report.md": to_markdown(report).encode(),
        "report.html": to_html(report).encode(),
    }
    if report.sheet:
        files["sheet.jpg"] = _jpeg(contact_sheet(report.sheet[:MOST_ROWS], LARGE))
    written = []
    for name, content in files.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                file.write(content)
        except OSError as error:
            raise PictureError(
                f"{path} cannot be written ({error.strerror or error}); name another "
                "folder with -o."
            ) from error
        written.append(path)
    return written


def to_json(report: Report) -> str:
    """Facts, notes and data."""
    return (
        json.dumps(
            {
                "title": report.title,
                "weights": report.weights,
                "warning": report.warning,
                "facts": report.facts,
                "notes": list(report.notes),
                **report.data,
            },
            indent=1,
            allow_nan=False,
        )
        + "\n"
    )


def to_markdown(report: Report) -> str:
    """Facts, notes and tables."""
    lines = [f"# {report.title}", ""]
    if report.warning:
        lines += [f"**{report.warning}**", ""]
    lines += [f"* {name}: {value}" for name, value in report.facts.items()]
    lines += ["", *(f"* {note}" for note in report.notes)]
    for table in report.tables:
        rows = _texts(table)
        lines += ["", f"## {table.title}", ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def to_html(report: Report) -> str:
    """The same with plots and contact sheet, in one file that needs no other."""
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(report.title)}'
        f"</title><style>{STYLE}</style><h1>{escape(report.title)}</h1>"
    ]
    if report.warning:
        parts.append(f'<p class="warning">{escape(report.warning)}</p>')
    facts = "".join(f"<li>{escape(k)}: {escape(str(v))}</li>" for k, v in report.facts.items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    parts.append(f"<ul>{facts}</ul><ul>{notes}</ul>")
    for table in report.tables:
        head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in _texts(table)
        )
        parts.append(
            f"<h2>{escape(table.title)}</h2>"
            f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
        )
    parts += report.plots
    if report.sheet:
        source = base64.b64encode(_jpeg(contact_sheet(report.sheet[:MOST_ROWS]))).decode()
        parts.append(
            f'<h2>Contact sheet</h2><img alt="contact sheet" src="data:image/jpeg;base64,{source}">'
        )
    return "\n".join(parts) + "\n</html>\n"


def _texts(table: Table) -> list[list[str]]:
    return [
        [_text(cell, digits) for cell, digits in zip(row, table.digits, strict=True)]
        for row in table.cells
    ]


def _text(cell: Any, digits: int) -> str:
    """A cell for people; an interval as its mean and half its width."""
    if cell is None:
        return "-"
    if isinstance(cell, Interval):
        return f"{cell.mean:.{digits}f} ± {(cell.high - cell.low) / 2:.{digits}f}"
    return f"{cell:.{digits}f}" if isinstance(cell, float) else str(cell)


def _jpeg(picture: Pixels) -> bytes:
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88]
    )
    if not done:
        raise PictureError(f"a contact sheet of {picture.shape} cannot be encoded as JPEG")
    return bytes(encoded)
