"""The page Models: which files there are, downloads, packs made of official files."""
