"""The whole method on pictures: look, mesh, paint, judge, paste."""
