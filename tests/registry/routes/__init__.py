"""Tests of the registry's API, by what it is about."""
