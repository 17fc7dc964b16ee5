"""Synthetic faces: a head on the face template, hair, clothes, and what can go wrong."""
