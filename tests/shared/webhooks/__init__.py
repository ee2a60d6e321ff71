"""Tests of the webhooks that need no database."""
