"""What a page shows for a number that the user leaves to the pack: the one in effect."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from realishuman.kinds import KINDS, MaskRule, plural
from realishuman.packs.own_numbers import OwnNumbers, own_numbers
from realishuman.settings import PART_KINDS, PER_KIND

_CROP = 512  # pixels of a crop's side in which kernels count
_AROUND = 4  # sides of its box that a part's outline is long, about


@dataclass(frozen=True)
class InEffect:
    """A number in effect; words say what it stands for where it is not the same for all parts."""

    value: float
    words: str = ""

    @property
    def text(self) -> str:
        """The words, or the number."""
        return self.words or f"{self.value:g}"


@dataclass(frozen=True)
class Used:
    """What a run would use.

    own    of every kind of part.
    kinds  of part that are wanted.
    words  of settings whose number the picture itself decides, by name.
    """

    own: Mapping[str, OwnNumbers]
    kinds: Sequence[str] = PART_KINDS
    words: Mapping[str, str] = field(default_factory=dict)

    def numbers(self) -> dict[str, InEffect]:
        """By the names of the settings that may be left to the pack."""
        made = {name: self._shared(of) for name, of in _SHARED.items()}
        for name, words in self.words.items():
            made[name] = InEffect(made[name].value, words)
        for kind in KINDS:
            for name in PER_KIND:
                if name in _SHARED:
                    made[f"{kind}_{name}"] = _SHARED[name](self.own[kind])
        return made

    def as_json(self) -> str:
        """For the page, whose JavaScript puts the numbers into the sliders."""
        shown = {name: [one.value, one.words] for name, one in self.numbers().items()}
        return json.dumps(shown)

    def _shared(self, of: Callable[[OwnNumbers], InEffect]) -> InEffect:
        """What holds for all wanted kinds; the first one's number where they differ."""
        kinds = [kind for kind in PART_KINDS if kind in self.kinds] or PART_KINDS
        found = {kind: of(self.own[kind]) for kind in kinds}
        first = found[kinds[0]]
        if len(set(found.values())) == 1:
            return first
        each = [f"{one.text} for {plural(kind)}" for kind, one in found.items()]
        return InEffect(first.value, ", ".join(each))


def without_packs() -> Used:
    """What a run uses that finds no pack; nothing is looked for."""
    return Used({kind: own_numbers(kind, None, None) for kind in KINDS})


def _erode(own: OwnNumbers) -> InEffect:
    """The kernel that makes m_e; it follows the part's size unless the pack names it."""
    rule: MaskRule = own.masks
    if rule.erode_of == "kernel":
        return InEffect(round(rule.erode))
    side = _CROP / own.margin
    whole, of = (side, "size") if rule.erode_of == "side" else (_AROUND * side, "outline")
    return InEffect(round(rule.erode * whole), f"{rule.erode:.0%} of the part's {of}")


_SHARED: Mapping[str, Callable[[OwnNumbers], InEffect]] = {
    "margin": lambda own: InEffect(own.margin),
    "dilate": lambda own: InEffect(own.masks.dilate),
    "erode": _erode,
    "steps": lambda own: InEffect(own.steps),
    "guidance": lambda own: InEffect(own.guidance),
}
