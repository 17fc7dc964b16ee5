"""Everything that can go wrong and that a user can do something about.

RealisHumanError
├── SettingsError    an option has a value that cannot be used
├── PictureError     a picture cannot be read or written
├── ModelError       a detector or mesh model cannot be opened or does not fit
├── PackError        a pack or checkpoint is missing, damaged or of the wrong kind
├── BackboneError    the diffusion networks cannot be built or run as asked
└── TrainingError    a training run cannot go on

A message says what was found, what was expected and what to do now. Anything else that is
raised is a bug of ours and keeps its traceback; among many pictures it costs one picture only, and
the traceback stands in the report.
"""

from __future__ import annotations


class RealisHumanError(Exception):
    """Base of all errors whose message is meant for the user."""


class SettingsError(RealisHumanError):
    """An option has a value that cannot be used."""


class PictureError(RealisHumanError):
    """A picture cannot be read or written."""


class ModelError(RealisHumanError):
    """A detector or mesh model cannot be opened or does not fit."""


class PackError(RealisHumanError):
    """A pack or checkpoint is missing, damaged or of the wrong kind."""


class BackboneError(RealisHumanError):
    """The diffusion networks cannot be built or run as asked."""


class TrainingError(RealisHumanError):
    """A training run cannot go on."""
