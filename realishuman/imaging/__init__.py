"""Pictures, boxes, crops, masks and paste: arrays in, arrays out."""
