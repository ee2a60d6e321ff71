"""The kit's own tables; every service has them in its database, made by the `kit` branch of the migrations."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from shared.columns import NAMING

PAYLOAD_LIMIT = 65_536
"""Bytes of one event's payload: one oversized row must not stop a producer for ever."""

kit = MetaData(naming_convention=NAMING)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True, cache=1), primary_key=True)


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


outbox = Table(
    "outbox",
    kit,
    _id(),
    Column("event_id", Uuid, nullable=False),
    Column("topic", String, nullable=False),
    Column("key", String, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    _created_at(),
    CheckConstraint(f"octet_length(payload) <= {PAYLOAD_LIMIT}", name="payload_size"),
)
"""Events of this service that no carrier has acknowledged yet."""

inbox = Table(
    "inbox",
    kit,
    Column("event_id", Uuid, primary_key=True),
    Column("handled_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)
"""Events whose effects this service has; kept 35 days, longer than any topic."""

mailbox = Table(
    "mailbox",
    kit,
    _id(),
    Column("event_id", String, nullable=False, unique=True),
    Column("topic", String, nullable=False),
    Column("key", String, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    _created_at(),
    Index("ix_mailbox_key_id", "key", "id"),
)
"""Embedded carrier only: events that wait for this service."""

dead_letter = Table(
    "dead_letter",
    kit,
    _id(),
    Column("event_id", String),
    Column("topic", String, nullable=False),
    Column("key", String),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary),
    Column("reason", String, nullable=False),
    Column("state", String, nullable=False),
    _created_at(),
    Column("letter_id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("discarded_as", String),
    Column("ticket", String),
    CheckConstraint("state IN ('dead', 'parked', 'due', 'replayed', 'discarded')", name="state"),
    Index("ix_dead_letter_open_key", "topic", "key", "id", postgresql_where="state IN ('dead', 'parked', 'due')"),
    Index("ix_dead_letter_due", "topic", "key", "id", postgresql_where="state = 'due'"),
)
"""`dead`: could not be handled, its key is parked from here on. `parked`: waits behind a dead one. `due`: an operator
wants it handled, and the worker does so next. `replayed`, `discarded`: closed, and forgotten when nothing so old can
arrive any more. `letter_id` is what people name it by; `id` is its place in line."""

fetch = Table(
    "fetch",
    kit,
    _id(),
    Column("kind", String, nullable=False),
    Column("params", JSONB, nullable=False),
    Column("correlation_id", String, nullable=False),
    Column("traceparent", String),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("done_at", DateTime(timezone=True)),
    Column("last_problem", String),
    _created_at(),
    Index("ix_fetch_due", "due_at", postgresql_where="done_at IS NULL"),
)
"""Details of another service that a handler asked for; the worker's fetch loop brings them."""

audit = Table(
    "audit",
    kit,
    _id(),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("actor", String, nullable=False),
    Column("roles", ARRAY(String), nullable=False),
    Column("operation", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("row_id", String),
    Column("fields", ARRAY(String), nullable=False),
    Column("reason", String),
    Column("address", String),
    Column("correlation_id", String, nullable=False),
    CheckConstraint("outcome IN ('created', 'changed', 'deleted', 'read', 'denied')", name="outcome"),
    Index("ix_audit_kind_row_id", "kind", "row_id"),
)
"""Who did, read or was denied what, when, why, from where; insert-only for the service's role."""

audit_seal = Table(
    "audit_seal",
    kit,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("audit_id", BigInteger, nullable=False, unique=True),
    Column("key_id", String, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
"""The chain over the audit rows, in order of sealing, each with the id of its key; insert-only."""

audit_head = Table(
    "audit_head",
    kit,
    Column("service", String, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("mac", LargeBinary, primary_key=True),
    Column("heard_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""How far the audit chains of the other services reached, as they told it; insert-only."""

idempotency = Table(
    "idempotency",
    kit,
    Column("key_mac", LargeBinary, primary_key=True),
    Column("body_mac", LargeBinary, nullable=False),
    Column("status", Integer, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("key_id", String),
    Column("people", ARRAY(Uuid), nullable=False),
    Column("row_kind", String),
    Column("row_id", Uuid),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now(), index=True),
)
"""Answers already given, sealed also for the people they may speak of; `key_mac` covers caller, operation and key.

`key_id` is that of the service key which sealed the answer.
"""

person_key = Table(
    "person_key",
    kit,
    Column("person_id", Uuid, primary_key=True),
    Column("wrapped", LargeBinary),
    Column("search_key", String),
    _created_at(),
    Column("erased_at", DateTime(timezone=True)),
    Column("ledgered_at", DateTime(timezone=True)),
    CheckConstraint("(wrapped IS NULL) = (erased_at IS NOT NULL)", name="erased"),
    Index("ix_person_key_unledgered", "erased_at", postgresql_where="erased_at IS NOT NULL AND ledgered_at IS NULL"),
)
"""The data key of each person, wrapped by the service key; erasing a person is destroying this key.

`search_key` is the id of the search key that was current when the person was last indexed; `ledgered_at` is when the
erasure was entered in the ledger outside the database.
"""

key_seen = Table(
    "key_seen",
    kit,
    Column("kind", String, primary_key=True),
    Column("key_id", String, primary_key=True),
    Column("check_value", LargeBinary, nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("kind IN ('service', 'search', 'link')", name="kind"),
)
"""What tells a key from another that bears its id: a keyed hash of a constant, written when the key was first held."""

name_token = Table(
    "name_token",
    kit,
    Column("scope", String, primary_key=True),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, primary_key=True),
    UniqueConstraint("id", "scope", "token"),
)
"""Keyed hashes of name syllables and their prefixes, in list order."""
