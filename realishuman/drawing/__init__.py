"""Pictures for people to look at: what was found, before and after."""
