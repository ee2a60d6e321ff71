"""Where the files live: in the state folder, or, where the account of root's server cannot enter it, elsewhere."""

import fcntl
import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.postgres import binaries
from deploy.postgres.account import Account, account_of, find_account
from deploy.postgres.errors import ServerError
from deploy.postgres.folders import MARK, make_folder, refuse_foreign, write_private

HOME = Path("/var/lib/baoho")
_TESTS = "tests"
_ORIGIN = "origin"


@dataclass(frozen=True)
class Place:
    """The folder of all files, the folder of the binaries, the account of the server, and a line on what is unusual."""

    folder: Path
    binaries: Path
    account: Account
    note: str = ""

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self.folder / "data"


def locate(state: Path, *, fast: bool) -> Path:
    """Find the folder that an earlier start settled on for this state; touches nothing."""
    return _elsewhere(state, fast=fast) if _moved(state, fast=fast) else state


def settle(state: Path, *, fast: bool) -> Place:
    """Make the folder for this state and choose account and binaries; only folders of our own are made or changed.

    Raises `ServerError` for a folder that is not ours, `OSError` for one that cannot be made.
    """
    refuse_foreign(state)
    if os.geteuid() != 0:
        make_folder(state, Account())
        return Place(state, binaries.installed(), Account())
    return _settle_as_root(state, fast=fast)


def _settle_as_root(state: Path, *, fast: bool) -> Place:
    folder = _elsewhere(state, fast=fast)
    account = account_of(folder / "data") or account_of(state / "data") or find_account()
    _make_home()
    notes = [account.note] if account.note else []
    if _moved(state, fast=fast) or not _enters(account, state):
        _refuse_closed(state, folder, account)
        _make_elsewhere(folder, state, account)
        notes.append(f"PostgreSQL's user {account.name} cannot enter {state}, so its data are in {folder}")
    else:
        folder = state
    programs = binaries.within_reach(account, HOME)
    if programs.is_relative_to(HOME):
        notes.append(f"its binaries are copied to {programs}")
    return Place(folder, programs, account, "; ".join(notes))


def _elsewhere(state: Path, *, fast: bool) -> Path:
    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:12]
    return HOME / _TESTS / name if fast else HOME / name


def _moved(state: Path, *, fast: bool) -> bool:
    return os.geteuid() == 0 and (_elsewhere(state, fast=fast) / "data").exists()


def _enters(account: Account, state: Path) -> bool:
    make_folder(state, account)
    return account.may("-w", state)


def _refuse_closed(state: Path, folder: Path, account: Account) -> None:
    """See to it that no empty database elsewhere stands in for one that is here and merely closed."""
    if (state / "data").exists() and not (folder / "data").exists():
        msg = f"user {account.name} can no longer enter {state}, where the data are: open its parent folders again."
        raise ServerError(msg)


def _make_home() -> None:
    for path in (HOME, HOME / _TESTS):
        if not path.exists():
            path.mkdir(exist_ok=True)
            path.chmod(0o711)  # The account must pass through, and see nothing on its way.


def _make_elsewhere(folder: Path, state: Path, account: Account) -> None:
    _sweep()
    make_folder(folder, account)
    write_private(folder / _ORIGIN, str(state), account)


def _sweep() -> None:
    """Remove what test servers left here whose own folder is gone and which nobody runs."""
    for folder in (HOME / _TESTS).iterdir():
        with suppress(OSError):
            origin = Path((folder / _ORIGIN).read_text(encoding="utf-8"))
            if not origin.exists() and not is_held(folder / MARK):
                shutil.rmtree(folder, ignore_errors=True)


def is_held(lock: Path) -> bool:
    """Say whether a server holds this lock; raises `OSError` where there is none."""
    descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
