"""How each material of a head looks: skin and what is drawn on it, eyes, hair, teeth, cloth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from realishuman.mesh.hand_template import Floats
from realishuman.synthetic.cloth import Fabric, woven
from realishuman.synthetic.face.atlas import look_up
from realishuman.synthetic.face.hair import Cut, strands, within
from realishuman.synthetic.face.head import landmark
from realishuman.synthetic.face.organs import (
    CLOTH,
    EAR,
    EYEBALLS,
    HAIR,
    HEAD,
    MOUTH,
    TEETH,
)
from realishuman.synthetic.face.person import Person
from realishuman.synthetic.noise import octaves, solid
from realishuman.synthetic.skin import Look, redden

_NOSTRILS = ((-0.62, 1.75, -5.9), (0.62, 1.75, -5.9))  # cm
_NOSTRIL = (0.0042, 0.0036, 0.006)  # metres
# Landmark, metres around it, how much it reddens.
_BLUSH = ((50, 0.022, 1.0), (280, 0.022, 1.0), (1, 0.015, 0.9), (152, 0.02, 0.4), (9, 0.02, 0.3))


@dataclass(frozen=True)
class Materials:
    """All that colours a head.

    atlas    the maps of face.atlas.
    lattice  noise.
    blank    resting places (K, 3), metres, around which nothing is drawn: a lost eye's.
    catch    (3,) unit: where on an eyeball the main lamp is mirrored.
    """

    person: Person
    cut: Cut
    fabric: Fabric
    atlas: Tensor
    lattice: Tensor
    blank: Tensor
    catch: Tensor

    def look(self, rest: Tensor, normals: Tensor, share: Tensor, number: Tensor) -> Look:
        """Return how points (N, 3) at rest look; arguments as paint.Looks says."""
        total = Look(torch.zeros(len(rest), 3), torch.zeros(len(rest)), torch.zeros(len(rest)))
        kinds: list[tuple[Tensor, Callable[[Tensor], Look]]] = [
            (number >= HEAD, lambda at: self._skin(rest[at], share[at], number[at])),
            (number == CLOTH, lambda at: woven(self.fabric, self.lattice, rest[at], 0.0)),
            (number == HAIR, lambda at: self._hair(rest[at])),
            (number == MOUTH, lambda at: _mouth(rest[at])),
            (number == TEETH, lambda at: _teeth(rest[at])),
        ]
        for side, ball in enumerate(EYEBALLS):
            kinds.append((number == ball, partial(self._eye, rest, side)))
        for which, look in kinds:
            at = torch.nonzero(which).flatten()
            if len(at):
                part = look(at)
                for whole, own in zip(vars(total).values(), vars(part).values(), strict=True):
                    whole[at] = own
        return total

    def _skin(self, rest: Tensor, share: Tensor, number: Tensor) -> Look:
        person, lattice = self.person, self.lattice
        front = self._front(rest, share, number)
        drawn = {name: values * front for name, values in look_up(self.atlas, rest).items()}
        slow = solid(lattice, rest, 0.014, 3.0)
        fine = octaves(lattice, rest, 0.0034, 3)
        albedo = _colour(person.skin.back) * torch.exp(0.06 * slow + 0.035 * fine)[:, None]
        albedo = self._flush(albedo, rest, front, number)
        tired = (0.10 + 0.25 * person.lines) * drawn["hollow"][:, None]
        albedo = albedo * torch.exp(-tired * torch.tensor([0.7, 1.0, 0.8]))
        depth = drawn["line"] * (0.12 + 0.7 * person.lines) + 0.8 * drawn["fold"]
        albedo = albedo * torch.exp(-depth[:, None] * torch.tensor([0.35, 0.5, 0.55]))
        relief = 0.00008 * fine - 0.0007 * depth
        gloss = (person.skin.gloss * (0.55 + 0.2 * slow) - 0.2 * depth).clamp(0.05, 1)

        albedo, gloss = self._lips(albedo, gloss, drawn, rest)
        folds = solid(lattice, rest * torch.tensor([1.0, 0.25, 1.0]), 0.0022, 2.2)
        relief = relief + 0.0004 * drawn["lips"] * folds
        albedo, relief = self._hairs(albedo, relief, drawn, rest, number)
        dark = torch.zeros(len(rest))
        for place in _NOSTRILS:
            off = (rest - 0.01 * torch.tensor(place)) / torch.tensor(_NOSTRIL)
            dark = dark + torch.exp(-(off.square().sum(1) ** 1.5))
        albedo = torch.lerp(albedo, 0.06 * albedo, (0.92 * dark * front).clamp(0, 1)[:, None])
        return Look(albedo, relief, gloss * (1 - 0.9 * dark.clamp(0, 1)))

    def _front(self, rest: Tensor, share: Tensor, number: Tensor) -> Tensor:
        """Where the maps are drawn, 0..1: on the face, but not where an eye is lost."""
        front = ((share - 0.3) / 0.4).clamp(0, 1) * (number == HEAD)
        front = front * torch.sigmoid((0.02 - rest[:, 2]) / 0.01)
        for place in self.blank:
            front = front * (1 - torch.exp(-(((rest - place).square().sum(1) / 0.021**2) ** 2)))
        return front

    def _flush(self, albedo: Tensor, rest: Tensor, front: Tensor, number: Tensor) -> Tensor:
        """Redden cheeks, nose and ears, and put freckles on."""
        blush = 0.22 * solid(self.lattice, rest, 0.03, 11.0) + 0.6 * (number == EAR)
        for name, reach, much in _BLUSH:
            apart = (rest - _colour(landmark(name))).square().sum(1)
            blush = blush + much * 0.55 * torch.exp(-apart / reach**2)
        albedo = redden(albedo, self.person.skin.redness * blush)
        spots = (solid(self.lattice, rest, 0.0024, 21.0) - 0.3).clamp(0, 1) * front
        spots = spots * torch.exp(-(((rest[:, 1] - 0.002) / 0.022) ** 2))
        return albedo * torch.exp(-0.9 * self.person.freckles * spots)[:, None]

    def _lips(
        self, albedo: Tensor, gloss: Tensor, drawn: dict[str, Tensor], rest: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Colour lips, and paint them."""
        person, lips, seam = self.person, drawn["lips"], drawn["seam"]
        own = albedo * _colour(person.lips) * (1.0 if person.skin.tone > -14 else 1.15)
        own = torch.lerp(own, _colour(person.paint).expand_as(own), 0.85 * person.painted)
        shade = 1 - 0.12 * (0.040 - rest[:, 1]).clamp(0, 0.004) / 0.004
        albedo = torch.lerp(albedo, own * shade[:, None], lips[:, None])
        albedo = albedo * (1 - 0.75 * seam)[:, None]
        return albedo, torch.lerp(gloss, torch.tensor(0.55 + 0.3 * person.painted), lips)

    def _hairs(
        self, albedo: Tensor, relief: Tensor, drawn: dict[str, Tensor], rest: Tensor, number: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Draw lashes, brows, beard and the roots of hair on the skin."""
        person, lattice = self.person, self.lattice
        brow = _colour(person.brow)
        dark = torch.lerp(brow, torch.tensor([0.008, 0.007, 0.007]), 0.5 + 0.4 * person.liner)
        lash = drawn["lash"] * (0.62 + 0.35 * person.liner)
        fleck = solid(lattice, rest * torch.tensor([1.0, 0.5, 1.0]), 0.0013, 6.0)
        full = max(0.0, 2 * person.beard - 0.8)
        thick = person.beard * (1 + 0.15 * solid(lattice, rest, 0.012, 9.0)) * (0.62 + 0.3 * full)
        thick = thick + (0.25 - 0.15 * full) * fleck * (person.beard > 0)
        beard = (drawn["beard"] * thick).clamp(0, 0.93)
        roots = self._roots(rest, number)
        for share, colour in (
            (beard, brow * 1.1),
            (drawn["brow"] * 0.88, brow),
            (roots, _colour(person.hair) * 0.8),
            (lash.clamp(0, 1), dark),
        ):
            albedo = torch.lerp(albedo, colour.expand_as(albedo), share[:, None])
        return albedo, relief + 0.0007 * full * beard * fleck + 0.0003 * drawn["brow"]

    def _roots(self, rest: Tensor, number: Tensor) -> Tensor:
        """How much hair grows out of the skin here, 0..1: soft where the cap begins."""
        if self.cut.style == "bald":
            return torch.zeros(len(rest))
        inside = torch.tensor(within(self.cut, self.lattice, rest.double().numpy())).float()
        lines = torch.tensor(strands(self.cut, rest.double().numpy())).float()
        fleck = solid(self.lattice, lines * torch.tensor([1.0, 0.2, 1.0]), 0.0020, 4.0)
        return 0.9 * torch.sigmoid((inside + 0.0035 * fleck) / 0.0022) * (number == HEAD)

    def _hair(self, rest: Tensor) -> Look:
        lattice = self.lattice
        curly = self.cut.style == "curly"
        stretch = torch.tensor([1.0, 0.8 if curly else 0.09, 1.0])
        fine = solid(lattice, rest * stretch, 0.0016, 2.0)
        middle = solid(lattice, rest * stretch, 0.0048, 6.0)
        broad = solid(lattice, rest * (0.4 + 0.6 * stretch), 0.014, 12.0)
        bright = 0.30 * fine + 0.30 * middle + 0.22 * broad
        albedo = _colour(self.person.hair) * torch.exp(bright)[:, None]
        relief = 0.0005 * fine + 0.0013 * middle
        if curly:
            relief = relief + 0.004 * solid(lattice, rest, 0.009, 3.0)
        gloss = torch.full((len(rest),), 0.15 if curly else 0.45) + 0.15 * middle
        return Look(albedo, relief, gloss.clamp(0.05, 0.8))

    def _eye(self, whole: Tensor, side: int, at: Tensor) -> Look:
        """White with veins, iris with its dark rim and rays, pupil; of the points `at`."""
        rest = whole[at]
        away = torch.acos((-rest[:, 2]).clamp(-1, 1))
        turn = torch.atan2(rest[:, 1], rest[:, 0])
        rays = torch.stack([torch.cos(turn), torch.sin(turn), away], 1)
        ray = solid(self.lattice, rays * torch.tensor([1.0, 1.0, 0.5]), 0.08, 5.0 * side)
        white = torch.tensor([0.50, 0.455, 0.42]) * (1 - 0.25 * (away - 0.6).clamp(0, 0.8))[:, None]
        veins = (away - 0.55).clamp(0, 0.5) * (1 + solid(self.lattice, rest, 0.12, 2.0))
        white = redden(white, 0.9 * veins.clamp(0, 1))
        iris = _colour(self.person.iris[side]) * torch.exp(0.35 * ray)[:, None]
        iris = iris * (1.5 - 0.9 * ((away - 0.28) / 0.2).clamp(0, 1))[:, None]
        rim = torch.sigmoid((away - 0.46) / 0.03)
        iris = iris * (1 - 0.7 * rim)[:, None]
        albedo = torch.lerp(iris, white, torch.sigmoid((away - 0.52) / 0.018)[:, None])
        pupil = torch.sigmoid((self.person.pupil - away) / 0.015)
        albedo = albedo * (1 - 0.95 * pupil)[:, None]
        lid = torch.sigmoid((-rest[:, 1] - 0.22) / 0.07)  # what the upper lid keeps in the shade
        albedo = albedo * (1 - 0.6 * lid)[:, None]
        apart = (rest - self.catch).square().sum(1)
        albedo = albedo + 2.2 * torch.exp(-((apart / 0.055**2) ** 2))[:, None]
        return Look(albedo, torch.zeros(len(rest)), torch.full((len(rest),), 1.0))


def _mouth(rest: Tensor) -> Look:
    """Dark, with a tongue below."""
    tongue = torch.sigmoid((rest[:, 1] - 0.001) / 0.002)[:, None]
    albedo = torch.lerp(
        torch.tensor([0.03, 0.008, 0.008]), torch.tensor([0.16, 0.04, 0.04]), tongue
    )
    return Look(albedo, torch.zeros(len(rest)), torch.full((len(rest),), 0.3))


def _teeth(rest: Tensor) -> Look:
    """A row of teeth, parted by dark lines; the middle pair is broadest."""
    place = rest[:, 0].abs() / (0.0042 - 0.0009 * (rest[:, 0].abs() / 0.02).clamp(0, 1)) / 2
    off = (place - place.round()).abs()
    lower = rest[:, 2] > 0.5
    gap = torch.exp(-((torch.where(lower, off * 0.8, off) / 0.06) ** 2))
    albedo = torch.tensor([0.66, 0.61, 0.51]) * (1 - 0.45 * gap)[:, None]
    back = (1 - 0.55 * (rest[:, 0].abs() / 0.022).clamp(0, 1) ** 2)[:, None]
    return Look(albedo * back, -0.0003 * gap, torch.full((len(rest),), 0.6))


def _colour(values: Floats) -> Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32)
