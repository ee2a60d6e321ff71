"""The audit trail as auditors read it: who did, read or was refused what; ids and codes, never a person's details."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import select

from shared.audit import record_listing
from shared.auth import Principal, requires
from shared.edge import SessionDep, router
from shared.paging import Page, Paging
from shared.permissions import Permission
from shared.schema import Output
from shared.tables import audit

CanReadTrail = Annotated[Principal, requires(Permission.AUDIT_READ)]
Filter = Annotated[str | None, Query(max_length=128)]


class AuditRead(Output):
    """One entry; `fields` names what changed, never how."""

    id: int
    at: datetime
    actor: str
    roles: list[str]
    operation: str
    outcome: str
    kind: str
    row_id: str | None
    fields: list[str]
    reason: str | None
    address: str | None
    correlation_id: str


def trail_router(service: str) -> APIRouter:
    """Return the route by which auditors read a service's trail."""
    api = router(f"/{service}/v1")

    @api.get("/audit")
    def read_audit_trail(
        _auditor: CanReadTrail,
        session: SessionDep,
        paging: Paging,
        *,
        actor: Filter = None,
        kind: Filter = None,
        row_id: Filter = None,
        outcome: Filter = None,
    ) -> Page[AuditRead]:
        """List what was done, read and refused, newest first; to read the trail leaves a trace as well."""
        asked = {"actor": actor, "kind": kind, "row_id": row_id, "outcome": outcome}
        conditions = [audit.c[name] == value for name, value in asked.items() if value is not None]
        entries: Any = select(audit).where(*conditions)
        record_listing(session, "audit")
        return paging.page(session, entries, audit.c.id, AuditRead)

    return api
