"""Training: data and examples, losses, the loop that fits a part pack."""
