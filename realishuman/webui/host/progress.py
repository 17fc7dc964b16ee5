"""Our progress on the WebUI's bar: job count, steps, text, live preview, Interrupt and Skip.

The text names parts, stage, step and the time left, as far as it can be told from what is done.

The bar shows job_no / job_count plus the share of the current job's steps. Each sampling stage is
one job. Whoever knows early how many stages may come reserves them, so that the bar never runs
backwards; what was reserved and not used is taken off the count again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.progress import Interrupted
from realishuman.webui.foreign import Processing, State

STAGES = 2  # jobs per part kind
LEAST_SHARE, LEAST_SECONDS = 0.05, 1.0  # of a run, before the time left is told
_KEPT = ("textinfo", "sampling_step", "sampling_steps", "current_latent")


def reserve(state: State, stages: int) -> None:
    """Make room for so many sampling stages on the bar."""
    state.job_count = max(state.job_count, 0) + stages


def count_sampling(p: Processing) -> None:
    """Fix the total of the console's bar, before `reserve`: the host counts its own steps on it.

    It would take jobs for as many samplings when it is first moved. Grids and hires fix set it
    themselves before.
    """
    from modules import shared

    bar = getattr(shared, "total_tqdm", None)
    if bar is None or getattr(bar, "_tqdm", None) is not None:
        return
    steps = p.steps
    if getattr(p, "init_images", None):
        from modules.sd_samplers_common import setup_img2img_steps

        steps = setup_img2img_steps(p)[1] + 1
    bar.updateTotal(max(shared.state.job_count, 1) * steps)


@dataclass
class _Work:
    """How far the painting of some parts is.

    names  of the parts that are painted now; done of total parts were painted before them.
    start  of the first part, as time.monotonic.
    """

    names: Sequence[str]
    done: int
    total: int
    start: float
    stage: str = ""
    stages: int = -1
    steps: int = 0
    of: int = 0

    def begin(self, stage: str, total: int) -> None:
        self.stage, self.of, self.steps = stage, total, 0
        self.stages += 1

    def describe(self) -> str:
        step = f" {self.steps}/{self.of}" if self.of > 1 else ""
        last = min(self.done + len(self.names), self.total)
        place = f"{self.done + 1} to {last}" if last > self.done + 1 else f"{self.done + 1}"
        part = f"part {place} of {self.total}, " if self.total > 1 else ""
        return f"{', '.join(self.names)}: {part}{self.stage}{step}{self._time_left()}"

    def _time_left(self) -> str:
        """From the time that the share took which is done; nothing while that is too little."""
        parts = STAGES if self.stage.startswith("stage") else 1
        group = min((self.stages + self.steps / max(self.of, 1)) / parts, 1.0)
        share = (self.done + group * len(self.names)) / max(self.total, 1)
        took = time.monotonic() - self.start
        if share < LEAST_SHARE or took < LEAST_SECONDS or share >= 1:
            return ""
        return f", about {took * (1 - share) / share:.0f} s left"


class HostProgress:
    """A progress.Progress and Viewer on modules.shared.state, as a context manager.

    reserved  sampling stages that `reserve` has made room for already.
    preview   show finished stages as the live preview.
    Raises    Interrupted from begin and step once the user pressed Interrupt or Skip.
    """

    def __init__(self, state: State, reserved: int = 0, *, preview: bool = False) -> None:
        self._state, self._reserved, self._preview = state, reserved, preview
        self._sampling = False
        self._before: dict[str, object] = {}
        self._work: _Work | None = None

    def __enter__(self) -> HostProgress:
        self._before = {name: getattr(self._state, name) for name in _KEPT}
        self._state.current_latent = None  # nobody may decode the host's latent as if it were ours
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._finish_stage()
        finally:
            self._state.job_count -= self._reserved
            self._reserved = 0
            for name, value in self._before.items():
                setattr(self._state, name, value)

    def work_on(self, names: Sequence[str], done: int, total: int) -> None:
        """As a PartProgress."""
        start = self._work.start if self._work else time.monotonic()
        self._work = _Work(names, done, total, start)

    def begin(self, stage: str, total: int) -> None:
        """Start a job of `total` steps; looking for parts is no job of its own."""
        self._finish_stage()
        self.heed()
        self._sampling = stage.startswith("stage")
        if self._sampling:
            if self._reserved:
                self._reserved -= 1
            else:
                reserve(self._state, 1)
        self._state.sampling_step = 0
        self._state.sampling_steps = total if self._sampling else 0
        if self._work is not None:
            self._work.begin(stage, total)
        self._tell(stage)

    def step(self, count: int = 1) -> None:
        """Advance the bar."""
        if self._sampling:
            self._state.sampling_step += count
        if self._work is not None:
            self._work.steps += count
            self._tell(self._work.stage)
        self.heed()

    def _tell(self, stage: str) -> None:
        self._state.textinfo = f"RealisHuman: {self._work.describe() if self._work else stage}"

    def show(self, picture: NDArray[np.uint8]) -> None:
        """Show the crops as the live preview."""
        if self._preview:
            self._state.assign_current_image(Image.fromarray(picture))

    def _finish_stage(self) -> None:
        if self._sampling:
            self._sampling = False
            self._state.nextjob()

    def heed(self) -> None:
        """Stop here if the user asked for it."""
        if self._state.interrupted or self._state.skipped:
            raise Interrupted("Interrupt or Skip was pressed")
