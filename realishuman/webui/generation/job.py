"""What the script knows of one run of the host's process_images; it hangs on the run's `p`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from realishuman.pipeline.infotext import Facts
from realishuman.webui.choices import Choices
from realishuman.webui.foreign import Processing
from realishuman.webui.host.progress import STAGES

JOB = "_realishuman_job"  # attribute of p: the Job, None when switched off


@dataclass
class Job:
    """One run of the host's process_images.

    seeds     p.all_seeds itself: another run has another list.
    error     why no picture can be refined, as a sentence.
    facts     by the number of the picture in the job.
    reserved  sampling stages on the progress bar that no picture has used yet.
    steps     pictures to save beside the next one that the host saves.
    notes     sentences that were said already.
    """

    choices: Choices
    seeds: Sequence[int]
    error: str = ""
    facts: dict[int, Facts] = field(default_factory=dict)
    reserved: int = 0
    steps: Mapping[str, Image.Image] = field(default_factory=dict)
    notes: set[str] = field(default_factory=set)

    @property
    def stages(self) -> int:
        """How many sampling stages a picture has at most."""
        return STAGES * len(self.choices.settings.parts)


def job_of(p: Processing) -> Job | None:
    """The job that this p carries; None if it is switched off, or p is a run inside of a run."""
    return None if is_nested(p) else getattr(p, JOB, None)


def is_nested(p: Processing) -> bool:
    """Whether this is a run that another extension makes for a part of a picture."""
    return bool(getattr(p, "_ad_inner", False))
