"""Model files of others: which there are, what is here, how to get them."""
