"""What the tests of the relay look at: events on the wire and in the mailbox, and who holds the relay's lock."""

import psycopg

from deploy.postgres import Server
from shared.db import conninfo
from shared.tables import mailbox
from tests.shared.bus.kafka_world import Seen
from tests.shared.faults.world import World


def address_of(world: World) -> str:
    return conninfo(world.producer.settings.database_url.get_secret_value())


def ids(seen: Seen) -> list[bytes | None]:
    return [dict(record.headers)["ce_id"] for record in list(seen.records)]


def numbers(seen: Seen) -> list[tuple[str, int]]:
    pairs = [(record.key or "", dict(record.headers)["ce_sequence"] or b"") for record in list(seen.records)]
    return [(key, int(number)) for key, number in pairs]


def mailed(world: World) -> list[tuple[str, int]]:
    with world.consumer.engine.connect() as connection:
        rows = connection.execute(mailbox.select().order_by(mailbox.c.id))
        return [(row.key, int(row.headers["ce_sequence"])) for row in rows]


def leaders(world: World) -> int:
    """Count who holds the relay's lock, in this world's database."""
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid"
    with psycopg.connect(address_of(world)) as connection:
        row = connection.execute(f"{held} FROM pg_database WHERE datname = current_database())").fetchone()
    return int(row[0]) if row else 0


def end_leader(world: World, server: Server) -> None:
    """End the session that holds the relay's lock, as an operator or a failover would."""
    with server.connect(str(world.producer.engine.url.database)) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )


def sessions_asking(world: World, server: Server) -> int:
    """Count the sessions whose last question was for the relay's lock."""
    with server.connect(str(world.producer.engine.url.database)) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock(%'"
            " AND state = 'idle' AND datname = current_database()"
        ).fetchone()
    return int(row[0]) if row else 0
