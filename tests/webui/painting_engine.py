"""An engine that paints a square, so that every change of a picture is known."""

from __future__ import annotations

from pathlib import Path

from realishuman.imaging.boxes import Box
from realishuman.pipeline.result import PartReport, Result
from realishuman.webui.host.outlook import Outlook
from realishuman.webui.in_effect import without_packs


class Models:
    packs = {}  # noqa: RUF012


class PaintingEngine:
    """Refines a hand in every picture: a square in a colour that tells the seed."""

    def __init__(self):
        self.calls, self.released, self.fails, self.parts = [], 0, None, 1
        self.searches, self.found, self.founds, self.origins = 0, None, [], []
        self.weights, self.notes = "random", ()
        self.saved = Path("nowhere")

    def bind(self, choices):
        self.choices = choices
        return self

    def find(self, image, settings, *, progress):
        self.searches += 1
        progress.begin("detect", 1)
        progress.step()
        return self.found

    def refine(self, image, settings, *, progress, keep_steps=False, found=None, made=None):
        self.founds.append(found)
        self.origins.append(made)
        self.calls.append((settings, dict(self.choices.packs), self.choices.detector_device))
        progress.begin("detect", 1)
        progress.step()
        for stage in ("stage one", "stage two") if self.parts else ():
            progress.begin(stage, 4)
            for step in range(4):
                if self.fails and self.fails[:2] == (stage, step):
                    self.fails[2]()
                progress.step()
        painted = image.copy()
        painted[8:16, 8:16, :3] = settings.seed % 256
        box = Box(8, 8, 16, 16)
        hand = PartReport(1, "hand", "right", 0.9, box, "refined", crop=box)
        face = PartReport(2, "face", None, 0.6, box, "kept", "This face is too small.")
        steps = {"1-hand/2-pose": painted[:8, :8, :3], "1-hand/4-stage-one": painted[:8, :8, :3]}
        return Result(
            image=painted if self.parts else image,
            parts=(hand, face)[: 2 * self.parts],
            message="1 of 2 parts refined." if self.parts else "No part was found.",
            weights={"hand": self.weights} if self.parts else {},
            unets={"hand": "own"} if self.parts else {},
            notes=self.notes,
            provider="CPUExecutionProvider",
            steps=steps if keep_steps else {},
        )

    def models(self):
        return Models()

    def saved_folder(self):
        return self.saved

    def pack_files(self):
        return ["mine.safetensors"]

    def control_files(self):
        return ["sd15_depth"]

    def outlook(self, choices):
        settings, packs = choices.settings, choices.packs
        said = f"{' '.join(settings.parts)}: {packs['hand']}, {packs['face']} by {settings.engine}."
        return Outlook(said, (f"Strength {settings.strength:g}.",), without_packs())

    def release(self):
        self.released += 1
