"""Which errors of the database say that it is away, which that it is busy, and which that we were wrong."""

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import col, select

from services.hotline.models import HotlineCase
from shared.auth import PUBLIC
from shared.db import is_away, is_busy, make_engine
from shared.edge import router
from tests.harness import Api, House
from tests.specimen import client_of, dry_runtime, specimen

AWAY = ["53100", "53200", "53300", "57P01", "57P02", "57P03", "57P05", "08006", "58030", "58P01", "25006"]
BUSY = ["57014", "55P03", "40P01", "40001", "25P03", "25P04"]
OURS = ["23505", "42P01", "42501", "22001", "25P02", "XX000"]


def raised(sqlstate: str) -> DBAPIError:
    """Return what SQLAlchemy makes of the driver's error for a state."""
    cause = errors.lookup(sqlstate)("no text")
    made = DBAPIError.instance("SELECT 1", {}, cause, psycopg.Error)
    assert isinstance(made, DBAPIError)
    return made


@pytest.mark.parametrize("sqlstate", AWAY + BUSY + OURS)
def test_a_database_that_is_away_is_told_from_one_that_is_busy_and_one_that_judged_our_statement(sqlstate: str) -> None:
    error = raised(sqlstate)

    assert (is_away(error), is_busy(error)) == (sqlstate in AWAY, sqlstate in BUSY)


def test_a_server_that_nobody_reaches_and_a_pool_that_is_empty_are_away() -> None:
    engine = make_engine("postgresql+psycopg://nobody@127.0.0.1:9/nothing")

    with pytest.raises(DBAPIError) as unreachable:
        engine.connect()

    assert is_away(unreachable.value)
    assert is_away(PoolTimeout())
    assert not is_away(ValueError())


def refusing() -> Api:
    """Return a client of a service whose database answers with the state that the address names."""
    api = router("/hotline/specimen")

    @api.get("/state/{sqlstate}", openapi_extra=PUBLIC)
    def fail(sqlstate: str) -> None:
        raise raised(sqlstate)

    return client_of(specimen(dry_runtime(), [api]))


def test_a_caller_is_asked_to_try_again_only_where_that_can_help() -> None:
    client = refusing()

    answers = {state: client.get(f"/hotline/specimen/state/{state}") for state in AWAY + BUSY + OURS}

    assert {state for state, answer in answers.items() if answer.status_code == 503} == {*AWAY, *BUSY}
    assert {answer.headers.get("retry-after") for answer in answers.values() if answer.status_code == 503} == {"2"}
    assert {answer.status_code for state, answer in answers.items() if state in OURS} == {500}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/problem+json"}


def test_what_is_known_of_the_columns_of_like_selects_is_found_out_once(house: House) -> None:
    known = []
    with house.runtime("hotline").engine.connect() as connection:
        for version in (1, 2, 3):
            result = connection.execute(select(HotlineCase.id).where(col(HotlineCase.version) == version))
            known.append(result._metadata)
            assert result.all() == []

    # SQLAlchemy makes it when the text is new, and would make it again for each select that is like the first.
    assert known[1] is known[0]
    assert known[2] is known[0]
