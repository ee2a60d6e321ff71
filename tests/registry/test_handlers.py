"""What the registry does on intake's events; repeated or out of order they are harmless."""

import threading
import time
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from services.registry.actions import take_worker_turn
from services.registry.models import Contract, ContractLink
from shared.bus import Retry
from shared.contracts.intake import ContractLinkRequested, ViolationAlleged
from shared.contracts.registry import AgencyWatched, ContractLinked, ContractNotFound
from shared.ids import new_id
from shared.law.fees import JobCode
from shared.tables import dead_letter, outbox
from tests.registry.arranged import NOBODY, Registry

WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
"""


def wait_until_someone_waits(registry: Registry) -> None:
    """Return once another transaction waits for its turn."""
    deadline = time.monotonic() + 30
    with registry.house.runtime("registry").engine.connect() as connection:
        while connection.execute(text(WAITING)).scalar_one() == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def an_unfinished_contract(worker_id: str, agency_id: str) -> Contract:
    return Contract(
        worker_id=UUID(worker_id),
        agency_id=UUID(agency_id),
        market="JP",
        job=JobCode.TRAINEE,
        monthly_wage=Decimal(27_000_000),
        currency="VND",
        months=36,
        sending_contract_signed_on=date(2025, 3, 1),
        costs=[],
        findings=[],
    )


def alleged(registry: Registry, agency_id: str, case_id: UUID, allegations: list[str], clauses: list[int]) -> None:
    event = ViolationAlleged(
        case_id=case_id, agency_id=UUID(agency_id), contract_id=new_id(), allegations=allegations, clauses=clauses
    )
    registry.house.handle("registry", event)


def test_a_case_is_linked_to_the_contract_of_its_person(registry: Registry) -> None:
    agency = registry.agency()
    contract = registry.contract(registry.worker(), agency)

    case_id = registry.ask_for_link(registry.pseudonym())

    linked = registry.house.published("registry", ContractLinked)
    assert linked == [ContractLinked(case_id=case_id, contract_id=UUID(contract["id"]), agency_id=UUID(agency["id"]))]


def test_an_old_card_number_and_the_identity_number_mean_the_same_kind_of_document(registry: Registry) -> None:
    registry.contract(registry.worker(document="cmnd", document_number="012345678"), registry.agency())

    registry.ask_for_link(registry.pseudonym("cccd", "012345678"))
    registry.ask_for_link(registry.pseudonym("passport", "012345678"))

    assert len(registry.house.published("registry", ContractLinked)) == 1
    assert len(registry.house.published("registry", ContractNotFound)) == 1


def test_of_several_contracts_the_newest_by_signature_is_linked(registry: Registry) -> None:
    worker, agency = registry.worker(), registry.agency()
    newest = registry.contract(worker, agency, sending_contract_signed_on="2025-06-01")
    registry.contract(worker, agency, sending_contract_signed_on="2022-06-01")

    registry.ask_for_link(registry.pseudonym())

    assert [str(event.contract_id) for event in registry.house.published("registry", ContractLinked)] == [newest["id"]]


def test_a_person_without_a_contract_is_told_of_and_remembered(registry: Registry) -> None:
    registry.worker()

    case_id = registry.ask_for_link(registry.pseudonym())

    assert registry.house.published("registry") == [ContractNotFound(case_id=case_id)]


def test_a_contract_registered_later_is_linked_to_every_case_that_waits(registry: Registry) -> None:
    cases = [registry.ask_for_link(registry.pseudonym()) for _ in range(2)]
    someone_else = registry.ask_for_link(registry.pseudonym("passport", "C1234567"))

    contract = registry.contract(registry.worker(), registry.agency())

    linked = registry.house.published("registry", ContractLinked)
    assert {event.case_id for event in linked} == set(cases)
    assert someone_else not in {event.case_id for event in linked}
    assert {str(event.contract_id) for event in linked} == {contract["id"]}


def test_a_link_once_made_stays_when_another_contract_is_registered(registry: Registry) -> None:
    worker, agency = registry.worker(), registry.agency()
    registry.contract(worker, agency)
    case_id = registry.ask_for_link(registry.pseudonym())

    registry.contract(worker, agency, sending_contract_signed_on="2026-01-01")

    assert [event.case_id for event in registry.house.published("registry", ContractLinked)] == [case_id]


def test_a_worker_without_papers_is_linked_to_nothing(registry: Registry) -> None:
    registry.ask_for_link(registry.pseudonym())

    registry.contract(registry.worker(document=None, document_number=None), registry.agency())

    assert registry.house.published("registry", ContractLinked) == []


def test_a_request_brought_twice_has_one_effect(registry: Registry) -> None:
    registry.contract(registry.worker(), registry.agency())
    request = ContractLinkRequested(case_id=new_id(), pseudonym=registry.pseudonym())

    event_id = registry.house.handle("registry", request)
    registry.house.handle("registry", request, event_id=event_id)

    assert len(registry.house.published("registry", ContractLinked)) == 1


def test_a_case_that_asks_again_is_answered_again(registry: Registry) -> None:
    registry.contract(registry.worker(), registry.agency())

    case_id = registry.ask_for_link(registry.pseudonym())
    registry.ask_for_link(registry.pseudonym(), case_id)

    first, again = registry.house.published("registry", ContractLinked)
    assert first == again
    sequences = [row["headers"]["ce_sequence"] for row in registry.house.rows("registry", outbox)]
    assert sequences == ["0000000001", "0000000002"]


def test_a_corrected_document_takes_the_wrong_contract_away(registry: Registry) -> None:
    registry.contract(registry.worker(), registry.agency())
    case_id = registry.ask_for_link(registry.pseudonym())

    registry.ask_for_link(registry.pseudonym(number="040099001234"), case_id)

    assert isinstance(registry.house.published("registry")[-1], ContractNotFound)
    assert registry.fetch(case_id).status_code == 404


def test_a_case_with_a_corrected_document_waits_for_the_contract_of_that_document(registry: Registry) -> None:
    case_id = registry.ask_for_link(registry.pseudonym())
    registry.ask_for_link(registry.pseudonym(number="040099001234"), case_id)

    registry.contract(registry.worker(), registry.agency())
    wrong = registry.fetch(case_id).status_code
    contract = registry.contract(registry.worker(document_number="040099001234"), registry.agency())

    assert wrong == 404
    assert registry.fetch(case_id).json()["contract_id"] == contract["id"]


def test_a_request_waits_for_a_registration_under_way_and_finds_it(registry: Registry) -> None:
    worker, agency = registry.worker(), registry.agency()
    asking = threading.Thread(target=registry.ask_for_link, args=[registry.pseudonym()])

    with registry.house.session("registry") as registering:
        take_worker_turn(registering, registry.pseudonym())
        registering.add(an_unfinished_contract(worker["id"], agency["id"]))
        registering.flush()
        asking.start()
        wait_until_someone_waits(registry)
        registering.commit()
    asking.join(timeout=30)

    (event,) = registry.house.published("registry")
    assert isinstance(event, ContractLinked)


def test_a_registration_waits_for_a_request_under_way_and_links_it(registry: Registry) -> None:
    worker, agency = registry.worker(), registry.agency()
    case_id = new_id()
    body = registry.contract_body(worker, agency)
    registering = threading.Thread(target=registry.post, args=["/contracts", body])

    with registry.house.session("registry") as asking:
        take_worker_turn(asking, registry.pseudonym())
        asking.add(ContractLink(case_id=case_id, pseudonym=registry.pseudonym()))
        asking.flush()
        registering.start()
        wait_until_someone_waits(registry)
        asking.commit()
    registering.join(timeout=30)

    assert [event.case_id for event in registry.house.published("registry", ContractLinked)] == [case_id]


def test_an_allegation_puts_the_agency_on_the_watch_list(registry: Registry) -> None:
    agency, case_id = registry.agency(), new_id()

    alleged(registry, agency["id"], case_id, ["broker_fee"], [8])

    assert registry.house.published("registry") == [AgencyWatched(agency_id=UUID(agency["id"]), case_id=case_id)]
    watched = registry.get("/watch-list").json()["items"]
    assert [(item["agency"]["id"], item["cases"]) for item in watched] == [(agency["id"], 1)]


def test_more_allegations_of_a_case_are_added_and_the_same_again_is_no_news(registry: Registry) -> None:
    agency, case_id = registry.agency(), new_id()

    alleged(registry, agency["id"], case_id, ["illegal_fee"], [9])
    alleged(registry, agency["id"], case_id, ["broker_fee"], [8])
    alleged(registry, agency["id"], case_id, ["illegal_fee"], [9])

    assert len(registry.house.published("registry", AgencyWatched)) == 2
    watched = registry.get("/watch-list").json()["items"][0]
    assert watched["cases"] == 1
    assert [item["code"] for item in watched["allegations"]] == ["broker_fee", "illegal_fee"]


def test_two_allegations_of_one_case_at_once_make_one_entry(registry: Registry) -> None:
    agency, case_id = registry.agency(), new_id()
    both = threading.Barrier(2)

    def allege(allegation: str, clause: int) -> None:
        both.wait()
        alleged(registry, agency["id"], case_id, [allegation], [clause])

    threads = [threading.Thread(target=allege, args=pair) for pair in (("broker_fee", 8), ("illegal_fee", 9))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    watched = registry.get("/watch-list").json()["items"][0]
    assert watched["cases"] == 1
    assert [item["clause"] for item in watched["clauses"]] == [8, 9]


def test_an_allegation_against_an_unknown_agency_is_tried_again_and_never_lost(registry: Registry) -> None:
    with pytest.raises(Retry):
        alleged(registry, NOBODY, new_id(), ["broker_fee"], [8])

    assert registry.house.published("registry") == []
    assert registry.house.rows("registry", dead_letter) == []
