"""What is only ever added is written at the end of its transaction, or goes with it."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.intake.models import CaseFile, Person, Priority
from services.intake.models.cases import Channel
from shared import ledger
from shared.audit import enter
from shared.clock import now, today
from shared.db import at_once
from shared.ids import new_id
from shared.tables import audit, inbox
from tests.harness import House

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


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


@given(
    texts=st.none() | st.lists(st.just("NULL") | TEXT | st.none()),
    told=st.dictionaries(TEXT, TEXT | st.integers() | st.none() | st.booleans()),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_lists_and_json_come_back_as_they_were_added_whatever_is_in_them(
    house: House, texts: list[str | None] | None, told: dict[str, Any]
) -> None:
    values = {"texts": ledger._array(texts), "told": ledger._json(told)}
    with house.session("hotline") as session, at_once(session) as driver:
        stored = driver.execute("SELECT %(texts)s::text[], %(told)s::jsonb", values)

    assert stored.fetchone() == (texts, told)


def test_an_object_is_stored_as_it_is_at_the_commit_with_its_entry_in_the_trail(house: House) -> None:
    with house.session("intake") as session:
        person = enter(session, Person, office="osso-ha-noi", province="01")
        case = enter(
            session,
            CaseFile,
            person_id=person.id,
            office="osso-ha-noi",
            province="01",
            channel=Channel.PHONE,
            country="TW",
            language="vi",
            priority=Priority.P1,
            complaint_types=["broker_fee"],
            received_on=today(),
        )
        case.priority, case.confirmed_at = Priority.P0, now()
        session.commit()

    [stored] = house.rows("intake", CaseFile.metadata.tables["case_file"])
    told = stored.keys() - {"seq"}
    kinds = [row["kind"] for row in house.rows("intake", audit) if row["outcome"] == "created"]
    assert {name: stored[name] for name in told} == {name: getattr(case, name) for name in told}
    assert stored["seq"] is not None
    assert kinds == ["person", "case_file"]


def test_an_object_that_is_entered_is_what_the_model_itself_makes(house: House) -> None:
    known: dict[str, Any] = {
        "id": new_id(),
        "created_at": now(),
        "updated_at": now(),
        "office": "osso-ha-noi",
        "province": "01",
    }

    with house.session("intake") as session:
        entered, own = enter(session, Person, **known), Person(**known)
        others = [enter(session, Person, office="osso-ha-noi", province="01") for _ in range(2)]
        session.commit()

    assert entered.model_dump() == own.model_dump()
    assert len({entered.id, *(other.id for other in others)}) == 3
