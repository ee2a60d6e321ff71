"""How the house is run: in one process, as separate processes, behind a gateway."""
