"""Pictures that the WebUI makes: the script's accordion, its hooks, infotext, grids, Extras."""
