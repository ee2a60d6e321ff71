"""`make demo`: one story, played through the gateway with real requests, from a mission's desk to money paid back."""
