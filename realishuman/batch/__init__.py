"""Many pictures: which, where their results go, and the report."""
