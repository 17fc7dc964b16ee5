"""Put a repainted part back into its picture.

Only pixels whose centre lies inside m_d can change, unless the crop is pasted as released; every
other value of the result equals the picture's. The crop is resampled to the picture's pixels, never
the picture to the crop's. What was repainted at the picture's own pixels is not resampled at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.imaging.boxes import Box
from realishuman.imaging.colour import match_colour
from realishuman.imaging.crop import Crop, restore, restore_mask
from realishuman.imaging.fades import Fade, fade_around, merge_fades
from realishuman.imaging.tones import in_tones, tones_of

Depth = TypeVar("Depth", np.uint8, np.uint16)
Mask = NDArray[np.bool_]
Weight = NDArray[np.float32]

FEATHER = 0.35  # share of the ring, from m_d's edge inwards, over which the crop fades in
STRIP = 0.1  # of the crop's side, along its border: a part that the crop cuts off fades there
BAND = 0.04  # width of the strip around m_d's edge that colours are compared in, of the crop's side


class _Numbered:
    """What every patch says of the parts that are in it."""

    index: int
    joined: tuple[int, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of all parts in it."""
        return self.index, *self.joined


@dataclass(frozen=True)
class Patch(_Numbered):
    """One refined part as it is pasted, kept so that it can be pasted again or left out.

    index    number of the part in the picture, from 1.
    refined  (3, size, size) float32 in [0, 1], on the CPU.
    m_d, m   (size, size) bool: what may change, and the part.
    matched  (size, size) bool, where the crop has the picture's colours already; None is nowhere.
    covered  how many parts lie before this one.
    fades    as paste takes them.
    joined   numbers of other parts that were refined in the same crop.
    """

    index: int
    refined: Tensor
    crop: Crop
    m_d: Mask
    m: Mask
    matched: Mask | None = None
    covered: int = 0
    fades: tuple[Fade, ...] = ()
    joined: tuple[int, ...] = ()

    @property
    def box(self) -> Box:
        """Where in the picture it lies."""
        return self.crop.box


@dataclass(frozen=True)
class PixelPatch(_Numbered):
    """One part that was repainted at the picture's own pixels; index to joined as in Patch.

    left, top      of a window in the picture.
    before, after  (h, w, 3) uint8 RGB, the window as it was and repainted. What is the same in
                   both is not pasted.
    """

    index: int
    left: int
    top: int
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    covered: int = 0
    joined: tuple[int, ...] = ()

    @property
    def box(self) -> Box:
        """Where in the picture it lies."""
        height, width = self.before.shape[:2]
        left, top = float(self.left), float(self.top)
        return Box(left, top, left + width, top + height)

    def changed_in(self, shape: tuple[int, ...]) -> Mask:
        """What it changes, at the pixels of a picture of this height and width."""
        whole = np.zeros(shape, bool)
        whole[self._place] = self._changed
        return whole

    def onto(self, picture: NDArray[Depth], given: NDArray[Depth]) -> NDArray[Depth]:
        """A copy of the picture (H, W, 3) with what was repainted in its place.

        given  the picture as it came: of 16 bits, what 8 do not hold is kept from it.
        """
        result = picture.copy()
        place, changed = self._place, self._changed
        painted = self.after[changed].astype(np.int32)
        if picture.dtype == np.uint16:
            before = self.before[changed].astype(np.int32)
            finer = given[place][changed].astype(np.int32) - 257 * before
            painted = (257 * painted + finer).clip(0, 65535)
        result[place][changed] = painted.astype(picture.dtype)
        return result

    @property
    def _place(self) -> tuple[slice, slice]:
        height, width = self.before.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def _changed(self) -> Mask:
        changed: Mask = (self.before != self.after).any(axis=2)
        return changed


def compose(
    picture: NDArray[Depth],
    patches: Iterable[Patch | PixelPatch],
    *,
    feather: str,
    colour_match: bool,
) -> NDArray[Depth]:
    """Return the picture with these patches pasted; the picture itself if there are none.

    What is behind is pasted first, so that what lies before it stays so, the rest in their order.
    In a picture where lightness tells the colour, they are brought to its colours: see
    imaging.tones. The other arguments are those of paste, and for crops alone.
    """
    given = picture
    for patch in sorted(patches, key=lambda patch: -patch.covered):
        before = picture
        if isinstance(patch, PixelPatch):
            picture = patch.onto(picture, given)
        else:
            picture = paste(
                picture,
                patch.refined,
                patch.crop,
                patch.m_d,
                patch.m,
                matched=patch.matched,
                fades=patch.fades,
                feather=feather,
                colour_match=colour_match,
            )
        if tones := tones_of(given, patch.box):
            changed = (picture != before).any(axis=2)
            picture[changed] = in_tones(picture[changed], tones)
    return picture


