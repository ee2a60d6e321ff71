"""Many journeys at once while the parts of the house are killed under them."""
