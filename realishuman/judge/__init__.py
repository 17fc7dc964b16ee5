"""Decides whether a part needs repair, and whether a repair is better than what was there."""
