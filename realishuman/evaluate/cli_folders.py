"""realishuman evaluate folders: pictures before and after, and optionally real ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.errors import SettingsError
from realishuman.settings import PART_KINDS

if TYPE_CHECKING:
    from realishuman.evaluate.distances import Extractor

OK = 0
UNKNOWN = "Which weights made the pictures after is not known here: name them where you show this."
RANDOM_ENCODER = "No distances: the features of a random encoder mean nothing."
NO_ENCODER = "No distances: name a pack with --pack, whose image encoder gives the features."


def add_task(tasks: Any) -> None:
    """Add `folders` to evaluate's tasks."""
    command = tasks.add_parser("folders", help="compare pictures before and after refinement")
    command.add_argument("--before", required=True, type=Path, help="folder as generated")
    command.add_argument("--after", required=True, type=Path, help="folder as refined, same names")
    command.add_argument("--real", type=Path, help="folder of real pictures to be compared with")
    command.add_argument("-o", "--output", required=True, type=Path, help="folder of the report")
    command.add_argument("--pack", help="pack whose image encoder distances are measured with")
    kinds = ",".join(PART_KINDS)
    command.add_argument("--parts", default=kinds, help=f"kinds of part (default: {kinds})")
    command.add_argument(
        "--save-crops", action="store_true", help="write the crops too, as torch-fidelity's input"
    )
    command.add_argument("--shown", type=int, default=24, help="parts on the sheet (default: 24)")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    command.add_argument("--precision", default="auto", help="as for refine (default: auto)")
    command.add_argument("--quiet", action="store_true", help="no progress bars")
    command.set_defaults(run=_folders)


def _folders(options: argparse.Namespace) -> int:
    from realishuman.detect.embedded import EmbeddedDetector
    from realishuman.evaluate.folders import (
        FolderRun,
        add_real,
        compare,
        folders_report,
        partners,
        save_crops,
    )
    from realishuman.evaluate.report import write
    from realishuman.hosts.standalone import Bar
    from realishuman.places import try_folder

    kinds = list(dict.fromkeys(name.strip() for name in options.parts.split(",")))
    if not set(kinds) <= set(PART_KINDS):
        raise SettingsError(
            f"--parts must name some of {', '.join(PART_KINDS)}, not {options.parts!r}"
        )
    pairs = partners(options.before, options.after)
    try_folder(options.output)
    extractor, remarks = _extractor(options)
    run, detector = FolderRun(), EmbeddedDetector("cpu")
    with Bar(options.quiet) as bar:
        compare(run, pairs, kinds, detector, bar, extractor)
        if options.real is not None:
            add_real(run, options.real, kinds, detector, bar, extractor)
        facts: dict[str, Any] = {"before": options.before, "after": options.after}
        facts = {name: str(place) for name, place in facts.items()} | {
            "real": str(options.real or "-"),
            "pictures": len(pairs),
            "features": extractor.name if extractor else "-",
        }
        report = folders_report(run, "unknown", facts, (UNKNOWN, *remarks), options.shown)
        paths = write(report, options.output)
        if options.save_crops:
            save_crops(run, options.output / "crops")
        bar.say("\n".join(map(str, paths)))
    return OK


def _extractor(options: argparse.Namespace) -> tuple[Extractor | None, tuple[str, ...]]:
    """The named pack's image encoder, or why there are no distances."""
    from realishuman.evaluate.distances import PackEncoder
    from realishuman.hosts.standalone import open_models

    if options.real is None:
        return None, ()
    if options.pack is None:
        return None, (NO_ENCODER,)
    models = open_models([options.pack], options.device, options.precision)
    ((kind, pack),) = models.packs.items()
    if pack.header.weights == "random":
        return None, (RANDOM_ENCODER,)
    return PackEncoder(models.backbone(kind), pack.header), ()
