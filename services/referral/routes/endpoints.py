"""Where partners want to be told, what became of each message, and the keys they check our signatures with."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response
from fastapi import status as http
from sqlmodel import Session, col

from services.referral import access, rules
from services.referral.access import CanEditEndpoints, CanReadEndpoints
from services.referral.actions import our_keys, seal_secret
from services.referral.models import Attempt, Delivery, DeliveryStatus, DisabledReason, Endpoint
from services.referral.schemas import (
    AttemptRead,
    DeliveryRead,
    EndpointCreate,
    EndpointCreated,
    EndpointRead,
    WebhookKey,
    WebhookKeys,
)
from shared.access import locked, store
from shared.auth import PUBLIC
from shared.edge import SessionDep, router
from shared.errors import NotFound
from shared.paging import SEVERAL, Page, Paging
from shared.runtime import runtime_of
from shared.webhooks import new_secret

api = router("/referral/v1")
public = router("/referral")
DeliveryStatusFilter = Annotated[list[DeliveryStatus] | None, SEVERAL, Query()]


@api.post("/endpoints", status_code=http.HTTP_201_CREATED)
def open_endpoint(body: EndpointCreate, manager: CanEditEndpoints, session: SessionDep) -> EndpointCreated:
    """Name an address where the caller's organisation is to be told; the answer alone shows the secret."""
    organization = session.exec(access.own_organization(manager)).first()
    if organization is None:
        raise NotFound
    runtime = runtime_of(session)
    rules.check_receiver(body.url, production=not runtime.settings.development)
    secret = new_secret()
    endpoint = Endpoint(organization_id=organization.id, url=body.url)
    endpoint.secret = seal_secret(runtime.vault, endpoint.id, secret)
    store(session, endpoint)
    return EndpointCreated(**EndpointRead.model_validate(endpoint).model_dump(), secret=secret)


@api.get("/endpoints")
def list_endpoints(reader: CanReadEndpoints, session: SessionDep, paging: Paging) -> Page[EndpointRead]:
    """List the endpoints of the caller's own organisation, newest first."""
    return paging.page(session, access.visible_endpoints(reader), Endpoint.seq, EndpointRead)


@api.delete("/endpoints/{endpoint_id}", status_code=http.HTTP_204_NO_CONTENT)
def close_endpoint(endpoint_id: UUID, manager: CanEditEndpoints, session: SessionDep) -> Response:
    """Take an endpoint away; what was still on its way there is given up, what was sent stays in the log."""
    endpoint = locked(session, access.visible_endpoints(manager).where(Endpoint.id == endpoint_id))
    rules.disable(endpoint, DisabledReason.DELETED)
    return Response(status_code=http.HTTP_204_NO_CONTENT)


@api.get("/deliveries")
def list_deliveries(
    *,
    reader: CanReadEndpoints,
    session: SessionDep,
    paging: Paging,
    status: DeliveryStatusFilter = None,
    endpoint_id: UUID | None = None,
    referral_id: UUID | None = None,
) -> Page[DeliveryRead]:
    """List what was sent to the caller's own organisation, newest first, with every try."""
    deliveries = access.visible_deliveries(reader)
    if status is not None:
        deliveries = deliveries.where(col(Delivery.status).in_(status))
    if endpoint_id is not None:
        deliveries = deliveries.where(Delivery.endpoint_id == endpoint_id)
    if referral_id is not None:
        deliveries = deliveries.where(Delivery.referral_id == referral_id)
    rows, following = paging.rows(session, deliveries, Delivery.seq)
    return Page(items=_with_attempts(session, rows), next=following)


@public.get("/.well-known/webhook-keys", openapi_extra=PUBLIC)
def read_webhook_keys(session: SessionDep) -> WebhookKeys:
    """Give the public keys that `v1a` signatures of our webhooks are checked with."""
    keys = our_keys(runtime_of(session).vault)
    return WebhookKeys(keys=[WebhookKey(id=key_id, key=str(key.public)) for key_id, key in keys.items()])


def _with_attempts(session: Session, deliveries: Sequence[Delivery]) -> list[DeliveryRead]:
    attempts: defaultdict[UUID, list[Attempt]] = defaultdict(list)
    for attempt in session.exec(access.attempts_of([delivery.id for delivery in deliveries])):
        attempts[attempt.delivery_id].append(attempt)
    messages = session.exec(access.messages_of([delivery.message_id for delivery in deliveries])).all()
    types = {message.id: message.type for message in messages}
    return [
        DeliveryRead(
            **delivery.model_dump(include={"id", "endpoint_id", "message_id", "referral_id", "status", "tries"}),
            type=types[delivery.message_id],
            due_at=delivery.due_at if delivery.status is DeliveryStatus.PENDING else None,
            attempts=[AttemptRead.model_validate(attempt) for attempt in attempts[delivery.id]],
        )
        for delivery in deliveries
    ]
