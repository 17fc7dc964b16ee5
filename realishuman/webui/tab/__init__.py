"""The tab RealisHuman: one picture, its parts and boxes, and what was repainted of them."""
