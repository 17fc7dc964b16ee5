"""Parts of a picture: what kinds there are, which lies before which, and what painters get."""
