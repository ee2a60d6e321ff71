"""Dead letters: what operators may do with them, what they see of them, and what the worker then does."""
