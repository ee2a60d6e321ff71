"""Tests of the versioned code lists."""
