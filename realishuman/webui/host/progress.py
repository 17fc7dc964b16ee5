"""Our progress on the WebUI's bar: job count, steps, text, live preview, Interrupt and Skip.

The bar shows job_no / job_count plus the share of the current job's steps. Each sampling stage is
one job. Whoever knows early how many stages may come reserves them, so that the bar never runs
backwards; what was reserved and not used is taken off the count again.
"""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from realishuman.progress import Interrupted
from realishuman.webui.foreign import Processing, State

STAGES = 2  # jobs per part kind
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
        self._finish_stage()
        self._state.job_count -= self._reserved
        self._reserved = 0
        for name, value in self._before.items():
            setattr(self._state, name, value)

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
        self._state.textinfo = f"RealisHuman: {stage}"

    def step(self, count: int = 1) -> None:
        """Advance the bar."""
        if self._sampling:
            self._state.sampling_step += count
        self.heed()

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
