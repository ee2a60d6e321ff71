"""What the tests of the embedded carrier do again and again."""

from sqlalchemy import select

from shared.bus import Record
from shared.tables import mailbox
from tests.shared.faults.world import World


def keys_of(records: list[Record]) -> list[str | None]:
    return [record.key for record in records]


def waiting(world: World) -> list[tuple[str, int]]:
    """Return the keys in the mailbox with their counted tries, in order."""
    with world.consumer.engine.connect() as connection:
        rows = connection.execute(select(mailbox.c.key, mailbox.c.attempts).order_by(mailbox.c.id))
        return [(row.key, row.attempts) for row in rows]
