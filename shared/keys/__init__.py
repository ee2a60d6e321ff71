"""Keys and what hangs on them: which stored things need which key, and how they are brought under the current one."""

from shared.keys.dependents import KIT, TRIALS, Dependent, Kind, Wrapped, fits
from shared.keys.indexed import IndexedPeople
from shared.keys.ring import Finding, check
from shared.keys.rotation import Rotation

__all__ = ["KIT", "TRIALS", "Dependent", "Finding", "IndexedPeople", "Kind", "Rotation", "Wrapped", "check", "fits"]
