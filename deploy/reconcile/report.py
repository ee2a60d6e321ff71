"""How the count is told: a line for a person, or JSON for a machine."""

import json
from collections.abc import Sequence
from datetime import datetime

from deploy.reconcile.counting import Line


def is_clean(lines: Sequence[Line]) -> bool:
    """Say whether nothing is broken; what is in flight is not."""
    return not any(line.broken for line in lines)


def as_text(lines: Sequence[Line]) -> str:
    """Return a line for each invariant, what is broken with its first ids and its sentence."""
    return "\n".join(part for line in lines for part in _told(line))


def as_json(lines: Sequence[Line], at: datetime) -> str:
    """Return the whole count; `ids` are the first few broken ones of each line."""
    return json.dumps({"at": at.isoformat(), "clean": is_clean(lines), "lines": [line.as_dict() for line in lines]})


def _told(line: Line) -> list[str]:
    word = "BROKEN" if line.broken else "ok"
    figures = f"checked {line.checked:>9,}  in flight {line.in_flight:>5,}  broken {line.broken:>5,}"
    told = [f"{word:<7}{line.name:<20}{figures}"]
    if line.broken:
        more = " …" if line.broken > len(line.ids) else ""
        told += [f"       {line.vi}", f"       {line.en}", f"       {', '.join(line.ids)}{more}"]
    return told
