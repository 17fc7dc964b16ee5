"""What a picture's generation parameters say about us, and reading it back into the components.

Settings are constant over a job and written when it starts; those at their default are left out.
Facts differ from picture to picture and are written as functions that the host calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from realishuman import __version__
from realishuman.pipeline.infotext import FACTS, PREFIX, VERSION, Facts, as_text
from realishuman.webui.choices import Choices
from realishuman.webui.field import Field, FieldError, Shown
from realishuman.webui.fields import FIELDS
from realishuman.webui.foreign import Processing

ENABLED = FIELDS[0].key


def settings_of(choices: Choices) -> dict[str, str]:
    """Infotext keys and values of a job; defaults are left out."""
    pairs = {
        one.key: as_text(choices.values[one.name])
        for one in FIELDS
        if choices.values[one.name] != one.default
    }
    return {VERSION: __version__, **pairs}


def component_value(one: Field) -> Callable[[Mapping[str, str]], Shown]:
    """What the host calls with pasted parameters to get the value of a field's component.

    A picture made without us switches us off and leaves the other components as they are; in one
    made with us, what is not written had its default. What cannot be read leaves its component as
    it is: hosts do not catch what this raises, and would paste nothing at all.
    """

    def value(parameters: Mapping[str, str]) -> Shown:
        if ENABLED not in parameters:
            return False if one.key == ENABLED else None
        try:
            return one.show(one.read(parameters.get(one.key, one.default)))
        except FieldError:
            return None

    return value


def fact(name: str, all_facts: Mapping[int, Facts]) -> Callable[..., str | None]:
    """A function the host calls for each infotext it writes; all_facts fills as pictures are made.

    all_facts  by the number of the picture in the job, from 0.
    """

    def text(
        p: Processing,
        index: int,
        use_main_prompt: bool = False,
        all_seeds: Sequence[int] | None = None,
        **_: object,
    ) -> str | None:
        if use_main_prompt:  # a grid is no picture of its own
            return None
        # one picture's text is asked for with its place in the batch, but with all seeds of the
        # job at hand the index counts from the job's start
        number = index if all_seeds is p.all_seeds else p.iteration * p.batch_size + index
        return all_facts.get(number, {}).get(name) or None

    return text


def write(parameters: dict[str, object], choices: Choices, all_facts: Mapping[int, Facts]) -> None:
    """Put a job's keys into p.extra_generation_params, instead of those of an earlier job."""
    erase(parameters)
    parameters.update(settings_of(choices))
    for name in FACTS:
        parameters[PREFIX + name] = fact(name, all_facts)


def erase(parameters: dict[str, object]) -> None:
    """Take all our keys out of p.extra_generation_params."""
    for key in [key for key in parameters if key.startswith(PREFIX)]:
        del parameters[key]
