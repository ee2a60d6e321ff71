"""What the referral service stores."""

from shared.columns import new_registry

_registry = new_registry()
metadata = _registry.metadata
