"""The unprivileged account that PostgreSQL, which refuses root, runs under."""

import os
import pwd
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.postgres.errors import ServerError

NAME = "baoho"
FALLBACK = "nobody"
_BUSY = frozenset({1, 10})  # useradd could not lock the list of users or of groups: someone else is adding one.


@dataclass(frozen=True)
class Account:
    """A user and group id to demote to; without an id, whoever we are already. `note` says why it is an unusual one."""

    uid: int | None = None
    gid: int | None = None
    note: str = ""

    @property
    def groups(self) -> list[int] | None:
        """The further groups a demoted process keeps: none; `None` where nothing is demoted."""
        return None if self.uid is None else []

    @property
    def name(self) -> str:
        """The account's name for messages, or its number where it has none."""
        uid = os.geteuid() if self.uid is None else self.uid
        with suppress(KeyError):
            return pwd.getpwuid(uid).pw_name
        return str(uid)

    def own(self, descriptor: int) -> None:
        """Give the open file or folder to this account; by descriptor, so that no link can be put in its place."""
        if self.uid is not None:
            os.fchown(descriptor, self.uid, -1 if self.gid is None else self.gid)

    def may(self, test: str, path: Path) -> bool:
        """Ask the kernel, as this account, whether `test` ("-x", "-w") holds for the path."""
        command = ["/bin/sh", "-c", 'test "$1" "$2"', "sh", test, str(path)]
        asked = subprocess.run(
            command, check=False, cwd="/", user=self.uid, group=self.gid, extra_groups=self.groups, close_fds=True
        )
        return asked.returncode == 0


def find_account() -> Account:
    """Find the account for the server: ourselves, or, as root, the system user `baoho`, made when it is missing."""
    if os.geteuid() != 0:
        return Account()
    return _named(NAME) or _made() or _fallback()


def account_of(path: Path) -> Account | None:
    """Name, as root, the unprivileged owner of an existing folder, who must go on running it; else `None`."""
    if os.geteuid() != 0 or not path.exists():
        return None
    found = path.stat()
    return Account(found.st_uid, found.st_gid) if found.st_uid else None


def _named(name: str, note: str = "") -> Account | None:
    with suppress(KeyError):
        found = pwd.getpwnam(name)
        return Account(found.pw_uid, found.pw_gid, note)
    return None


def _made() -> Account | None:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is None:
        return None
    command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    for _ in range(10):
        added = subprocess.run([*command, "--shell", "/bin/false", NAME], check=False, capture_output=True)
        if added.returncode not in _BUSY or _named(NAME):
            break
        time.sleep(0.2)
    return _named(NAME)


def _fallback() -> Account:
    note = f"PostgreSQL refuses root and no user {NAME} could be made (useradd), so it runs as {FALLBACK}"
    found = _named(FALLBACK, note)
    if found is None:
        msg = f"PostgreSQL refuses root, and there is neither a user {NAME} nor {FALLBACK}: run as another user."
        raise ServerError(msg)
    return found
