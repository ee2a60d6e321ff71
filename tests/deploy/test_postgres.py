"""The embedded PostgreSQL in use: its roles, its databases, its settings and its silence about people."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from deploy.postgres import SERVICES, Role, Server, ServerError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("postgres") / "pg", fast=True)
    with server:
        server.prepare()
        yield server
    server.destroy()


@pytest.fixture(scope="module")
def durable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server(tmp_path_factory.mktemp("durable") / "pg", port)
    with server:
        yield server
    server.destroy()


def as_role(server: Server, service: str, role: Role = "app", database: str | None = None) -> psycopg.Connection:
    url = server.url(service, role, database=database).replace("+psycopg", "")
    return psycopg.connect(url, autocommit=True)


def test_each_role_reaches_its_own_database_through_sqlalchemy(server: Server) -> None:
    for service in SERVICES:
        for role in ("app", "owner"):
            engine = create_engine(server.url(service, role))
            with engine.connect() as connection:
                row = connection.execute(text("SELECT current_user, current_database()")).one()
            engine.dispose()

            assert tuple(row) == (f"{service}_{role}", service)


def test_a_wrong_password_is_refused(server: Server) -> None:
    url = make_url(server.url("intake")).set(drivername="postgresql", password="wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.render_as_string(hide_password=False))


def test_every_way_in_asks_for_scram(server: Server) -> None:
    with server.connect() as connection:
        rules = connection.execute("SELECT type, auth_method FROM pg_hba_file_rules").fetchall()

    assert set(rules) == {("local", "scram-sha-256"), ("host", "scram-sha-256")}


def test_no_role_reaches_another_services_database(server: Server) -> None:
    for role in ("app", "owner"):
        for database in ("hotline", "postgres", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                as_role(server, "intake", role, database)


def test_the_app_role_uses_the_owners_tables_and_makes_none(server: Server) -> None:
    with as_role(server, "intake", "owner") as owner:
        owner.execute("CREATE TABLE visit (id bigserial PRIMARY KEY, place text)")

    with as_role(server, "intake") as app:
        app.execute("INSERT INTO visit (place) VALUES ('a')")
        app.execute("UPDATE visit SET place = 'b'")
        places = app.execute("SELECT place FROM visit").fetchall()
        app.execute("DELETE FROM visit")
        for statement in (
            "CREATE TABLE other (id int)",
            "CREATE TEMPORARY TABLE other (id int)",
            "CREATE SCHEMA other",
            "ALTER TABLE visit ADD COLUMN more text",
            "TRUNCATE visit",
            "DROP TABLE visit",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute(statement)

    assert places == [("b",)]


def test_a_clone_has_the_templates_rows_owner_and_rights(server: Server) -> None:
    with as_role(server, "referral", "owner") as owner:
        owner.execute("CREATE TABLE seed (id int); INSERT INTO seed VALUES (7)")

    server.clone("referral", "referral_clone")

    with as_role(server, "referral", database="referral_clone") as app:
        assert app.execute("SELECT id FROM seed").fetchall() == [(7,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("CREATE TABLE other (id int)")
    with as_role(server, "referral", "owner", "referral_clone") as owner:
        owner.execute("CREATE TABLE later (id int)")
    with as_role(server, "referral", database="referral_clone") as app:
        app.execute("INSERT INTO later VALUES (1)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        as_role(server, "intake", database="referral_clone")


def test_a_clone_is_dropped_although_someone_uses_it(server: Server) -> None:
    server.clone("registry", "registry_clone")
    user = as_role(server, "registry", database="registry_clone")

    server.drop("registry_clone")
    server.drop("registry_clone")

    with pytest.raises(psycopg.OperationalError):
        user.execute("SELECT 1")
    user.close()


def test_preparing_again_keeps_what_is_there(server: Server) -> None:
    with as_role(server, "hotline", "owner") as owner:
        owner.execute("CREATE TABLE kept (id int)")

    server.prepare()

    with as_role(server, "hotline") as app:
        assert app.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_the_databases_speak_vietnamese_and_check_their_pages(server: Server) -> None:
    with as_role(server, "intake") as app:
        row = app.execute("SELECT lower('ĐẶNG'), 'Ồ' ~ '[[:alpha:]]'").fetchone()
        shown = {
            name: app.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("server_encoding", "data_checksums", "max_connections", "TimeZone", "server_version_num")
        }

    assert row == ("đặng", True)
    assert shown["server_encoding"] == ("UTF8",)
    assert shown["data_checksums"] == ("on",)
    assert shown["max_connections"] == ("300",)
    assert shown["TimeZone"] == ("UTC",)
    assert str(shown["server_version_num"]).startswith("('18")


def test_what_a_person_wrote_never_reaches_the_log(server: Server) -> None:
    canary = "Nguyễn Thị Canary 0901234567"

    with as_role(server, "intake") as app:
        for statement in (
            f"SELECT '{canary}'::int",
            f"SELECT * FROM missing WHERE name = '{canary}'",  # noqa: S608
            f"DO $$ BEGIN RAISE WARNING '{canary}'; END $$",
        ):
            with pytest.raises(psycopg.Error):
                app.execute(statement + "; SELECT 1/0")
        with pytest.raises(psycopg.DataError):
            app.execute("SELECT %s::text::int", (canary,))

    log = server.log.read_text(encoding="utf-8")
    assert "ready to accept connections" in log
    assert "Canary" not in log
    assert "0901234567" not in log


def test_passwords_are_kept_to_us_and_differ(server: Server) -> None:
    file = server.folder / "passwords.json"

    passwords = json.loads(file.read_text(encoding="utf-8"))

    assert file.stat().st_mode & 0o777 == 0o600
    assert set(passwords) == {"baoho_root"} | {f"{service}_{role}" for service in SERVICES for role in ("app", "owner")}
    assert len(set(passwords.values())) == len(passwords)


def test_every_folder_of_the_server_is_closed_to_others(server: Server) -> None:
    found = [server.folder, *(path for path in server.folder.rglob("*") if not path.is_socket())]

    assert [path for path in found if path.stat().st_mode & 0o077] == []


def test_over_tcp_it_listens_on_loopback_only_and_has_no_socket(durable: Server) -> None:
    with durable.connect() as root:
        address = root.execute("SELECT host(inet_server_addr()), inet_server_port()").fetchone()
        listening = root.execute("SHOW listen_addresses").fetchone()
        sockets = root.execute("SHOW unix_socket_directories").fetchone()

    assert address == ("127.0.0.1", durable.port)
    assert listening == ("127.0.0.1",)
    assert sockets == ("",)


def test_over_tcp_the_right_password_opens_and_a_wrong_one_does_not(durable: Server) -> None:
    with durable.connect() as root:
        root.execute("CREATE ROLE intake_app LOGIN PASSWORD 'given'")
    url = make_url(durable.url("intake", database="postgres")).set(drivername="postgresql")

    psycopg.connect(url.set(password="given").render_as_string(hide_password=False)).close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.set(password="wrong").render_as_string(hide_password=False))


def test_a_taken_port_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = Server(tmp_path / "pg", port, fast=True)

        with pytest.raises(ServerError, match=rf"^port {port} on 127\.0\.0\.1 cannot be used [^\n]*$"):
            server.start()

    server.destroy()


def test_an_unknown_service_has_no_url(server: Server) -> None:
    with pytest.raises(ServerError, match="no database role payroll_app"):
        server.url("payroll")


def test_a_url_can_be_had_by_another_process_of_ours_without_starting(server: Server) -> None:
    other = Server(server.state, fast=True)

    with psycopg.connect(other.url("intake").replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("intake_app",)


def test_durability_stays_on_unless_asked_otherwise(durable: Server) -> None:
    with durable.connect() as root:
        shown = [
            root.execute("SELECT current_setting(%s)", (name,)).fetchone()
            for name in ("fsync", "synchronous_commit", "full_page_writes")
        ]

    assert shown == [("on",), ("on",), ("on",)]


def test_destroying_leaves_nothing_behind(tmp_path: Path) -> None:
    server = Server(tmp_path / "pg", fast=True)
    server.start()
    folder = server.folder

    server.destroy()

    assert not folder.exists()
    assert list(tmp_path.iterdir()) == []
