"""Citizen protection: diplomatic missions post cases, operators triage them and hand them to an office at home."""
