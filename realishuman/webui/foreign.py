"""What the hosts and gradio hand us, as far as we use it; their own modules are not typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from PIL import Image

Values = Mapping[str, object]  # by field name, what components hold or a request names
Event = Callable[..., object]  # of a component: takes the function to call


class Processing(Protocol):
    """`p`, one run of the host's process_images. Other extensions may leave parts of it out.

    seeds   of the batch at hand; all_seeds of the whole run.
    sample  and setup_prompts are the host's to call; we put functions of ours in their place.
    """

    seeds: Sequence[int]
    all_seeds: Sequence[int]
    iteration: int
    batch_size: int
    batch_index: int
    width: int
    height: int
    steps: int
    extra_generation_params: dict[str, object]
    setup_prompts: Callable[[], None]
    sample: Callable[..., object]
    image_mask: Image.Image | None
    mask_for_overlay: Image.Image | None
    inpainting_mask_invert: int
    init_images: Sequence[Image.Image]  # of img2img alone

    def save_samples(self) -> bool:
        """Whether its pictures are saved."""

    def comment(self, text: str) -> None:
        """Show a sentence under the pictures; not every host has it."""


class HasImage(Protocol):
    """What a hook for one picture gets: the picture may be replaced."""

    image: Image.Image


class Extra(HasImage, Protocol):
    """A picture of the Extras tab; info goes into its infotext."""

    info: dict[str, object]


class Processed(Protocol):
    """What a run ended with."""

    images: Sequence[object]


class SavedImage(Protocol):
    """What is told after a file was saved."""

    p: Processing
    filename: str


class Axis(Protocol):
    """One axis of the host's X/Y/Z grid."""

    label: str


class State(Protocol):
    """`modules.shared.state`: what the progress bar shows and which buttons were pressed."""

    job_count: int
    sampling_step: int
    sampling_steps: int
    textinfo: str | None
    current_latent: object
    interrupted: bool
    skipped: bool

    def nextjob(self) -> None:
        """One job is done."""

    def assign_current_image(self, image: Image.Image) -> None:
        """Show it as the live preview."""


class Component(Protocol):
    """A gradio component, or a container of some; each has only some of the events."""

    visible: bool
    do_not_save_to_config: bool  # of the host: its Defaults page leaves the component alone
    click: Event
    change: Event
    input: Event
    release: Event
    select: Event
