"""Many pictures on many machines, by Ray Data."""
