"""The count over the four databases."""
