"""Work of ours in the host's queue and on its progress bar, outside of a generation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from realishuman.settings import PART_KINDS
from realishuman.webui.host.progress import STAGES, HostProgress, reserve
from realishuman.webui.options import PREVIEW, option

JOB = "RealisHuman"  # as the host's log and page call it


@contextmanager
def turn() -> Iterator[None]:
    """Alone in the host's queue; Interrupt and Skip of the job before are forgotten."""
    from modules import shared
    from modules.call_queue import queue_lock

    with queue_lock:
        shared.state.begin(job=JOB)
        try:
            yield
        finally:
            shared.state.end()


@contextmanager
def shown_progress() -> Iterator[HostProgress]:
    """Our progress on the host's bar, with room for both stages of every kind of part."""
    from modules import shared

    stages = STAGES * len(PART_KINDS)
    reserve(shared.state, stages)
    with HostProgress(shared.state, stages, preview=option(PREVIEW)) as made:
        yield made
