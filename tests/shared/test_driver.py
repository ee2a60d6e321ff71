"""Connections that spare journeys: what travels together, and that a transaction is still all or nothing."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection as Checkout
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from deploy.postgres import Server
from shared.db import at_once, is_away, make_engine
from shared.driver import Connection
from shared.ids import new_id
from tests.harness import House
from tests.shared.journeys import journeys, messages, waits

KNOWN = "SELECT event_id::text FROM inbox ORDER BY handled_at"
ONE, TWO = "01a22200-0000-7000-8000-000000000001", "01a22200-0000-7000-8000-000000000002"
STORE = "INSERT INTO inbox (event_id) VALUES (%(id)s)"
HOLD = [
    "INSERT INTO inbox (event_id) VALUES (:id)",
    f"{KNOWN} FOR NO KEY UPDATE",
    f"{KNOWN} for key share",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT set_config('enable_seqscan', 'off', true)",
    "WITH gone AS (DELETE FROM inbox RETURNING event_id) SELECT event_id FROM gone",
    "SET LOCAL enable_seqscan = off",
    "SAVEPOINT here",
]


@pytest.fixture
def engine(house: House) -> Iterator[Engine]:
    house.runtime("hotline")
    made = make_engine(house.url("hotline"), pool_size=1)
    yield made
    made.dispose()


def driver_of(checkout: Checkout) -> Connection:
    driver = checkout.connection.driver_connection
    assert isinstance(driver, Connection)
    return driver


def known(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text(KNOWN)).scalars())


@pytest.mark.parametrize("statement", HOLD)
def test_begin_travels_with_the_first_statement_that_holds_anything(engine: Engine, statement: str) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        checkout.execute(text(KNOWN))

        spent = journeys(driver, lambda: checkout.execute(text(statement), {"id": ONE}))

        assert spent == 1
        assert driver.pgconn.transaction_status == TransactionStatus.INTRANS


@pytest.mark.parametrize("statement", [KNOWN, "WITH one AS (SELECT 1) SELECT * FROM one"])
def test_what_only_reads_makes_one_journey_and_no_transaction(engine: Engine, statement: str) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)

        def read_and_commit() -> None:
            checkout.execute(text(statement)).all()
            checkout.commit()

        spent = journeys(driver, read_and_commit)

        assert spent == 1
        assert driver.pgconn.transaction_status == TransactionStatus.IDLE


def test_what_is_written_last_travels_with_commit(engine: Engine) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        checkout.execute(text(KNOWN))
        driver.last = [(STORE, {"id": ONE}), (STORE, {"id": TWO})]

        spent = journeys(driver, checkout.commit)

    assert spent == 1
    assert known(engine) == [ONE, TWO]


def test_a_transaction_that_writes_only_at_its_end_makes_one_journey(engine: Engine) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        checkout.begin()
        driver.last = [(STORE, {"id": ONE})]

        spent = journeys(driver, checkout.commit)

    assert spent == 1
    assert known(engine) == [ONE]


def test_a_statement_that_is_all_of_a_transaction_needs_neither_begin_nor_commit(engine: Engine) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        checkout.execute(text(KNOWN))
        driver.last = [(STORE, {"id": ONE})]

        done = [message[-1] for message in messages(driver, checkout.commit) if b"CommandComplete" in message]

        assert done == [b' "INSERT 0 1"']
        assert driver.pgconn.transaction_status == TransactionStatus.IDLE
    assert known(engine) == [ONE]


def test_such_a_statement_that_is_refused_leaves_the_connection_fit(engine: Engine) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        checkout.begin()
        driver.last = [(STORE, {"id": "no id"})]

        with pytest.raises(DBAPIError):
            checkout.commit()

        assert driver.pgconn.transaction_status == TransactionStatus.IDLE
    assert known(engine) == []


def test_what_is_sent_together_makes_one_journey_and_each_sees_the_one_before(engine: Engine) -> None:
    found: list[Any] = []

    def act(driver: Connection) -> None:
        with driver.together():
            driver.execute(STORE, {"id": ONE})
            rows = driver.execute(KNOWN)
        found.extend(rows)

    with engine.connect() as checkout:
        driver = driver_of(checkout)
        spent = journeys(driver, lambda: act(driver))

    assert (spent, found) == (1, [(ONE,)])


def test_however_many_are_sent_together_the_driver_waits_for_their_answers_alone(engine: Engine) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        checkout.execute(text(KNOWN))
        driver.last = [(STORE, {"id": str(new_id())}) for _ in range(20)]

        waited = waits(driver, checkout.commit)

    assert 0 < waited <= 5
    assert len(known(engine)) == 20


def test_what_is_sent_together_may_be_larger_than_any_buffer(engine: Engine) -> None:
    found: list[Any] = []
    with engine.connect() as checkout:
        driver = driver_of(checkout)
        with driver.together():
            answers = [driver.execute("SELECT %(much)s::text", {"much": "x" * 1_000_000}) for _ in range(20)]
        found.extend(len(answer.fetchone()[0]) for answer in answers)  # type: ignore[index]

    assert found == [1_000_000] * 20


def test_a_rollback_undoes_what_was_done_and_forgets_what_was_left_for_the_end(engine: Engine) -> None:
    with engine.connect() as checkout:
        checkout.execute(text("INSERT INTO inbox (event_id) VALUES (:id)"), {"id": ONE})
        driver_of(checkout).last = [(STORE, {"id": TWO})]
        checkout.rollback()
        checkout.execute(text("SELECT 1"))
        checkout.commit()

    assert known(engine) == []


def test_a_last_statement_that_is_refused_undoes_the_whole_and_leaves_the_connection_fit(engine: Engine) -> None:
    with engine.connect() as checkout:
        checkout.execute(text("INSERT INTO inbox (event_id) VALUES (:id)"), {"id": ONE})
        driver = driver_of(checkout)
        driver.last = [(STORE, {"id": TWO}), (STORE, {"id": ONE})]

        with pytest.raises(DBAPIError) as refused:
            checkout.commit()

        assert isinstance(refused.value.orig, errors.UniqueViolation)
        assert driver.pgconn.transaction_status == TransactionStatus.IDLE
    assert known(engine) == []


@pytest.mark.parametrize(
    ("statement", "left"),
    [("DELETE FROM nowhere", TransactionStatus.INERROR), ("SELECT FROM nowhere", TransactionStatus.IDLE)],
)
def test_a_first_statement_that_is_refused_leaves_at_most_a_transaction_to_undo(
    engine: Engine, statement: str, left: TransactionStatus
) -> None:
    with engine.connect() as checkout:
        with pytest.raises(DBAPIError):
            checkout.execute(text(statement))
        status = driver_of(checkout).pgconn.transaction_status
        checkout.rollback()

        assert status == left
        assert checkout.execute(text("SELECT 1")).scalar_one() == 1


def test_a_session_that_the_server_ended_is_replaced_before_it_is_used(engine: Engine, server: Server) -> None:
    with engine.connect() as checkout:
        ended = driver_of(checkout).info.backend_pid
    with server.connect("postgres") as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (ended,))

    with engine.connect() as checkout:
        answered = checkout.execute(text("SELECT pg_backend_pid()")).scalar_one()

    assert answered != ended


def test_to_see_whether_the_server_is_there_takes_no_journey(engine: Engine) -> None:
    with engine.connect() as checkout:
        driver = driver_of(checkout)

    def take_and_return() -> None:
        with engine.connect() as checkout:
            assert driver_of(checkout) is driver

    assert journeys(driver, take_and_return) == 0


def test_an_isolation_level_and_read_only_are_part_of_begin(engine: Engine) -> None:
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect() as checkout:
        reading = checkout.execution_options(**options)
        level = reading.execute(text("SHOW transaction_isolation")).scalar_one()
        read_only = reading.execute(text("SHOW transaction_read_only")).scalar_one()

    with engine.connect() as checkout:
        assert checkout.execute(text("SHOW transaction_isolation")).scalar_one() == "read committed"
    assert (level, read_only) == ("repeatable read", "on")


def test_where_each_statement_stands_alone_nothing_begins(engine: Engine) -> None:
    with engine.connect() as checkout:
        alone = checkout.execution_options(isolation_level="AUTOCOMMIT")
        alone.execute(text("INSERT INTO inbox (event_id) VALUES (:id)"), {"id": ONE})
        status = driver_of(alone).pgconn.transaction_status
        alone.rollback()

    assert status == TransactionStatus.IDLE
    assert known(engine) == [ONE]


def test_rows_may_be_read_as_they_are_wanted(engine: Engine) -> None:
    with engine.connect() as checkout:
        numbers = checkout.execution_options(yield_per=10).execute(text("SELECT * FROM generate_series(1, 95) AS n"))

        assert sum(numbers.scalars()) == 4560


def test_columns_are_named_as_the_driver_names_them(engine: Engine) -> None:
    asked = "SELECT 1 AS one, 'x'::text AS word"
    with engine.connect() as checkout:
        ours = driver_of(checkout).execute(asked).description
        theirs = psycopg.Cursor(driver_of(checkout)).execute(asked).description

    assert ours is not None
    assert theirs is not None
    assert [column[:2] for column in ours] == [(column.name, column.type_code) for column in theirs]


def test_what_is_sent_past_sqlalchemy_fails_as_through_it(house: House, server: Server) -> None:
    with house.session("hotline") as session:
        pid = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with server.connect("postgres") as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))

        with pytest.raises(DBAPIError) as lost, at_once(session) as driver:
            driver.execute(KNOWN)

    assert is_away(lost.value)
    with house.session("hotline") as session, at_once(session) as driver:
        rows = driver.execute(KNOWN)
    assert list(rows) == []
