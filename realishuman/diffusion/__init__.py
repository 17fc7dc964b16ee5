"""Sampling: schedule, guidance, reference attention and the two stages."""
