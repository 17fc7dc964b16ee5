"""Adapters to the programs that own a Stable Diffusion network."""