def paste(
    picture: NDArray[Depth],
    refined: Tensor,
    crop: Crop,
    m_d: Mask,
    m: Mask,
    *,
    matched: Mask | None = None,
    fades: Sequence[Fade] = (),
    feather: Literal["silhouette", "radial", "released"] | str = "silhouette",
    colour_match: bool = True,
) -> NDArray[Depth]:
    """Return a copy of the picture with the refined crop inside m_d.

    picture       (H, W, 3) uint8 or uint16 RGB; the result is of the same type.
    refined       (3, size, size) float32 in [0, 1], on any device.
    m_d, m        (size, size) bool: what may change, and the part, which is taken as it is.
    feather       "silhouette" fades along the part's outline; "radial" is the released circle
                  around the crop's centre, cut off at m_d, where it may leave a seam; "released"
                  is that of `fades`, and m_d does not bound it.
    colour_match  correct the crop's colours as imaging.colour says, from m_d's edge inwards ever
                  less, and not at all in `matched`.
    matched       (size, size) bool, where the crop has the picture's colours already; None is
                  nowhere: the whole crop is corrected alike.
    fades         for "released", one per part in the crop; they are joined by their maximum.
    """
    x0, y0, x1, y1 = crop.pixels()
    height, width = picture.shape[:2]
    left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    result = picture.copy()
    if left >= right or top >= bottom:
        return result
    allowed = restore_mask(m_d, crop)
    core = restore_mask(m, crop) & allowed
    weight = (
        silhouette(core, allowed) if feather == "silhouette" else fade_around(m, crop) * allowed
    )
    changing = allowed
    if feather == "released":
        weight = merge_fades(fades, crop)
        changing = weight > 0

    seen = (slice(top - y0, bottom - y0), slice(left - x0, right - x0))
    inside = (slice(top, bottom), slice(left, right))
    patch = restore(refined.detach().cpu().float(), crop).clamp(0, 1).permute(1, 2, 0).numpy()[seen]
    white = np.float32(np.iinfo(picture.dtype).max)
    original = picture[inside].astype(np.float32) / white
    if colour_match:
        corrected = match_colour(patch, original, _band(core, allowed)[seen])
        if matched is None:
            patch = corrected
        else:
            share = 1 - _place(restore_mask(matched, crop) & allowed, allowed)[seen]
            patch = patch + share[..., None] * (corrected - patch)
    mixed = original + weight[seen][..., None] * (patch - original)
    changed = changing[seen]
    result[inside][changed] = np.rint(mixed[changed] * white).astype(picture.dtype)
    return result


def silhouette(core: Mask, allowed: Mask) -> Weight:
    """Return the weight that is 1 on the part and falls smoothly to 0 at the edge of m_d.

    core, allowed  (h, w) bool: m and m_d; the array's border counts as m_d's edge.
    Returns        (h, w) float32 in [0, 1]: 1 in m and the inner part of the ring, 0 outside m_d.
                   A pixel's place in the ring is its distance to the outer edge over the sum of
                   its distances to both, so that the seam keeps clear of m where the ring is thin.
                   Where m reaches the array's border, it is ring a tenth of the side deep.
    """
    rise = np.clip(_place(_without_strip(core), allowed) / FEATHER, 0, 1)
    weight: Weight = (rise * rise * (3 - 2 * rise)).astype(np.float32)
    return weight


def _without_strip(core: Mask) -> Mask:
    """The part without what lies close to the array's border."""
    strip = round(STRIP * core.shape[0])
    inner = np.zeros_like(core)
    inner[strip : len(core) - strip, strip : core.shape[1] - strip] = True
    return core & inner


def _place(core: Mask, allowed: Mask) -> Weight:
    """How far from the edge of `allowed`, 0, towards `core`, 1, each pixel lies; (h, w) float32."""
    outwards = _distance(allowed)
    inwards = _distance_to(core) if core.any() else outwards.max() - outwards
    place: Weight = (outwards / np.maximum(outwards + inwards, 1e-6)).astype(np.float32)
    return place


def _band(core: Mask, allowed: Mask) -> Mask:
    """The strip around m_d's edge in which picture and refined crop should show the same."""
    width = max(BAND * allowed.shape[0], 2.0)
    outside = ~allowed & (_distance_to(allowed) <= width)
    rim = allowed & ~core & (_distance(allowed) <= width / 2)
    band: Mask = outside | rim
    return band


def _distance(mask: Mask) -> Weight:
    """Distance from each pixel's centre to the nearest False one's; the border counts as False."""
    padded = cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance: Weight = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    return distance


def _distance_to(mask: Mask) -> Weight:
    """Distance of each pixel's centre to the nearest True one's; huge if there is none."""
    distance: Weight = cv2.distanceTransform(
        (~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )
    return distance
