"""Packs: what they say of themselves, their tensors, how they are made, which are installed."""
