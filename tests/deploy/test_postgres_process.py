"""The server's process: it ends with us, is alone on its folder, and rises again after a kill."""

import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from deploy.postgres import Server, ServerError

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("process") / "pg", fast=True)
    yield server
    server.destroy()


@pytest.fixture
def server(kept: Server) -> Iterator[Server]:
    yield kept
    kept.stop()


def hold(state: Path, line: Connection) -> None:
    """Run a server in a process of its own until that process is killed."""
    server = Server(state, fast=True)
    server.start()
    line.send(server.pid)
    time.sleep(120)


def eventually(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def test_it_stops_starts_again_and_bears_being_asked_twice(server: Server) -> None:
    server.start()
    first = server.pid
    server.start()
    same = server.pid
    server.stop()
    stopped = server.pid
    server.stop()
    server.start()

    assert first is not None
    assert same == first
    assert stopped is None
    assert server.pid not in {None, first}
    assert not lives(first)


def test_it_recovers_from_kill_nine_with_its_stale_pid_file(server: Server) -> None:
    server.start()
    with server.connect() as root:
        root.execute("CREATE TABLE kept AS SELECT 7 AS id")
    killed = server.pid
    assert killed is not None

    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: server.pid is None)
    assert (server.folder / "data" / "postmaster.pid").exists()
    server.start()

    with server.connect() as root:
        assert root.execute("SELECT id FROM kept").fetchall() == [(7,)]
    assert server.pid != killed


def test_a_stale_pid_file_that_names_another_program_does_not_stop_it(server: Server) -> None:
    server.start()
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert eventually(lambda: server.pid is None)
    file = server.folder / "data" / "postmaster.pid"
    owner = file.stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid, group=owner.st_gid) as stranger:
        lines = file.read_text(encoding="utf-8").splitlines()
        file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n", encoding="utf-8")

        server.start()
        stranger.kill()

    assert server.pid is not None


def test_a_second_server_on_the_same_folder_is_refused_in_one_line(server: Server) -> None:
    server.start()
    second = Server(server.state, fast=True)

    with pytest.raises(ServerError, match=rf"^another PostgreSQL runs on [^\n]* \(process {server.pid}\)[^\n]*$"):
        second.start()

    server.connect().close()


def test_a_server_that_someone_started_by_hand_is_left_alone(server: Server) -> None:
    server.start()
    pid = server.pid
    assert pid is not None
    (server.folder / "lock").unlink()  # A server started by hand does not hold our lock.
    second = Server(server.state, fast=True)

    with pytest.raises(ServerError, match=rf"another PostgreSQL runs on .* \(process {pid}\)"):
        second.start()

    assert lives(pid)


def test_it_ends_when_our_process_is_killed_and_can_be_started_at_once(server: Server) -> None:
    ours, theirs = SPAWN.Pipe()
    holder = SPAWN.Process(target=hold, args=(server.state, theirs))
    holder.start()
    assert ours.poll(60)
    pid = ours.recv()

    holder.kill()
    holder.join()
    server.start()

    assert not lives(pid)
    assert "received fast shutdown request" in server.log.read_text(encoding="utf-8")


def test_the_terminals_interrupt_reaches_neither_server_nor_watcher(server: Server) -> None:
    server.start()
    assert server.pid is not None

    assert os.getsid(server.pid) == server.pid
    assert os.getpgid(server.pid) != os.getpgid(0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a Mac has no /proc to read it from")
def test_the_server_is_never_root_and_has_no_further_groups(server: Server) -> None:
    server.start()

    status = Path(f"/proc/{server.pid}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in status.splitlines())

    assert "0" not in fields["Uid"].split()
    if os.geteuid() == 0:
        assert "0" not in fields["Gid"].split()
        assert fields["Groups"].split() == []


def test_leaving_the_block_with_an_error_stops_the_server(server: Server) -> None:
    pids: list[int | None] = []

    def interrupted() -> None:
        with server:
            pids.append(server.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    (pid,) = pids
    assert pid is not None
    assert not lives(pid)
    assert server.pid is None
