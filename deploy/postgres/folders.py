"""Private files and folders, made so that neither a link nor another user can stand in for them."""

import os
from pathlib import Path

from deploy.postgres.account import Account
from deploy.postgres.errors import ServerError

MARK = "lock"
_OURS = (MARK, "passwords.json")  # Either shows a folder to be ours; the lock is the first file made.


def make_folder(path: Path, account: Account) -> None:
    """Make the folder 0700 and the account's own; missing parents become 0700 of ours, existing ones stay as they are.

    Raises `ServerError` where a link or another user's folder stands there, `OSError` where it cannot be made.
    """
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        path.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.geteuid() != 0 and os.fstat(descriptor).st_uid != os.geteuid():
            msg = f"{path} belongs to another user: remove it, or start as that user."
            raise ServerError(msg)
        account.own(descriptor)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def refuse_foreign(path: Path) -> None:
    """Raise `ServerError` for a folder that holds something and was not made by us: its mode is not ours to change."""
    ours = any((path / name).exists() for name in _OURS)
    if not ours and path.is_dir() and any(path.iterdir()):
        msg = f"{path} holds other files: name an empty folder for PostgreSQL, or one that does not exist yet."
        raise ServerError(msg)


def open_private(path: Path, account: Account) -> int:
    """Open the file to read and append to it, made 0600 and the account's own when missing; links are refused."""
    flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    account.own(descriptor)
    return descriptor


def write_private(path: Path, text: str, account: Account) -> None:
    """Replace the file by one with this text, 0600 and the account's own; a crash leaves the old or the new."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(open_private(draft, account), "r+", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
