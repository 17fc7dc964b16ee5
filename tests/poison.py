"""A job that ends its process at pictures of one colour, as a full memory does."""

from __future__ import annotations

import os
from contextlib import contextmanager

from realishuman.batch.job import Job
from realishuman.pipeline.models import Models

POISON = (255, 0, 255)


class _Deadly:
    """Finds what another detector finds, in pictures of other colours."""

    def __init__(self, other):
        self.other = other

    def __getattr__(self, name):
        return getattr(self.other, name)

    def detect(self, picture, kinds, **options):
        if tuple(picture[0, 0]) == POISON:
            os._exit(9)
        return self.other.detect(picture, kinds, **options)


class PoisonedJob(Job):
    """A job whose process dies at pictures of one colour."""

    @contextmanager
    def open(self):
        models = Models()
        models.detector = _Deadly(models.detector)
        yield models
