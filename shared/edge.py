"""The edge: one request is one transaction, committed before its answer is sent."""

from asyncio import get_running_loop
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import wraps
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from sqlmodel import Session

from shared import idempotency
from shared.access import etag
from shared.auth import PUBLIC, STORES_NOTHING, identify
from shared.openapi import PLACEHOLDER
from shared.runtime import Act, Runtime
from shared.validation import StrictRequest, refuse_nul

KEPT_HEADERS = ("etag", "location", "content-type")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def get_session(request: Request) -> Session:
    """Return the transaction of this request; the edge opened it and alone commits it."""
    session: Session = request.state.session
    return session


SessionDep = Annotated[Session, Depends(get_session)]


class Edge(APIRoute):
    """A route whose answer leaves only after its transaction is committed.

    A dependency with `yield` would commit after the answer (FastAPI's default scope), and could not store that answer
    within the transaction for its idempotency key: so the route itself is the boundary.

    What waits for the network comes first: the body, and the issuer's keys. The rest, from the idempotency key to the
    commit, is one act in one thread; FastAPI alone would change threads six times for it.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, _in_this_thread(endpoint), **options)

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's own handler in a transaction."""
        inner = super().get_route_handler()
        operation = self.operation_id or self.name
        marks = (self.openapi_extra or {}).keys()
        stores = "POST" in (self.methods or ()) and not marks & STORES_NOTHING.keys()
        guarded = not marks & PUBLIC.keys()

        async def handler(request: Request) -> Response:
            runtime: Runtime = request.app.state.runtime
            strict = StrictRequest(request.scope, request.receive)
            refuse_bad_text(strict)
            await strict.body()
            strict.state.stores = stores
            strict.state.principal = await identify(strict) if guarded else None
            act = act_of_request(strict, operation)
            run = copy_context().run
            return await get_running_loop().run_in_executor(
                runtime.threads, run, _transact, runtime, act, strict, inner
            )

        return handler


def _in_this_thread(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Let FastAPI call a plain function where it is, not in a thread of its own choice."""

    @wraps(endpoint)
    async def called(**values: Any) -> Any:
        return endpoint(**values)

    return called


def _transact(runtime: Runtime, act: Act, request: Request, inner: Handler) -> Response:
    with runtime.session(act) as session:
        request.state.session = session
        response = _act(request, inner, session)
        _finish(session, response)
    if session.info.get("published"):
        runtime.wake()
    return response


def _act(request: Request, inner: Handler, session: Session) -> Response:
    try:
        return _at_once(inner(request))
    except idempotency.Replay as replay:
        answer = replay.answer
        session.info.pop("idempotency", None)
        return Response(answer.body, answer.status, headers=answer.headers)


def _at_once(steps: Coroutine[Any, Any, Response]) -> Response:
    """Run to its end what has nothing left to wait for."""
    try:
        steps.send(None)
    except StopIteration as done:
        response: Response = done.value
        return response
    steps.close()
    message = "a route of the edge, or something it depends on, waits: make it `async def` that awaits nothing"
    raise RuntimeError(message)


def _finish(session: Session, response: Response) -> None:
    """Flush, tell the ETag, keep the answer for its key, commit: after this the act is durable, before it nothing is."""
    session.flush()
    response.headers["Cache-Control"] = "no-store"
    row = session.info.get("row")
    validator = etag(row) if row is not None else None
    if validator:
        response.headers["ETag"] = validator
    if "idempotency" in session.info:
        kept = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        idempotency.keep_answer(session, idempotency.Answer(response.status_code, kept, bytes(response.body)))
    session.commit()


def act_of_request(request: Request, operation: str) -> Act:
    """Describe what is about to happen, before it is known who asks."""
    state = request.scope["state"]
    return Act(
        actor="anonymous",
        operation=operation,
        correlation_id=state["correlation_id"],
        address=state["address"],
        if_match=request.headers.get("if-match"),
    )


def refuse_bad_text(request: Request) -> None:
    """Refuse NUL in the path and the query, where no schema would."""
    if "\x00" in request.scope["path"]:
        raise refuse_nul("/path")
    if any("\x00" in name + value for name, value in request.query_params.multi_items()):
        raise refuse_nul("/query")


def router(prefix: str) -> APIRouter:
    """Return a router of a service's API; each of its routes is an edge."""
    return APIRouter(prefix=prefix, route_class=Edge, responses=PLACEHOLDER)
