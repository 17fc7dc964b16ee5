"""What is known of a picture before anything is painted: its parts, by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from realishuman.detect.base import Part
from realishuman.mesh.base import Mesh
from realishuman.parts.strokes import Stroke


@dataclass(frozen=True)
class FoundPart:
    """A part of a picture and its mesh.

    number  from 1, as the user sees it.
    reason  why it is left alone, as a sentence; empty if it is not.
    gate    why the gate would leave it alone, whatever else speaks against it; empty if it would
            not, or was not asked.
    strokes of the user's brush on its m_d.
    """

    number: int
    part: Part
    mesh: Mesh
    reason: str = ""
    gate: str = ""
    strokes: tuple[Stroke, ...] = ()

    @property
    def yields(self) -> bool:
        """Whether its reason gives way to a user who names this very part."""
        return bool(self.reason) and self.reason in (self.part.doubt, self.gate)


@dataclass(frozen=True)
class Found:
    """All parts of one picture, in the order of their numbers.

    hints  sentences on what may have been missed.
    """

    parts: tuple[FoundPart, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def chosen(self) -> tuple[FoundPart, ...]:
        """The parts that nothing speaks against."""
        return tuple(one for one in self.parts if not one.reason)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of part there are, each once."""
        return tuple(dict.fromkeys(one.part.kind for one in self.parts))

    def give_reasons(self, reasons: dict[int, str]) -> Found:
        """Return the same parts, those with these numbers with another reason to stay."""
        parts = (replace(one, reason=reasons.get(one.number, one.reason)) for one in self.parts)
        return replace(self, parts=tuple(parts))

    def with_strokes(self, strokes: Mapping[int, tuple[Stroke, ...]]) -> Found:
        """Return the same parts, those with these numbers with these strokes in place of theirs."""
        parts = (replace(one, strokes=strokes.get(one.number, one.strokes)) for one in self.parts)
        return replace(self, parts=tuple(parts))

    def keep_largest(self, count: int) -> Found:
        """Return the same parts, of each kind only so many chosen, the largest; 0 is no limit."""
        reasons: dict[int, str] = {}
        for kind in self.kinds if count else ():
            chosen = [one for one in self.chosen if one.part.kind == kind]
            chosen.sort(key=lambda one: one.part.box.longer_side, reverse=True)
            reasons |= {
                one.number: f"This {kind} is not among the {count} largest; raise max_parts to "
                "refine it."
                for one in chosen[count:]
            }
        return self.give_reasons(reasons)

    def with_gate(self, doubts: Mapping[int, str]) -> Found:
        """Return the same parts with what the gate says of those with these numbers.

        It is their reason to stay, unless there is another one.
        """
        parts = (
            replace(one, gate=why, reason=one.reason or why)
            for one in self.parts
            for why in [doubts.get(one.number, one.gate)]
        )
        return replace(self, parts=tuple(parts))


def number_parts(
    parts: Sequence[tuple[Part, str]], meshes: Sequence[Mesh], hints: Sequence[str] = ()
) -> Found:
    """Number parts in their order.

    parts   each with the reason it is left alone, empty if it is not.
    meshes  one per part.
    """
    pairs = enumerate(zip(parts, meshes, strict=True), start=1)
    found = (FoundPart(number, part, mesh, why) for number, ((part, why), mesh) in pairs)
    return Found(tuple(found), tuple(hints))
