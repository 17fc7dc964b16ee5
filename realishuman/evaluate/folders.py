"""Protocol B: two folders of pictures whose truth is unknown, compared on crops around their parts.

The paper's Table 1: pictures as generated and as refined, and optionally real ones. A part is
looked for in the pictures before, and measured at the same place in both; so a part that the
refinement made unrecognisable counts with the score it has there, or 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.base import Detector, GivenBox, Part
from realishuman.errors import PictureError, SettingsError
from realishuman.evaluate import metrics
from realishuman.evaluate.distances import CROP_SIDE, Distance, Extractor, Features, distance
from realishuman.evaluate.metrics import bootstrap
from realishuman.evaluate.report import Report, Table
from realishuman.imaging.boxes import Box, square
from realishuman.imaging.crop import Crop, extract
from realishuman.imaging.picture import EXTENSIONS, load_picture
from realishuman.places import try_folder
from realishuman.progress import Progress

Pixels = NDArray[np.uint8]

MARGIN = 1.5  # side of a crop, in longer sides of its part
CONFIDENCE = 0.5  # from which a part in the pictures before, or in the real ones, counts
CLOSE = 5  # pixels
BEFORE, AFTER, REAL = "before", "after", "real"
NOTES = (
    "Means ± half a 95 % bootstrap interval over parts. Parts are those found in the pictures "
    f"before with a score of {CONFIDENCE:g} or more; both pictures are measured at these places.",
    "The detector's score does not tell well-formed hands from malformed ones. It is reported as "
    "in the paper and decides nothing. The same detector may have found the parts that were "
    "refined.",
    "Seam: mean step between neighbouring pixels across the edge of what changed, over the same in "
    "the picture before.",
    "Not measured: identity of faces (there is no network for it here), and FID and KID, which "
    "need Inception's weights: run torch-fidelity's `fidelity` on the folders of --save-crops.",
)


@dataclass(frozen=True)
class PartMeasures:
    """One part at its place in both pictures.

    score_before, score_after  by the embedded detector, 0 where it sees nothing.
    changed                    share of the crop's pixels that differ, in %.
    seam                       metrics.seam_ratio around them; None if nothing changed.
    """

    picture: str
    kind: str
    score_before: float
    score_after: float
    changed: float
    seam: float | None


@dataclass
class FolderRun:
    """What a run gathers; crops and features are by kind of part and set."""

    parts: list[PartMeasures] = field(default_factory=list)
    crops: dict[tuple[str, str], list[Pixels]] = field(default_factory=dict)
    features: dict[tuple[str, str], list[Features]] = field(default_factory=dict)

    def add(self, kind: str, name: str, crop: Pixels, extractor: Extractor | None) -> None:
        """Keep a crop and its features."""
        self.crops.setdefault((kind, name), []).append(crop)
        if extractor is not None:
            self.features.setdefault((kind, name), []).append(extractor(crop))


def partners(before: Path, after: Path) -> list[tuple[Path, Path]]:
    """Pictures of two folders that have the same name but for the extension.

    Raises SettingsError if a folder is none, or a picture before has no partner.
    """
    first, second = (_pictures(folder) for folder in (before, after))
    if lonely := sorted(first.keys() - second.keys()):
        raise SettingsError(
            f"{len(lonely)} of {len(first)} pictures in {before} have no partner of the same name "
            f"in {after}, {first[lonely[0]].name} for one: refine the whole folder, or move these "
            "away."
        )
    return [(path, second[stem]) for stem, path in first.items()]


def compare(
    run: FolderRun,
    pairs: Sequence[tuple[Path, Path]],
    kinds: Sequence[str],
    detector: Detector,
    progress: Progress,
    extractor: Extractor | None = None,
) -> None:
    """Measure every part of every pair and add it to `run`.

    Raises  PictureError if a picture cannot be read, SettingsError if two of a pair differ in size.
    """
    progress.begin("pictures", len(pairs))
    for first, second in pairs:
        before, after = (load_picture(path).rgb for path in (first, second))
        if before.shape != after.shape:
            raise SettingsError(
                f"{first} has {before.shape[1]} x {before.shape[0]} pixels and {second} "
                f"{after.shape[1]} x {after.shape[0]}: a refined picture has the size of its input."
            )
        for part in detector.detect(before, kinds, confidence=CONFIDENCE):
            if part.score < CONFIDENCE:
                continue
            run.parts.append(_measured(first.name, part, before, after, detector))
            for name, picture in ((BEFORE, before), (AFTER, after)):
                run.add(part.kind, name, _crop(picture, part.box), extractor)
        progress.step()


def add_real(
    run: FolderRun,
    folder: Path,
    kinds: Sequence[str],
    detector: Detector,
    progress: Progress,
    extractor: Extractor | None = None,
) -> None:
    """Add the crops of the parts of real pictures, what the others are compared with."""
    pictures = list(_pictures(folder).values())
    progress.begin("real pictures", len(pictures))
    for path in pictures:
        picture = load_picture(path).rgb
        for part in detector.detect(picture, kinds, confidence=CONFIDENCE):
            if part.score >= CONFIDENCE:
                run.add(part.kind, REAL, _crop(picture, part.box), extractor)
        progress.step()


def folders_report(
    run: FolderRun, weights: str, facts: dict[str, object], notes: Sequence[str], shown: int
) -> Report:
    """Everything of one comparison."""
    kinds = list(dict.fromkeys(part.kind for part in run.parts))
    cells = []
    for kind in kinds:
        own = [part for part in run.parts if part.kind == kind]
        columns = (
            [p.score_before for p in own],
            [p.score_after for p in own],
            [p.score_after - p.score_before for p in own],
            [p.changed for p in own],
            [p.seam for p in own if p.seam is not None],
        )
        cells.append((kind, len(own), *(bootstrap(values) for values in columns)))
    titles = ("part", "count", "score before", "score after", "difference", "changed, %", "seam")
    tables = [Table("Detection", titles, cells, (0, 0, 3, 3, 3, 1, 2))]
    found = _distances(run, kinds)
    if found:
        tables.append(
            Table(
                "Distance to the real pictures' crops",
                ("part", "set", "Fréchet", "kernel", "note"),
                [(kind, name, d.frechet, d.kernel, d.note) for kind, name, d in found],
                (0, 0, 3, 5, 0),
            )
        )
    sheet = [
        [(f"{kind} {name}", crop) for name, crop in zip((BEFORE, AFTER), pair, strict=True)]
        for kind in kinds
        for pair in list(zip(run.crops[kind, BEFORE], run.crops[kind, AFTER], strict=True))[:shown]
    ]
    return Report(
        title="Pictures before and after refinement",
        weights=weights,
        facts={**facts, "parts measured": len(run.parts)},
        notes=[*NOTES, *notes],
        tables=tables,
        sheet=sheet,
        data={
            "parts": [asdict(part) for part in run.parts],
            "distances": [{"part": k, "set": n, **asdict(d)} for k, n, d in found],
        },
    )


def _distances(run: FolderRun, kinds: Sequence[str]) -> list[tuple[str, str, Distance]]:
    return [
        (kind, name, distance(run.features[kind, name], run.features.get((kind, REAL), [])))
        for kind in kinds
        for name in (BEFORE, AFTER)
        if (kind, name) in run.features and any(place[1] == REAL for place in run.features)
    ]


def _measured(
    name: str, part: Part, before: Pixels, after: Pixels, detector: Detector
) -> PartMeasures:
    scores = []
    for picture in (before, after):
        there = detector.detect(
            picture, [part.kind], confidence=0.0, given=[GivenBox(part.kind, part.box)]
        )
        scores.append(there[0].score if there else 0.0)
    x0, y0, x1, y1 = (max(edge, 0) for edge in Crop(square(part.box, MARGIN)).pixels())
    changed = (before != after).any(axis=2)
    inside = np.zeros_like(changed)
    # single pixels that came out as they were are no edge
    inside[y0:y1, x0:x1] = cv2.morphologyEx(
        changed[y0:y1, x0:x1].astype(np.uint8), cv2.MORPH_CLOSE, np.ones((CLOSE, CLOSE), np.uint8)
    )
    return PartMeasures(
        name,
        part.kind,
        scores[0],
        scores[1],
        float(100 * changed[y0:y1, x0:x1].mean()),
        metrics.seam_ratio(after, before, inside) if inside.any() else None,
    )


def save_crops(run: FolderRun, folder: Path) -> None:
    """Write every crop as folder/KIND-SET/NUMBER.png. Raises PictureError if the disk refuses."""
    for (kind, name), crops in run.crops.items():
        place = folder / f"{kind}-{name}"
        try_folder(place)
        for number, crop in enumerate(crops):
            path = place / f"{number:06}.png"
            if not cv2.imwrite(str(path), cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)):
                raise PictureError(f"{path} cannot be written; name another folder.")


def _crop(picture: Pixels, box: Box) -> Pixels:
    pixels = (extract(picture, Crop(square(box, MARGIN), CROP_SIDE)) * 255).round().byte()
    array: Pixels = pixels.permute(1, 2, 0).numpy()
    return array


def _pictures(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by name without extension. Raises SettingsError if there are none."""
    if not folder.is_dir():
        raise SettingsError(f"{folder} is no folder.")
    found = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in EXTENSIONS}
    if not found:
        raise SettingsError(f"{folder} holds no picture ({', '.join(sorted(EXTENSIONS))}).")
    return found
