"""PostgreSQL's data folder: made whole or not at all, looked over before each start, and its settings."""

import shutil
import subprocess
from pathlib import Path

from deploy.postgres.errors import ServerError
from deploy.postgres.folders import write_private
from deploy.postgres.place import Place

MAJOR = "18"
ROOT = "baoho_root"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}  # Nothing of the caller's PG* variables.
_PARTS = ("global/pg_control", "global/pg_filenode.map", "base/1", "pg_wal", "pg_xact", "postgresql.conf")
_ACCESS = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n"
_SETTINGS = {
    "max_connections": "300",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    # No personal data in the log: an error's text, its details and its statement all quote what a person wrote.
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
}
# A commit still waits for its write to the operating system: free without fsync, and tests may kill the server.
_FAST = {"fsync": "off", "full_page_writes": "off"}


def create(place: Place, password: str, *, fast: bool) -> None:
    """Make the data folder with `initdb`, under another name until it is whole: a crash leaves no half of it."""
    draft, secret = place.folder / "data.new", place.folder / "initdb.password"
    shutil.rmtree(draft, ignore_errors=True)
    write_private(secret, f"{password}\n", place.account)
    # The locale provider is PostgreSQL's own: the same C.UTF-8 on every system, whatever its C library brings.
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    command = [str(place.binaries / "bin" / "initdb"), f"--pgdata={draft}", f"--username={ROOT}"]
    command += [f"--pwfile={secret}", "--auth=scram-sha-256", "--data-checksums", *locale]
    try:
        made = subprocess.run(
            [*command, "--no-sync"] if fast else command,
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            user=place.account.uid,
            group=place.account.gid,
            extra_groups=place.account.groups,
        )
    finally:
        secret.unlink(missing_ok=True)
    if made.returncode:
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[0]
        msg = f"PostgreSQL could not make {place.data}: {reason}"
        raise ServerError(msg)
    draft.rename(place.data)


def refuse_unusable(data: Path) -> None:
    """Raise `ServerError` for a data folder of another major version, or one that lacks a part."""
    marker = data / "PG_VERSION"
    missing = [part for part in _PARTS if not (data / part).exists()] if marker.is_file() else [marker.name]
    if missing:
        msg = f"{data} is damaged, {missing[0]} is missing: restore a backup, or remove the folder to begin anew."
        raise ServerError(msg)
    found = marker.read_text(encoding="ascii", errors="replace").strip()
    if found != MAJOR:
        msg = f"{data} was made by PostgreSQL {found[:20]!r}, ours is {MAJOR}: dump it there and load it here."
        raise ServerError(msg)


def server_command(place: Place, sockets: Path | None, port: int, *, fast: bool) -> list[str]:
    """Compose the server's command line: its settings stand here, where no edited file can loosen them.

    `sockets` is the folder of the Unix socket; with `None` the server listens on 127.0.0.1 only.
    """
    access = place.folder / "pg_hba.conf"
    write_private(access, _ACCESS, place.account)
    settings = {
        **_SETTINGS,
        **(_FAST if fast else {}),
        "hba_file": str(access),
        "listen_addresses": "" if sockets else "127.0.0.1",
        "unix_socket_directories": str(sockets or ""),
        "port": str(port),
    }
    command = [str(place.binaries / "bin" / "postgres"), "-D", str(place.data)]
    return command + [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
