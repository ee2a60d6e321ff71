"""What a listener lets in: of some names everything, of others a few beginnings of paths and nothing else."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy.nginx.template import fill


@dataclass(frozen=True, slots=True)
class Door:
    """Where nginx listens, and what passes there.

    `listen` are arguments of nginx's directive of that name, `names` the first segments of the paths that are served.
    Of a name in `passes` only those paths pass, each with all that lies below it: `realms/master` and
    `realms/master/x`, but not `realms/masters`.
    """

    name: str
    listen: tuple[str, ...]
    names: tuple[str, ...]
    passes: Mapping[str, tuple[str, ...]]

    def shut(self, name: str) -> str:
        """Return the nginx variable that is true of a path that does not pass; nothing where every path does."""
        return f"{self.name}_{name}_shut" if name in self.passes else ""

    def rules(self) -> str:
        """Return the nginx text that gives those variables their values."""
        return "".join(
            fill("door", name=name, variable=self.shut(name), beginnings=alternatives(paths))
            for name, paths in self.passes.items()
        )


def alternatives(paths: Iterable[str]) -> str:
    """Return a regular expression that matches any of some plain paths."""
    return "|".join(map(re.escape, paths))
