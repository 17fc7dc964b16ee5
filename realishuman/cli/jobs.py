"""What the options of `refine` ask for, and the networks it takes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from realishuman.cli.checkpoint_options import wishes_from
from realishuman.settings import AUTO, CHECKPOINT, HANDREFINER, Settings
from realishuman.terminal import Bar

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.batch.job import Job
    from realishuman.detect.base import GivenBox
    from realishuman.pipeline.models import Models


def job_from(
    options: argparse.Namespace,
    settings: Settings,
    boxes: Sequence[GivenBox],
    only: Sequence[int] | None = None,
) -> Job:
    """What is done to each picture. Raises SettingsError if options do not go together."""
    from realishuman.batch.job import Job

    return Job(
        settings,
        tuple(boxes),
        None if only is None else tuple(only),
        describe=not options.no_metadata,
        packs=tuple(options.pack),
        device=options.device,
        precision=options.precision,
        checkpoint=options.checkpoint,
        wishes=wishes_from(options, [settings.engine]),
    )


@contextmanager
def opened_models(job: Job, bar: Bar) -> Iterator[Models]:
    """The networks of a job; the bar hears what is to be said of them."""
    engine = job.settings.engine
    with job.open() as models:
        takes = engine in (CHECKPOINT, HANDREFINER) or (
            engine == AUTO and job.settings.allow_checkpoint
        )
        if job.checkpoint and not takes:
            bar.say(
                f"The engine {engine} does not use the checkpoint: add --engine "
                "checkpoint, or --allow-checkpoint to let auto take it."
            )
        for kind, pack in models.packs.items():
            if kind in job.packed_kinds and pack.header.weights != "trained":
                bar.say(_caveat(pack.header.weights, pack.header.name))
        yield models


def _caveat(weights: str, name: str) -> str:
    if weights == "random":
        return f"{name}: RANDOM weights. They paint noise and only prove that everything runs."
    return f"{name}: demo weights: small networks that only demonstrate the method."
