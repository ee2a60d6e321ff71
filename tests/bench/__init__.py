"""`make bench`: what the house costs, each figure beside its limit in the same run."""
