"""The real processes under load while their database restarts, their disk fills, or they are told to stop."""
