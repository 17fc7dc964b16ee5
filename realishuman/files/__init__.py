"""Files written whole, read steadily, told apart by their hashes, and locked."""
