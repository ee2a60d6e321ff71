"""The server's folders: what is damaged is named in one line, and what is not ours keeps its mode."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from deploy.postgres import Server, ServerError, binaries
from deploy.postgres.account import find_account
from deploy.postgres.folders import make_folder

ROOT_ONLY = pytest.mark.only_root  # Nobody else runs the server as someone else.
NOT_ROOT = pytest.mark.only_user  # Root may write where modes forbid it.


@pytest.fixture
def make() -> Iterator[Callable[[Path], Server]]:
    made: list[Server] = []

    def make_server(state: Path) -> Server:
        made.append(Server(state, fast=True))
        return made[-1]

    yield make_server
    for server in made:
        server.destroy()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Make a folder that every user may pass through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="open-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a server once; each test harms its files for a moment."""
    server = Server(tmp_path_factory.mktemp("stopped") / "pg", fast=True)
    stopped_once(server)
    yield server
    server.destroy()


@contextmanager
def put_aside(path: Path) -> Iterator[None]:
    aside = path.rename(path.with_name(f"{path.name}.aside"))
    yield
    path.unlink(missing_ok=True)
    aside.rename(path)


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    kept = path.read_bytes()
    path.write_bytes(content)
    yield
    path.write_bytes(kept)


def modes(*paths: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode, owner and group of the folders and of all that lie above them."""
    every = {above for path in paths for above in (path, *path.parents)}
    return {path: (path.stat().st_mode, path.stat().st_uid, path.stat().st_gid) for path in every}


def refusal(server: Server) -> str:
    with pytest.raises(ServerError) as caught:
        server.start()
    assert server.pid is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


def stopped_once(server: Server) -> Path:
    """Run the server a first time and return its data folder."""
    server.start()
    server.stop()
    return server.folder / "data"


@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_no_folder_outside_our_own_changes_its_mode(
    make: Callable[[Path], Server], open_folder: Path, mode: int
) -> None:
    parent = open_folder / "checkout" / "var"
    parent.mkdir(parents=True)
    parent.chmod(mode)
    outside = (binaries.installed() / "bin", Path("/var/lib"))
    before = modes(parent, *outside)
    server = make(parent / "postgres")

    server.start()
    server.stop()

    assert modes(parent, *outside) == before


def test_files_stay_in_the_state_where_the_server_can_enter_it(
    make: Callable[[Path], Server], open_folder: Path
) -> None:
    server = make(open_folder / "postgres")

    server.start()

    assert server.folder == open_folder / "postgres"
    assert server.note == ""


@ROOT_ONLY
def test_files_go_elsewhere_where_the_servers_user_cannot_enter(make: Callable[[Path], Server], tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = make(closed / "postgres")

    server.start()

    assert server.folder.is_relative_to("/var/lib/baoho")
    assert "\n" not in server.note
    assert str(closed / "postgres") in server.note
    assert str(server.folder) in server.note


@ROOT_ONLY
def test_an_empty_database_never_stands_in_for_a_closed_one(make: Callable[[Path], Server], open_folder: Path) -> None:
    server = make(open_folder / "var" / "postgres")
    (open_folder / "var").mkdir(mode=0o755)
    stopped_once(server)
    (open_folder / "var").chmod(0o700)

    assert "can no longer enter" in refusal(make(server.state))


@ROOT_ONLY
def test_files_of_test_servers_are_swept_up_once_their_origin_is_gone(
    make: Callable[[Path], Server], stopped: Server, tmp_path: Path
) -> None:
    lost = make(tmp_path / "lost")
    left = stopped_once(lost).parent
    lost.state.rmdir()

    stopped_once(stopped)

    assert not left.exists()


@ROOT_ONLY
def test_binaries_out_of_reach_are_copied_and_run(
    tmp_path: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = binaries.installed()
    account = find_account()
    shutil.copytree(source, tmp_path / source.parent.name / source.name)
    (tmp_path / source.parent.name / "__init__.py").touch()
    shutil.copytree(source.parents[1] / f"{source.parent.name}.libs", tmp_path / f"{source.parent.name}.libs")
    monkeypatch.syspath_prepend(tmp_path)

    copy = binaries.within_reach(account, open_folder)
    shutil.rmtree(tmp_path / source.parent.name)
    version = subprocess.run(
        [copy / "bin" / "initdb", "--version"], check=True, capture_output=True, user=account.uid, extra_groups=[]
    )

    assert copy.is_relative_to(open_folder)
    assert b"18." in version.stdout


def test_a_path_too_long_for_a_socket_works_in_a_private_short_folder(
    make: Callable[[Path], Server], open_folder: Path
) -> None:
    server = make(open_folder / ("dài, " * 20) / ("x" * 60) / "postgres")
    make_open(server.state.parent)

    server.start()
    server.prepare()
    with psycopg.connect(server.url("intake").replace("+psycopg", "")) as connection:
        sockets = Path(connection.info.host)
    mode = sockets.stat().st_mode & 0o777
    server.stop()

    assert len(str(sockets)) < 40
    assert mode == 0o700
    assert not sockets.exists()


def make_open(folder: Path) -> None:
    """Make the folder and its missing parents so that every user may pass through."""
    for path in reversed([folder, *folder.parents]):
        if not path.exists():
            path.mkdir()
            path.chmod(0o755)


@pytest.mark.parametrize("part", ["PG_VERSION", "global/pg_control", "base/1", "pg_wal"])
def test_a_damaged_folder_names_what_is_missing(stopped: Server, part: str) -> None:
    with put_aside(stopped.folder / "data" / part):
        assert f"is damaged, {part} is missing" in refusal(stopped)


def test_damage_that_only_postgresql_can_see_is_told_in_its_words(stopped: Server) -> None:
    control = stopped.folder / "data" / "global" / "pg_control"
    with replaced(control, b"\0" * 8192):
        assert refusal(stopped).startswith("PostgreSQL did not start: ")


def test_a_folder_of_another_major_version_is_refused(stopped: Server) -> None:
    with replaced(stopped.folder / "data" / "PG_VERSION", b"17\n"):
        assert "was made by PostgreSQL '17', ours is 18" in refusal(stopped)


def test_lost_passwords_are_told_before_anything_is_started(stopped: Server) -> None:
    with put_aside(stopped.folder / "passwords.json"):
        assert "passwords.json is missing" in refusal(stopped)


def test_passwords_of_another_server_are_told(stopped: Server) -> None:
    file = stopped.folder / "passwords.json"
    with replaced(file, file.read_bytes().replace(b'"baoho_root": "', b'"baoho_root": "x')):
        assert "does not fit the data" in refusal(stopped)


def test_an_interrupted_first_start_is_simply_begun_anew(stopped: Server) -> None:
    half = (stopped.folder / "data").rename(stopped.folder / "data.new")
    (half / "PG_VERSION").unlink()

    begun = stopped_once(stopped)

    assert (begun / "PG_VERSION").exists()
    assert not half.exists()


def test_a_folder_with_other_peoples_files_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir(mode=0o755)
    (tmp_path / "letters" / "letter.txt").write_text("dear", encoding="utf-8")
    before = modes(tmp_path / "letters")

    said = refusal(Server(tmp_path / "letters", fast=True))

    assert "holds other files" in said
    assert modes(tmp_path / "letters") == before


def test_a_link_in_place_of_the_log_is_refused(stopped: Server, tmp_path: Path) -> None:
    with put_aside(stopped.log):
        stopped.log.symlink_to(tmp_path / "elsewhere")

        assert "server.log" in refusal(stopped)

    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_named(make: Callable[[Path], Server]) -> None:
    assert "/dev/null" in refusal(make(Path("/dev/null/pg")))


@NOT_ROOT
def test_a_read_only_parent_is_named(make: Callable[[Path], Server], tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)

    assert "Permission denied" in refusal(make(tmp_path / "shut" / "pg"))


@NOT_ROOT
def test_unreadable_passwords_are_named(stopped: Server) -> None:
    stopped.folder.joinpath("passwords.json").chmod(0)

    said = refusal(stopped)
    stopped.folder.joinpath("passwords.json").chmod(0o600)

    assert "cannot be read" in said


def test_making_a_folder_leaves_existing_parents_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = modes(tmp_path)

    make_folder(tmp_path / "a" / "b", find_account())

    assert modes(tmp_path) == before
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
