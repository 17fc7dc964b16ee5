"""Detectors: which hands and faces a picture shows, and where their keypoints are."""
