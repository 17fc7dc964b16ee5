"""realishuman refine, for pictures: which, where to, and how many at once."""

from __future__ import annotations

import argparse
import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from realishuman.cli.jobs import job_from, opened_models
from realishuman.cli.options import OK, SOME_FAILED
from realishuman.errors import SettingsError
from realishuman.settings import Settings
from realishuman.terminal import Bar

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.batch.job import Job
    from realishuman.batch.journal import Journal
    from realishuman.batch.outputs import Outputs
    from realishuman.detect.base import GivenBox


def refine_pictures(
    options: argparse.Namespace, settings: Settings, boxes: Sequence[GivenBox]
) -> int:
    """Refine the pictures that are named; returns the exit code."""
    from realishuman.batch.outputs import plan
    from realishuman.batch.places import arrange, try_folder

    if options.cores and options.ray is None:
        raise SettingsError("--cores is for --ray; --workers shares out the cores by itself.")
    only = _numbers(options.only)
    steps = Path(options.save_steps) if options.save_steps else None
    report = Path(options.json) if options.json else None
    form, suffix = _format(options.format), _suffix(options.suffix)
    if stored := _find_addresses(options):
        from realishuman.distributed.stored import arrange_stored

        _check_stored(options, stored)
        arranged = arrange_stored(options.pictures, options.output, form=form, suffix=suffix)
    else:
        arranged = arrange(
            options.pictures,
            options.output,
            form=form,
            suffix=suffix,
            apart_from=filter(None, [steps]),
        )
    if only and len(arranged.pairs) > 1:
        raise SettingsError(
            f"--only names parts of one picture, but there are {len(arranged.pairs)}."
        )
    outputs = plan(arranged.pairs, compare=options.compare, steps_folder=steps, report=report)
    if report is not None and report.is_dir():
        raise SettingsError(f"the report {report} is a folder; name a file in it.")
    for folder in filter(None, (steps, report and report.parent)):
        try_folder(folder)
    job = job_from(options, settings, boxes, only)
    skipped = {one for one in outputs if options.skip_existing and one.target.exists()}
    with Bar(options.quiet) as bar, _journal(options, job, outputs) as journal:
        if arranged.passed_over:
            bar.say(arranged.passed_over)
        skipped = {one for one in skipped if not journal.has(one)}
        if skipped:
            bar.say(f"{len(skipped)} of {len(outputs)} results are there already.")
        if len(skipped) == len(outputs) and report is None:
            return OK
        failed = _run(options, job, outputs, skipped, journal, report, bar)
    return SOME_FAILED if failed else OK


def _journal(options: argparse.Namespace, job: Job, outputs: Sequence[Outputs]) -> Journal:
    """The journal of this command: the same for the same pictures, results and options."""
    from realishuman.batch.journal import Journal
    from realishuman.distributed.address import Address, is_address

    names = [
        name if is_address(name) else os.path.abspath(name)  # noqa: PTH100 - follows no link
        for name in (*options.pictures, options.output)
    ]
    named = (names, options.format, options.suffix, options.compare, options.save_steps)
    text = f"{job.fingerprint()} {named}"
    name = hashlib.sha256(text.encode()).hexdigest()[:12]
    if is_address(options.output):
        from realishuman.distributed.stored import StoreJournal

        return StoreJournal(Address(options.output), name)
    return Journal(outputs[0].target.parent if len(outputs) == 1 else Path(options.output), name)


def _find_addresses(options: argparse.Namespace) -> list[str]:
    """What is named that lies in a store, or in a tar."""
    from realishuman.distributed.address import is_address, is_tar

    tars = [name for name in options.pictures if is_tar(name)]
    return [*tars, *(name for name in (*options.pictures, options.output) if is_address(name))]


def _check_stored(options: argparse.Namespace, addresses: Sequence[str]) -> None:
    """Raise SettingsError where addresses cannot be used."""
    if options.ray is None:
        raise SettingsError(f"{addresses[0]} can be opened with --ray only: add it.")
    for name in ("compare", "save_steps", "only"):
        if getattr(options, name):
            flag = "--" + name.replace("_", "-")
            raise SettingsError(f"{flag} is for files on a disk, not for {addresses[0]}.")


def _run(
    options: argparse.Namespace,
    job: Job,
    outputs: Sequence[Outputs],
    skipped: Collection[Outputs],
    journal: Journal,
    report: Path | None,
    bar: Bar,
) -> int:
    """Open the networks and refine; returns how many pictures failed."""
    from realishuman.batch.run import one_by_one, refine_files
    from realishuman.batch.workers import in_processes, suit

    if options.ray is not None:
        return _run_on_ray(options, job, outputs, skipped, journal, report, bar)
    with opened_models(job, bar) as models:
        count = options.workers or suit(models, job, len(outputs) - len(skipped))
        if count > 1:
            models.release_onnx()  # every process opens its own
        return refine_files(
            outputs,
            in_processes(job, count) if count > 1 else one_by_one(models, job),
            journal,
            skipped=skipped,
            report=report,
            advice=models.lacking.values(),
            watch=bar,
        )


def _run_on_ray(
    options: argparse.Namespace,
    job: Job,
    outputs: Sequence[Outputs],
    skipped: Collection[Outputs],
    journal: Journal,
    report: Path | None,
    bar: Bar,
) -> int:
    """Refine on a cluster, whose actors open the networks; returns how many pictures failed."""
    from realishuman.batch.run import refine_files
    from realishuman.distributed.cluster import Workers
    from realishuman.distributed.run import on_ray
    from realishuman.pipeline.standalone import lacking

    return refine_files(
        outputs,
        on_ray(job, options.ray, Workers(options.workers, options.cores or 1)),
        journal,
        skipped=skipped,
        report=report,
        advice=() if job.packs else lacking(job.settings.parts).values(),
        watch=bar,
    )


def _numbers(text: str | None) -> list[int] | None:
    """The parts that --only names. Raises SettingsError unless these are numbers from 1."""
    if text is None:
        return None
    numbers = [int(one) if one.strip().isdecimal() else 0 for one in text.split(",")]
    if min(numbers) < 1:
        raise SettingsError(f"--only must name parts by their numbers, as in 1,3, not {text!r}")
    return numbers


def _format(name: str | None) -> str | None:
    """The results' extension without its dot. Raises SettingsError if none can be written so."""
    if name is None:
        return None
    from realishuman.imaging.formats import writable

    form = name.lower().removeprefix(".")
    if f".{form}" not in writable():
        known = ", ".join(sorted(one[1:] for one in writable()))
        raise SettingsError(f"--format must be one of {known}, not {name!r}")
    return form


def _suffix(text: str) -> str:
    """The results' suffix. Raises SettingsError if it cannot stand in a file's name."""
    if any(sign in text for sign in ("/", "\\", "\0")):
        raise SettingsError(f"--suffix must be a part of a file's name, not {text!r}")
    return text
