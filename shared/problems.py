"""Every error as problem+json (RFC 9457), in the caller's language; never a stack trace, a SQL text or the rejected value."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from shared import audit, errors
from shared.db import is_away, is_busy
from shared.logging import get_logger, where
from shared.runtime import Act, act_of
from shared.validation import field_errors

log = get_logger("problems")


class FieldProblem(BaseModel):
    """One rejected field."""

    pointer: str
    code: str
    expected: str


class Problem(BaseModel):
    """Problem details for HTTP APIs (RFC 9457); `reason` and other members tell more where there is more to tell."""

    model_config = ConfigDict(extra="allow")

    type: Annotated[str, Field(pattern=r"^urn:baoho:problem:[a-z-]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    reason: str = Field(default_factory=str, description="A code: what stands against it.")
    errors: list[FieldProblem] = Field(default_factory=list, description="Each rejected field.")


BY_STATUS: dict[int, type[errors.DomainError]] = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.BodyTooLarge,
}
DENIALS = (errors.Forbidden, errors.NotFound)


def install(app: FastAPI) -> None:
    """Answer every exception with a problem."""
    app.add_exception_handler(errors.DomainError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(SQLAlchemyError, _database)


def render(request: Request, error: errors.DomainError) -> JSONResponse:
    """Write one error as problem+json in Vietnamese, or in English for who prefers it."""
    language = preferred_language(request.headers.get("accept-language", ""))
    problem: dict[str, Any] = {
        "type": f"urn:baoho:problem:{error.name}",
        "title": error.sentence.in_language(language),
        "status": error.status,
        **error.members,
    }
    if isinstance(error, errors.InvalidInput):
        problem["errors"] = [
            {"pointer": field.pointer, "code": field.code, "expected": field.expected.in_language(language)}
            for field in error.errors
        ]
    headers = {"Content-Language": language, "Cache-Control": "no-store"}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == errors.Unauthenticated.status:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem, error.status, headers, media_type="application/problem+json")


def preferred_language(accept: str) -> str:
    """Return `en` if Accept-Language (RFC 9110, section 12.5.4) ranks English above Vietnamese, else `vi`."""
    ranks = {"vi": 0.0, "en": 0.0}
    for part in "".join(accept.lower().split()).split(","):
        tag, _, weight = part.partition(";q=")
        language = tag.split("-")[0]
        if language in ranks:
            ranks[language] = max(ranks[language], _weight(weight))
    return "en" if ranks["en"] > ranks["vi"] else "vi"


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


async def _domain(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.DomainError)  # noqa: S101 - narrows for the type checker
    if isinstance(error, errors.Unauthenticated):
        request.app.state.metrics.unauthenticated.inc()
    if isinstance(error, DENIALS):
        await run_in_threadpool(_audit_denial, request)
    return render(request, error)


def _audit_denial(request: Request) -> None:
    """Record who was refused what; an anonymous call that found nothing is no denial, and a database away denies nothing."""
    session = getattr(request.state, "session", None)
    act: Act | None = act_of(session) if session is not None else None
    if act is None or not act.roles:
        return
    try:
        audit.record_denial(request.app.state.runtime, act, "request", _row_id(request))
    except SQLAlchemyError as error:
        log.warning("denial_not_audited", error=where(error))


def _row_id(request: Request) -> str | None:
    """Return the last id in the address; whatever else a caller wrote there stays out of the audit, which nobody can erase."""
    ids = (_as_id(str(value)) for value in reversed(request.path_params.values()))
    return next((text for text in ids if text is not None), None)


def _as_id(text: str) -> str | None:
    """Return an id as our rows bear it: addresses take it in capitals, in braces or without dashes as well."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


async def _validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows for the type checker
    return render(request, errors.InvalidInput(field_errors(error.errors())))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - narrows for the type checker
    kind = BY_STATUS.get(error.status_code)
    if kind is None:
        return render(request, errors.InvalidInput.at("", "json_invalid", "JSON hợp lệ", "valid JSON"))
    answer = render(request, kind())
    if kind is errors.MethodNotAllowed:
        answer.headers["Allow"] = ", ".join(sorted(methods_at(request.app, request.url.path)))
    return answer


def methods_at(app: FastAPI, path: str) -> set[str]:
    """Return every method an address takes (RFC 9110, section 15.5.6); Starlette names those of the first route alone."""
    here = (route for route in iter_route_contexts(app.routes) if isinstance(route.original_route, APIRoute))
    return {method for route in here if route.path_regex.match(path) for method in route.methods or ()}


async def _database(request: Request, error: Exception) -> JSONResponse:
    """Tell a database that is away or busy (503, try again) from one that refused our statement (500, our mistake)."""
    away = is_away(error) or is_busy(error)
    log.error(
        "database_error",
        away=away,
        error=where(error),
        sqlstate=getattr(getattr(error, "orig", None), "sqlstate", None),
    )
    return render(request, errors.Unavailable() if away else errors.InternalError())


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Answer what nobody foresaw: a 500 that tells nothing, and its kind and place in the log."""
    log.error("unexpected_error", error=where(error))
    return render(request, errors.InternalError())
