"""An audit trail to seal: rows as the kit writes them, and hands that reach behind it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, RowMapping, create_engine, func, insert, select, text
from sqlalchemy.pool import NullPool

from shared.chain import Ring
from shared.chain.sealer import Sealer
from shared.chain.verify import Verdict, verify
from shared.contracts import KNOWN
from shared.runtime import Runtime
from shared.settings import parse_keys
from shared.tables import audit, audit_seal
from tests.harness import House

ROWS = 12
"""Rows of the trail that most tests harm."""

ENTRY: dict[str, Any] = {
    "actor": "officer-7",
    "roles": ["osso_officer"],
    "operation": "read_case",
    "outcome": "read",
    "kind": "case_file",
    "row_id": 'Đặng "7"\n',
    "fields": [],
    "reason": None,
    "address": "203.0.113.9",
    "correlation_id": "conversation-7",
}


def note(connection: Connection, count: int = 1, **changes: Any) -> None:
    """Write audit rows into an open transaction."""
    connection.execute(insert(audit), [{**ENTRY, **changes} for _ in range(count)])


def noted(runtime: Runtime, count: int = 1, **changes: Any) -> None:
    """Write audit rows and commit them."""
    with runtime.engine.begin() as connection:
        note(connection, count, **changes)


def grow(runtime: Runtime, count: int) -> None:
    """Write many audit rows at once, all different."""
    with runtime.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO audit (actor, roles, operation, outcome, kind, row_id, fields, address, correlation_id)"
                " SELECT 'officer-' || i % 97, ARRAY['osso_officer'], 'change_case', 'changed', 'case_file',"
                " md5(i::text), ARRAY['status', 'office'], '203.0.113.9', md5('c' || i)"
                " FROM generate_series(1, :count) i"
            ),
            {"count": count},
        )


def seal_all(runtime: Runtime, **options: Any) -> None:
    """Seal until nothing recent waits."""
    sealer = Sealer(runtime, KNOWN, **options)
    while sealer.seal():
        continue


def seals(runtime: Runtime) -> Sequence[RowMapping]:
    """Return the chain in its order."""
    with runtime.engine.connect() as connection:
        return connection.execute(select(audit_seal).order_by(audit_seal.c.n)).mappings().all()


def sealed_ids(runtime: Runtime) -> list[int]:
    """Return the ids of the sealed rows, in the order of the chain, which has no gap."""
    chain = seals(runtime)
    assert [seal["n"] for seal in chain] == list(range(1, len(chain) + 1))
    return [seal["audit_id"] for seal in chain]


def rows_of(runtime: Runtime) -> int:
    """Count the audit rows."""
    with runtime.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(audit)).scalar_one())


@contextmanager
def owner_of(house: House, service: str) -> Iterator[Connection]:
    """Reach behind the running service: a transaction of the role that owns its tables."""
    engine = create_engine(house.url(service, "owner"), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def tamper(house: House, *statements: str, service: str = "hotline") -> None:
    """Run statements behind the running service's back."""
    with owner_of(house, service) as connection:
        for statement in statements:
            connection.execute(text(statement))


def found(house: House, runtime: Runtime, ring: Ring | None = None) -> Verdict:
    witnesses = {"intake": house.runtime("intake").engine}
    return verify("hotline", ring or ring_of(runtime), runtime.engine, witnesses)


def ring_of(runtime: Runtime) -> Ring:
    assert runtime.settings.audit_keys is not None
    return Ring("hotline", parse_keys(runtime.settings.audit_keys))
