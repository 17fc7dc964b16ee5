"""Names for the landmarks of the face template: contours of eyes and mouth, brows, nose, jaw.

Numbers are MediaPipe's. "Right" is the person's own right, on the left of the picture.
"""

from __future__ import annotations

Row = tuple[int, ...]
# From the outer corner along the upper lid to the inner one, and back along the lower lid.
RIGHT_EYE: Row = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE: Row = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
EYES: tuple[Row, Row] = (RIGHT_EYE, LEFT_EYE)
CORNERS = (0, 8)  # places of the outer and inner corner in a contour
UPPER, LOWER = slice(1, 8), slice(15, 8, -1)  # lids, outer to inner, matched by place
# From the right corner along the upper lip to the left one, and back along the lower lip.
OUTER_LIPS: Row = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409)
OUTER_LIPS += (291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
INNER_LIPS: Row = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415)
INNER_LIPS += (308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
# Lower and upper edge of each brow, outer to inner end.
RIGHT_BROW: tuple[Row, Row] = ((46, 53, 52, 65, 55), (70, 63, 105, 66, 107))
LEFT_BROW: tuple[Row, Row] = ((276, 283, 282, 295, 285), (300, 293, 334, 296, 336))
BROWS = (RIGHT_BROW, LEFT_BROW)
# Folds around the eyes, which stay where they are when lids move.
RIGHT_ORBIT: Row = (27, 29, 56, 23, 22, 24, 130, 243)
LEFT_ORBIT: Row = (257, 259, 286, 253, 252, 254, 359, 463)
ORBITS = (RIGHT_ORBIT, LEFT_ORBIT)
CHEEKS: tuple[Row, Row] = ((50, 205, 117), (280, 425, 346))  # cheekbone, cheek, below the eye
JAW: tuple[Row, Row] = ((172, 136, 150), (397, 365, 379))
CHIN: Row = (152, 175, 200, 18)
NOSE: Row = (1, 2, 4, 6, 168, 48, 278, 98, 327)
# Forehead, temples, before the ears.
STILL: Row = (10, 151, 9, 21, 251, 103, 332, 234, 454, 132, 361)
