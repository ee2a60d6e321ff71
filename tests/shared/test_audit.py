"""Who changed, read or was refused what stands in the audit trail, and nobody who runs the service can take it out."""

from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from services.hotline.access import VISIBLE
from services.hotline.app import build
from services.hotline.models import HotlineCase
from shared.audit import record_denial
from shared.contracts.intake import CaseInCare
from shared.ids import new_id
from shared.process import open_runtime
from shared.runtime import Act
from shared.tables import audit
from tests.harness import House
from tests.specimen import CANARY, CASE, as_owner, client_of, posted, specimen_client


def trail(house: House) -> list[dict[str, Any]]:
    """Return the audit rows, oldest first."""
    return sorted((dict(row) for row in house.rows("hotline", audit)), key=lambda row: row["id"])


def told(row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_a_new_row_is_audited_with_who_how_and_from_where(house: House, token: Any) -> None:
    headers = {**token("mission_officer", sub="officer-7"), "X-Correlation-Id": "conversation-7"}

    case = house.client("hotline").post("/hotline/v1/cases", json=CASE, headers=headers).json()

    (row,) = trail(house)
    assert told(row, "outcome", "kind", "row_id") == ("created", "hotline_case", case["id"])
    assert told(row, "actor", "roles", "operation") == ("officer-7", ["mission_officer"], "post_case")
    assert told(row, "correlation_id", "address") == ("conversation-7", "testclient")


def test_a_change_is_audited_with_the_names_of_its_fields_and_no_value(house: House, token: Any) -> None:
    case = posted(house, token)

    house.client("hotline").post(
        f"/hotline/v1/cases/{case['id']}/triage",
        json={"priority": "p3", "reason": CANARY},
        headers=token("hotline_operator"),
    )

    (row,) = (row for row in trail(house) if row["outcome"] == "changed")
    assert told(row, "row_id", "operation") == (case["id"], "triage_case")
    assert row["fields"] == ["priority", "status", "triage_reason"]
    assert CANARY not in str(row)


def test_a_handler_s_change_is_audited_with_the_event_it_answers(house: House, token: Any) -> None:
    case = posted(house, token)

    house.handle("hotline", CaseInCare(case_id=new_id(), hotline_case_id=case["id"]))

    row = trail(house)[-1]
    assert told(row, "outcome", "kind", "row_id") == ("changed", "hotline_case", case["id"])
    assert told(row, "actor", "operation", "correlation_id") == (
        "event:intake.case_in_care.v1",
        "mark_in_care",
        "test-correlation",
    )


def test_reading_a_person_s_file_is_audited_and_listing_cases_is_not(house: House, token: Any) -> None:
    case = posted(house, token)
    client, operator = house.client("hotline"), token("hotline_operator")

    client.get("/hotline/v1/cases", headers=operator)
    client.get(f"/hotline/v1/cases/{case['id']}", headers=operator)

    created, read = trail(house)
    assert created["outcome"] == "created"
    assert told(read, "outcome", "row_id", "operation") == ("read", case["id"], "read_case")


def test_what_was_rolled_back_is_not_audited(house: House, token: Any) -> None:
    specimen_client(house).post("/hotline/specimen/broken", headers=token("hotline_operator"))

    assert trail(house) == []


def test_a_deleted_row_is_audited(house: House, token: Any) -> None:
    posted(house, token)

    with house.session("hotline", actor="system") as session:
        session.delete(session.get_one(HotlineCase, house.published("hotline")[0].hotline_case_id))
        session.commit()

    assert told(trail(house)[-1], "outcome", "kind", "actor") == ("deleted", "hotline_case", "system")


def test_what_a_caller_may_not_do_is_audited_as_denied(house: House, token: Any) -> None:
    answer = house.client("hotline").post(
        f"/hotline/v1/cases/{new_id()}/triage", json={"priority": "p0"}, headers=token("mission_officer")
    )

    (row,) = trail(house)
    assert answer.status_code == 403
    assert told(row, "outcome", "actor", "operation") == ("denied", "demo:mission_officer", "triage_case")


def test_a_row_a_caller_may_not_see_is_audited_as_denied_after_the_request_is_undone(house: House, token: Any) -> None:
    case = posted(house, token)

    answer = house.client("hotline").get(
        f"/hotline/v1/cases/{case['id']}", headers=token("mission_officer", country="KR")
    )

    assert answer.status_code == 404
    assert told(trail(house)[-1], "outcome", "row_id", "roles") == ("denied", case["id"], ["mission_officer"])


@pytest.mark.parametrize(
    "spelling", [str.upper, "{{{}}}".format, "urn:uuid:{}".format, lambda each: each.replace("-", "")]
)
def test_an_id_spelt_otherwise_is_audited_as_the_row_it_names(house: House, token: Any, spelling: Any) -> None:
    case = posted(house, token)
    client = house.client("hotline")
    path = f"/hotline/v1/cases/{spelling(case['id'])}"

    seen = client.get(path, headers=token("hotline_operator"))
    denied = client.get(path, headers=token("mission_officer", country="KR"))

    assert (seen.status_code, denied.status_code) == (200, 404)
    assert told(trail(house)[-1], "outcome", "row_id") == ("denied", case["id"])


def test_a_refusal_is_answered_even_when_it_cannot_be_audited(house: House, token: Any) -> None:
    client = house.client("hotline")
    client.get("/hotline/readyz")
    as_owner(house, "REVOKE INSERT ON audit FROM hotline_app")

    answer = client.get("/hotline/v1/cases", headers=token("osso_officer"))

    assert answer.status_code == 403


def test_who_is_not_known_is_not_audited(house: House) -> None:
    client = house.client("hotline")

    client.get("/hotline/v1/cases")
    client.get("/hotline/v1/nowhere")

    assert trail(house) == []


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(house: House, token: Any) -> None:
    house.runtime("hotline")
    expected = {
        ("", "203.0.113.9"): "testclient",
        ("10.0.0.1", "203.0.113.9"): "testclient",
        ("testclient", "203.0.113.9"): "203.0.113.9",
        ("10.0.0.1, testclient", "198.51.100.7, 203.0.113.9"): "203.0.113.9",
        ("testclient", ""): "testclient",
    }

    for proxies, forwarded in expected:
        runtime = open_runtime("hotline", house.settings("hotline", trusted_proxies=proxies), VISIBLE)
        headers = {**token("hotline_operator"), "X-Forwarded-For": forwarded}
        client_of(build(runtime)).get(f"/hotline/v1/cases/{new_id()}", headers=headers)
        runtime.close()

    assert [row["address"] for row in trail(house)] == list(expected.values())


def test_the_service_s_own_role_can_only_add_to_the_trail(house: House) -> None:
    engine = house.runtime("hotline").engine

    for table, column in (("audit", "kind"), ("audit_seal", "audit_id"), ("audit_head", "service")):
        for statement in (
            f"UPDATE {table} SET {column} = {column}",  # noqa: S608 - names of our own
            f"DELETE FROM {table}",  # noqa: S608 - names of our own
            f"TRUNCATE {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} ADD more integer",
        ):
            assert sqlstate_of(engine, statement) == "42501"


def test_the_service_s_own_role_makes_no_tables(house: House) -> None:
    assert sqlstate_of(house.runtime("hotline").engine, "CREATE TABLE own (id integer)") == "42501"


def sqlstate_of(engine: Engine, statement: str) -> str:
    """Return the SQLSTATE with which the database refuses a statement (42501: not permitted)."""
    with engine.connect() as connection, pytest.raises(ProgrammingError) as refused:
        connection.execute(text(statement))
    return str(getattr(refused.value.orig, "sqlstate", None))


def test_a_denial_says_who_and_what_was_asked_for(house: House) -> None:
    act = Act("officer-7", "read_case", "conversation-7", roles=("osso_officer",), address="203.0.113.9")

    record_denial(house.runtime("hotline"), act, "request", "row-1")

    (row,) = trail(house)
    assert told(row, "actor", "operation", "row_id", "address") == ("officer-7", "read_case", "row-1", "203.0.113.9")
