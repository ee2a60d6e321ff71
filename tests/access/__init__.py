"""Who may do what, tried at every operation, and what must never be seen anywhere, looked for everywhere."""
