"""Refines clips: videos, animations and folders of frames, steadily over time."""
