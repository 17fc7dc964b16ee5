"""Packs of weights: their format, conversion and loading."""
