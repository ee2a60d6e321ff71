"""The templates beside this file, and how one is filled in."""

from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent


class _Template(Template):
    delimiter = "@@"
    idpattern = "(?a:[a-z_]+)"


def fill(template_name: str, /, **values: str) -> str:
    """Return the text of a template with every place filled; raises `KeyError` for one without a value."""
    template = (TEMPLATES / f"{template_name}.conf.template").read_text(encoding="utf-8")
    return _Template(template).substitute(values)
