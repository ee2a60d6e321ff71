"""What is only ever added is written at the end of its transaction, or goes with it."""

from typing import Any

from shared import ledger
from shared.ids import new_id
from shared.tables import inbox
from tests.harness import House


def entry() -> dict[str, Any]:
    """Return a row of the table that these tests add to."""
    return {"event_id": new_id()}


def test_what_is_added_is_stored_with_the_commit_in_its_order(house: House) -> None:
    rows = [entry() for _ in range(3)]

    with house.session("hotline") as session:
        for row in rows:
            ledger.append(session, inbox, row)
        session.commit()

    assert [row["event_id"] for row in house.rows("hotline", inbox)] == [row["event_id"] for row in rows]


def test_a_transaction_undone_leaves_nothing_behind_for_the_next(house: House) -> None:
    with house.session("hotline") as session:
        ledger.append(session, inbox, entry())
        session.rollback()
        session.commit()

    assert house.rows("hotline", inbox) == []


def test_a_savepoint_undone_takes_its_own_rows_and_no_others(house: House) -> None:
    before, within, after = entry(), entry(), entry()

    with house.session("hotline") as session:
        ledger.append(session, inbox, before)
        savepoint = session.begin_nested()
        ledger.append(session, inbox, within)
        savepoint.rollback()
        ledger.append(session, inbox, after)
        session.commit()

    assert [row["event_id"] for row in house.rows("hotline", inbox)] == [before["event_id"], after["event_id"]]


def test_a_savepoint_kept_keeps_its_rows(house: House) -> None:
    within = entry()

    with house.session("hotline") as session:
        with session.begin_nested():
            ledger.append(session, inbox, within)
        session.commit()

    assert [row["event_id"] for row in house.rows("hotline", inbox)] == [within["event_id"]]
