"""`make keys-check`: which keys are held, what hangs on each, which is missing or wrong, and which may be removed."""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from deploy.operator import operator_environment, parser, runtimes
from deploy.postgres import ServerError
from deploy.state import StateError
from shared.keys import Dependent, Finding, Kind, Rotation
from shared.runtime import Runtime
from shared.settings import SettingsError


def checked(opened: Mapping[str, Runtime]) -> dict[str, list[Finding]]:
    """Look at the keys of every service."""
    return {name: Rotation(runtime, dependents(name)).check() for name, runtime in opened.items()}


def dependents(service: str) -> Sequence[Dependent]:
    """Return what of a service hangs on its keys."""
    found: Sequence[Dependent] = import_module(f"services.{service}.keys").KEYS
    return found


def spare(found: Mapping[str, Sequence[Finding]]) -> list[str]:
    """Name the keys that may be removed, by their setting; a link key only where no service needs it."""
    named: dict[str, bool] = {}
    for service, findings in found.items():
        for finding in findings:
            if finding.place is not None:
                name = f"{finding.key_id} of {setting(service, finding.kind)}"
                named[name] = named.get(name, True) and finding.spare
    return [name for name, is_spare in named.items() if is_spare]


def setting(service: str, kind: Kind) -> str:
    """Return the variable that holds a ring."""
    return "LINK_KEYS" if kind is Kind.LINK else f"{service.upper()}_{kind.upper()}_KEYS"


def told(found: Mapping[str, Sequence[Finding]]) -> Iterator[str]:
    """Tell what was found, line by line; never a key."""
    for service, findings in found.items():
        for finding in findings:
            name = finding.key_id or "(older than key ids)"
            needs = "; ".join(f"{count} {what}" for what, count in finding.needed_by.items()) or "nothing needs it"
            yield f"{setting(service, finding.kind):24} {name:10} {_standing(finding):8} {service}: {needs}"
    yield from (f"may be removed: {name}" for name in spare(found))


def _standing(finding: Finding) -> str:
    if finding.missing:
        return "MISSING" if finding.place is None else "WRONG"
    if finding.place is None:
        return "to move"
    return "older" if finding.place else "current"


def main() -> None:
    """Print how the keys stand; exit 1 if something stored cannot be opened or found with what is configured."""
    arguments = parser(__doc__).parse_args()
    try:
        with operator_environment(arguments.state), runtimes() as opened:
            found = checked(opened)
    except (StateError, ServerError, SettingsError) as error:
        raise SystemExit(f"baoho: {error}") from None
    for line in told(found):
        print(line)
    missing = [finding for findings in found.values() for finding in findings if finding.missing]
    if missing:
        raise SystemExit(f"{len(missing)} keys are missing or wrong: bring them back before anything else is changed")
    print("every key that something needs is here")


if __name__ == "__main__":
    main()
