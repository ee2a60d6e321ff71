"""Tests of the audit chain: its sealer, its witnesses, and what verifies it."""
