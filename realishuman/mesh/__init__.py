"""Mesh regressors: from keypoints to the vertices of a hand or face, in picture pixels."""
