"""The way to refine many pictures on a Ray cluster: Ray Data hands them to actors.

Ray Data holds back what the actors cannot take yet, replaces actors and machines that die, and
hands what they were doing to others. A result that was written twice is the same file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from realishuman.batch.job import Job
from realishuman.batch.journal import Entry
from realishuman.batch.outputs import Outputs
from realishuman.batch.run import Watch, Way
from realishuman.distributed.actor import Refiner, make_row, read_row
from realishuman.distributed.cluster import Workers, connected, is_own
from realishuman.errors import SettingsError

Share = dict[str, float]  # of a machine, for one actor: num_cpus and num_gpus
MOST_BLOCKS = 10_000  # pictures beyond so many share a block, whose results come together
RETRIES = 1  # of what was at work when an actor or its machine died
IN_FLIGHT = 2  # pictures handed to each actor: one at work and one waiting
DIED = (
    "the actor that refined it died, alone and more than once, most often because the memory was "
    "full: give each more with --cores, or use a smaller picture."
)


def on_ray(job: Job, address: str = "", workers: Workers | None = None) -> Way:
    """The way to refine pictures by actors on the cluster at `address`, as connected() takes it.

    Each actor has a GPU where the cluster has any, or else the cores that `workers` says.
    """

    def refine_each(outputs: Sequence[Outputs], watch: Watch) -> Iterator[tuple[int, Entry]]:
        with connected(address) as ray:
            share, most = share_out(ray, job, workers or Workers(), address, watch)
            for done, found in enumerate(_refine_all(ray, job, share, most, outputs)):
                watch.picture(done + 1, len(outputs))
                yield found

    return refine_each


def _refine_all(
    ray: Any, job: Job, share: Share, most: int, outputs: Sequence[Outputs]
) -> Iterator[tuple[int, Entry]]:
    """Refine all; what was lost with an actor once more, each by itself, to find the culprit."""
    left = dict.fromkeys(range(len(outputs)))
    for in_flight, blocks in ((IN_FLIGHT, min(len(left), MOST_BLOCKS)), (1, len(left))):
        rows = [make_row(place, outputs[place]) for place in left]
        for row in _map(ray, rows, job, share, most, in_flight, min(blocks, len(rows))):
            place, entry = read_row(row)
            if place in left:  # Ray may run a block again whose machine died
                del left[place]
                yield place, entry
        if not left:
            return
    for place in left:
        yield place, {"error": DIED}


def share_out(
    ray: Any, job: Job, workers: Workers, address: str, watch: Watch
) -> tuple[Share, int]:
    """What each actor gets, and how many there are at most.

    Raises SettingsError if Ray was started on this machine for this run, and it has not enough.
    """
    if ":" in job.device:
        raise SettingsError("with --ray every actor has a GPU of its own: write --device cuda.")
    there = ray.cluster_resources()
    gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 0))
    on_gpu = job.device == "cuda" or (job.device == "auto" and gpus > 0)
    fit = min(cores // workers.cores, gpus if on_gpu else cores)
    if not fit:
        wanted = f"{workers.cores} cores{' and a GPU' if on_gpu else ''}"
        found = f"{cores} cores and {gpus} GPUs"
        if is_own(address):
            raise SettingsError(f"each actor needs {wanted}, but this machine has {found}.")
        watch.say(f"Each actor needs {wanted}; the cluster has {found} now and may grow.")
    share = {"num_cpus": float(workers.cores), "num_gpus": float(on_gpu)}
    return share, workers.most or max(1, fit)


def _map(
    ray: Any,
    rows: list[dict[str, Any]],
    job: Job,
    share: Share,
    most: int,
    in_flight: int,
    blocks: int,
) -> Iterator[dict[str, Any]]:
    """The rows that actors make of these, as they come; without those whose actors died."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    given = ray.data.from_items(rows, override_num_blocks=blocks)
    with warnings.catch_warnings():  # Ray has no other way to limit retries before 2.64
        warnings.simplefilter("ignore", DeprecationWarning)
        refined = given.map(
            Refiner,
            fn_constructor_args=[job, int(share["num_cpus"])],
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=most, max_tasks_in_flight_per_actor=in_flight
            ),
            max_restarts=-1,
            max_task_retries=RETRIES,
            **share,
        )
    for batch in refined.iter_batches(batch_size=None, prefetch_batches=0):
        names = list(batch)
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(names, values, strict=True))
