"""realishuman evaluate folders: pictures before and after, and optionally real ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.errors import SettingsError
from realishuman.settings import PART_KINDS

if TYPE_CHECKING:
    from realishuman.evaluate.distances import Extractor

OK, SOME_FAILED = 0, 1
UNKNOWN = "Which weights made the pictures after is not known here: name them where you show this."
NO_REAL = "No distances: name real pictures with --real."
NO_INCEPTION = (
    "No FID and KID: they need Inception's weights, weights-inception-2015-12-05-6726825d.pth of "
    "torch-fidelity, named with --inception. Nothing is downloaded for them."
)
RANDOM_ENCODER = (
    "No distances on the pack's image encoder: its weights are random and mean nothing."
)
NO_ENCODER = "No distances: name a pack with --pack, whose image encoder gives the features."


def add_task(tasks: Any) -> None:
    """Add `folders` to evaluate's tasks."""
    command = tasks.add_parser("folders", help="compare pictures before and after refinement")
    help_place = "folder of pictures, of videos or of folders with a video's frames; or one video"
    command.add_argument("--before", required=True, type=Path, help=f"as generated: {help_place}")
    command.add_argument(
        "--after",
        required=True,
        type=Path,
        help="as refined, in the same forms and with the same names",
    )
    command.add_argument(
        "--real", type=Path, help="real pictures to compare with, in the same forms"
    )
    command.add_argument(
        "--every", type=int, default=1, help="use every Nth frame of a video (default: 1)"
    )
    add_measures(command)
    command.add_argument(
        "--identity",
        type=Path,
        help="ONNX face recognition network (ArcFace's inputs), to tell "
        "whether faces stay the same person's",
    )
    command.add_argument("--save-crops", action="store_true", help="write the crops too, as PNG")
    command.add_argument(
        "--shown", type=int, default=24, help="parts of each kind on sheet.jpg (default: 24)"
    )
    command.set_defaults(run=_folders)


def add_measures(command: argparse.ArgumentParser) -> None:
    """What is measured with what, and where the report goes."""
    command.add_argument("-o", "--output", required=True, type=Path, help="folder for the report")
    command.add_argument("--pack", help="pack whose image encoder distances are measured with")
    command.add_argument(
        "--inception", type=Path, help="file of Inception's weights, for FID and KID"
    )
    kinds = ",".join(PART_KINDS)
    command.add_argument("--parts", default=kinds, help=f"kinds of part (default: {kinds})")
    command.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")
    command.add_argument("--precision", default="auto", help="as for refine (default: auto)")
    command.add_argument("--quiet", action="store_true", help="show no progress bars")


def kinds_from(options: argparse.Namespace) -> list[str]:
    """The kinds of part that --parts names. Raises SettingsError, also for a bad --every."""
    kinds = list(dict.fromkeys(name.strip() for name in options.parts.split(",")))
    if not set(kinds) <= set(PART_KINDS):
        raise SettingsError(
            f"--parts must name some of {', '.join(PART_KINDS)}, not {options.parts!r}"
        )
    if options.every < 1:
        raise SettingsError(f"--every must be at least 1, not {options.every}")
    return kinds


def _folders(options: argparse.Namespace) -> int:
    from realishuman.batch.places import try_folder
    from realishuman.detect.embedded import EmbeddedDetector
    from realishuman.evaluate.clips import clips, partners
    from realishuman.evaluate.folder_tables import folders_report
    from realishuman.evaluate.folders import FolderRun, add_real, compare, crop_writer
    from realishuman.evaluate.identity import FaceIdentity
    from realishuman.evaluate.report import write
    from realishuman.terminal import Bar

    kinds = kinds_from(options)
    if options.real is None and (options.inception or options.pack):
        named = "--inception" if options.inception else "--pack"
        raise SettingsError(
            f"{named} is for distances to real pictures, but none are named: add --real FOLDER, or "
            f"leave {named} out"
        )
    pairs = partners(options.before, options.after, options.every)
    real = list(clips(options.real, options.every).values()) if options.real else []
    try_folder(options.output)
    extractors, remarks = extractors_from(options)
    run, detector = (
        FolderRun(
            extractors,
            FaceIdentity(options.identity) if options.identity else None,
            crop_writer(options.output / "crops") if options.save_crops else None,
            options.shown,
        ),
        EmbeddedDetector("cpu"),
    )
    facts: dict[str, Any] = {
        "before": str(options.before),
        "after": str(options.after),
        "real": str(options.real or "-"),
        "pictures and videos": len(pairs),
        "every": options.every,
        "detector": "the embedded one: MediaPipe's networks",
        "features": "; ".join(one.name for one in extractors) or "-",
        "identity": run.identity.name if run.identity else "-",
    }
    with Bar(options.quiet) as bar:
        run.say = bar.say
        try:
            compare(run, pairs, kinds, detector, bar)
            add_real(run, real, kinds, detector, bar)
        finally:
            if run.frames:
                paths = write(
                    folders_report(run, "unknown", facts, (UNKNOWN, *remarks)), options.output
                )
                bar.say("\n".join(map(str, paths)))
    return SOME_FAILED if run.left else OK


def extractors_from(options: argparse.Namespace) -> tuple[list[Extractor], tuple[str, ...]]:
    """Inception where its weights are named, and the named pack's image encoder; or why not."""
    from realishuman.evaluate.distances import PackEncoder
    from realishuman.evaluate.inception import Inception
    from realishuman.pipeline.standalone import open_models, pick_device

    if options.real is None:
        return [], (NO_REAL,)
    found: list[Extractor] = []
    remarks = []
    if options.inception is not None:
        found.append(Inception(options.inception, pick_device(options.device)))
    else:
        remarks.append(NO_INCEPTION)
    if options.pack is not None:
        models = open_models([options.pack], options.device, options.precision)
        ((kind, pack),) = models.packs.items()
        if pack.header.weights == "random":
            remarks.append(RANDOM_ENCODER)
        else:
            found.append(PackEncoder(models.backbone(kind), pack.header))
    elif options.inception is None:
        remarks.append(NO_ENCODER)
    return found, tuple(remarks)
