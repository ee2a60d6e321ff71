"""Keys and what hangs on them."""
