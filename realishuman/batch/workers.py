"""Several pictures at once on one machine, each in a process with networks of its own.

While one process reads, detects or writes, the others do something else, so cores and GPU are busy.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import islice

import cv2
import torch

from realishuman.batch.job import Job
from realishuman.batch.journal import Entry
from realishuman.batch.outputs import Outputs
from realishuman.batch.picture import refine_file
from realishuman.batch.run import Watch, Way
from realishuman.memory import memory_left
from realishuman.pipeline.models import Models
from realishuman.progress import Silent

AHEAD = 2  # pictures handed to each process: one at work and one waiting
WORTH_IT = 8  # pictures for each process, from which its start takes less time than it saves
NEEDED = 1.5e9  # bytes of memory for a process with the built-in networks; measured: 0.8e9
DIED = (
    "the process that refined it ended at once, most often because the memory was full: use fewer "
    "--workers, or a smaller picture."
)


def suit(models: Models, job: Job, pictures: int) -> int:
    """How many processes suit a run for which none are named.

    More than one only on a CPU and without networks that paint, which use all cores and much
    memory by themselves.
    """
    paints = models.packs or models.checkpoint is not None
    if paints or job.device not in ("auto", "cpu") or torch.cuda.is_available():
        return 1
    left = memory_left()
    fit = int(left.free / NEEDED) if left else 1
    return max(1, min(cores(), pictures // WORTH_IT, fit))


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))  # type: ignore[attr-defined,unused-ignore]
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def in_processes(job: Job, count: int) -> Way:
    """The way to refine `count` pictures at once, each process with its share of the cores.

    A picture at which a process dies is tried once more alone, and fails if it dies again.
    """

    def refine_each(outputs: Sequence[Outputs], watch: Watch) -> Iterator[tuple[int, Entry]]:
        for done, found in enumerate(_refine_all(job, count, outputs), start=1):
            watch.picture(done, len(outputs))
            yield found

    return refine_each


def _refine_all(job: Job, count: int, outputs: Sequence[Outputs]) -> Iterator[tuple[int, Entry]]:
    places = iter(range(len(outputs)))
    threads = max(1, cores() // count)
    while suspects := (yield from _run_pool(job, count, threads, outputs, places, AHEAD)):
        alone = iter(suspects)
        while culprits := (yield from _run_pool(job, 1, threads, outputs, alone, 1)):
            yield culprits[0], {"error": DIED}


def _run_pool(
    job: Job,
    count: int,
    threads: int,
    outputs: Sequence[Outputs],
    places: Iterator[int],
    ahead: int,
) -> Generator[tuple[int, Entry], None, list[int]]:
    """Refine the pictures at these places; returns those at work when a process died, else none.

    ahead  pictures handed to each process.
    """
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(count, context, _begin, (job, threads))
    at_work: set[int] = set()
    waiting: dict[Future[Entry], int] = {}
    try:
        while True:
            for place in islice(places, ahead * count - len(waiting)):
                at_work.add(place)
                waiting[pool.submit(_refine, outputs[place])] = place
            if not waiting:
                return []
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                entry, place = future.result(), waiting.pop(future)
                at_work.remove(place)
                yield place, entry
    except BrokenProcessPool:
        return sorted(at_work)
    finally:
        if at_work:  # the run was stopped
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
        pool.shutdown(cancel_futures=True)


_job: Job
_opened = ExitStack()
_models: Models | None = None


def _begin(job: Job, threads: int) -> None:
    """In a new process: be stopped by the first process alone, and end with it."""
    global _job
    _job = job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _refine(one: Outputs) -> Entry:
    """In a process: refine a picture, with the networks that the first one opened."""
    global _models
    if _models is None:
        _models = _opened.enter_context(_job.open())
    return refine_file(one, _models, _job, Silent())
