"""Tables, plots and notes of protocol A, from what a run gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from realishuman.evaluate.measures import CLEAN, CONFIDENCE
from realishuman.evaluate.metrics import PSNR_CAP
from realishuman.evaluate.plots import bars
from realishuman.evaluate.report import Report, Table
from realishuman.evaluate.run import Run
from realishuman.evaluate.summary import (
    COLUMNS,
    MALFORMED,
    TRUTH,
    WORSE_COLOUR,
    WORSE_KEYPOINTS,
    Row,
    distances,
    rows,
    skills,
)

PLOTTED = ("psnr_changed", "judged", "five", "keypoints", "delta_e", "seam", "halo")
JUDGED = ("judged", "asked", "five", "delta_e", "mesh_error", "keypoints", "detected")
OF_KINDS = ("refined", "psnr_changed", "gain", *JUDGED)
OF_CLEAN = ("refined", "psnr_hand", *JUDGED, "worse")
NOTES = (
    f"Means ± half a 95 % bootstrap interval over pairs. PSNR of equal areas counts as "
    f"{PSNR_CAP:g} dB. ΔE is CIE76 between mean colours where the clean picture shows the hand.",
    "True pose: the clean hand's own mesh; what the ring covers of the malformed hand is still "
    "estimated, for packs with corrected meshes. Estimated pose: what detector and regressor make "
    "of the malformed picture, so a pair whose hand is not found is kept as it is and counts as "
    "such.",
    "The detector's score does not tell well-formed hands from malformed ones. It is reported and "
    f"decides nothing here; in estimated-pose rows the same detector (from {CONFIDENCE:g}) also "
    "found the hand that was repaired.",
    "Joint error is measured on detected hands only, so read it together with the detection rate.",
    "Mesh error: the joints of the mesh that was followed against the true ones, in the picture; "
    "hands that were not found are left out.",
    "Seam: mean step between neighbouring pixels across the edge of what was repainted (m_d, or m "
    "where stage one is pasted directly), over the same of the clean picture.",
    "Halo: ΔE by which the ring between the true hand and the edge of what was repainted stands "
    "out from both of its sides, at low frequencies and at its worst twentieth, beyond what it "
    "does in the clean picture; texture counts as a colour. About 5 can be seen at a glance.",
    f"A clean hand is made worse when it is no longer detected, its joints move by more than "
    f"{WORSE_KEYPOINTS:g} % of its size, or its mean colour by more than ΔE {WORSE_COLOUR:g}.",
    f"Judged malformed: the scorer, a network that sees hand and true mesh, says {MALFORMED:.0%} "
    "or more; with an estimated mesh, a well-formed hand in another pose counts as malformed, too. "
    "Malformed for the mesh followed: the same network is shown the mesh that was asked for. Five "
    "fingers: it counts five. It was trained on other seeds than these pairs and the "
    "judge that decides whether a repair is kept; how good it is stands in its own table.",
    "The pipeline's check by re-detected keypoints is off here: the same detector scores.",
    "Distances on the scorer's features tell well-formed hands from malformed ones and can be "
    "compared between reports of as many pairs of the same seeds and size; those on a pack's own "
    "encoder cannot be compared between packs. Neither is FID or KID, which need Inception's "
    "weights and are not measured.",
)


def pairs_report(
    title: str,
    run: Run,
    weights: str,
    facts: dict[str, Any],
    notes: Sequence[str] = (),
) -> Report:
    """Everything of one run of protocol A, finished or stopped early."""
    groups = {name: rows(run.measures, name) for name in ("all", "kind", "tone")}
    malformed = [row for row in groups["kind"] if row.group != CLEAN]
    harmed = [row for row in groups["kind"] if row.group == CLEAN]
    tables = [
        _table("All kinds", groups["all"], [n for n in COLUMNS if n != "worse"], named=False),
        _table("By kind of malformation", malformed, OF_KINDS),
        _table("By third of the skin tones", groups["tone"], OF_KINDS),
    ]
    if harmed:
        tables.append(_table("Given clean hands", harmed, OF_CLEAN, named=False))
    if skilled := skills(run.measures):
        tables.append(
            Table(
                "How good the scorer is, on pictures as they came",
                ("group", "AUC", "malformed: fingers told, %", "clean: five told, %"),
                [(s.group, s.auc, s.counted, s.clean) for s in skilled],
                (0, 3, 1, 1),
            )
        )
    found = [(name, _name(method, pose), d) for (method, pose, name), d in distances(run).items()]
    for name in dict.fromkeys(name for name, _, _ in found):
        tables.append(
            Table(
                f"Distance of the hands' crops to the clean ones', by {name}",
                ("method", "Fréchet", "kernel", "note"),
                [(of, d.frechet, d.kernel, d.note) for by, of, d in found if by == name],
                (0, 3, 5, 0),
            )
        )
    return Report(
        title=title,
        weights=weights,
        facts={**facts, "pairs measured": len({m.seed for m in run.measures})},
        notes=[*NOTES, *notes],
        tables=tables,
        plots=[_plot(name, groups["all"]) for name in PLOTTED],
        sheet=run.sheet,
        data={
            "rows": [row.plain() for each in groups.values() for row in each],
            "distances": [{"method": of, "extractor": name, **asdict(d)} for name, of, d in found],
            "measures": [asdict(m) for m in run.measures],
        },
    )


def _table(title: str, chosen: Sequence[Row], names: Sequence[str], named: bool = True) -> Table:
    """A table of some columns; `named` adds the group's."""
    columns = [COLUMNS[name] for name in names]
    cells = [
        (
            _name(row.method, row.pose),
            *([row.group] if named else []),
            *(row.values[name] for name in names),
            row.most,
        )
        for row in chosen
    ]
    return Table(
        title,
        ("method", *(["group"] if named else []), *(c.title for c in columns), "changed outside"),
        cells,
        (0, *([0] if named else []), *(c.digits for c in columns), 0),
    )


def _plot(name: str, chosen: Sequence[Row]) -> str:
    column = COLUMNS[name]
    # the clean picture's cap would dwarf every other bar
    shown = [row for row in chosen if name != "psnr_changed" or row.method != TRUTH]
    title = f"{column.title} ({column.better} is better)" if column.better else column.title
    entries = [(_name(row.method, row.pose), row.values[name]) for row in shown]
    return bars(title, entries, column.digits)


def _name(method: str, pose: str) -> str:
    return f"{method}, {pose} pose" if pose else method
