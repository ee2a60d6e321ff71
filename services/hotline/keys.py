"""What of the hotline hangs on its keys: data keys alone; nobody is searched here."""

from shared.keys import KIT, Dependent

KEYS: tuple[Dependent, ...] = KIT
