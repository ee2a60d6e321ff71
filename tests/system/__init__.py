"""The whole house, as a person runs it."""
