"""What intake does on the news of others, in whatever order it comes."""

from typing import Any
from uuid import UUID

from shared.codes.identity_numbers import IdKind
from shared.contracts.hotline import HotlineCaseHandedOver
from shared.contracts.intake import CaseOpened, ContractLinkRequested, ViolationAlleged
from shared.contracts.registry import ContractLinked, ContractNotFound
from shared.ids import new_id
from shared.person import pseudonym_of
from tests.intake.world import World, contract_details, finding, hand_over_details


def handed_over(hotline_case_id: UUID, **changes: str) -> HotlineCaseHandedOver:
    told = {"office": "osso-ha-noi", "province": "01", "country": "TW", "category": "detention", "priority": "p1"}
    return HotlineCaseHandedOver(hotline_case_id=hotline_case_id, **{**told, **changes})


def only_case(world: World, headers: Any = None) -> Any:
    [case] = world.get("/cases", headers).json()["items"]
    return world.get(f"/cases/{case['id']}", headers).json()


def linked(world: World, **changes: Any) -> tuple[str, UUID, UUID]:
    """Register a case and link it to a contract; return the ids of case, contract and agency."""
    case_id, contract_id, agency_id = world.register(**changes)["id"], new_id(), new_id()
    world.handle(ContractLinked(case_id=UUID(case_id), contract_id=contract_id, agency_id=agency_id))
    return case_id, contract_id, agency_id


def test_a_handed_over_case_is_opened_at_the_office_that_was_named(world: World) -> None:
    hotline_case_id = new_id()

    world.handle(handed_over(hotline_case_id))

    case = only_case(world)
    assert (case["channel"], case["priority"], case["country"]) == ("hotline", "p1", "TW")
    assert (case["hotline_case_id"], case["person"], case["narrative"]) == (str(hotline_case_id), None, None)
    assert case["erased"] is False
    assert world.asked() == [("HandOverDetails", {"hotline_case_id": str(hotline_case_id)})]
    [opened] = world.house.published("intake", CaseOpened)
    assert (opened.hotline_case_id, opened.office, opened.province) == (hotline_case_id, "osso-ha-noi", "01")


def test_a_case_handed_over_twice_is_one_case(world: World) -> None:
    hotline_case_id = new_id()
    event_id = world.handle(handed_over(hotline_case_id))

    world.handle(handed_over(hotline_case_id), event_id=event_id)
    world.handle(handed_over(hotline_case_id))

    assert len(world.house.published("intake", CaseOpened)) == 1
    assert len(world.asked()) == 1


def test_an_office_we_do_not_list_keeps_the_province_it_came_with(world: World) -> None:
    world.handle(handed_over(new_id(), office="osso-da-nang", province="48"))

    supervisor = world.token("osso_supervisor", office="osso-da-nang", province="48")
    assert only_case(world, supervisor)["office"] == "osso-da-nang"


def test_the_details_of_a_hand_over_make_the_person_known(world: World) -> None:
    hotline_case_id = new_id()
    world.handle(handed_over(hotline_case_id))

    world.apply(hand_over_details(hotline_case_id), hotline_case_id=hotline_case_id)

    case = only_case(world)
    assert (case["person"]["name"], case["narrative"]) == ("Trần Văn Đức", "Chủ tàu giữ hộ chiếu.")
    assert (case["complaint_types"], case["received_on"]) == (["confinement"], "2026-11-01")
    assert case["link_state"] == "requested"
    assert world.told(case["id"]) == ["case_opened", "hand_over_received", "link_requested"]
    found = world.post("/people/search", {"name": "duc tran"}).json()["items"]
    assert [person["case_ids"] for person in found] == [[case["id"]]]


def test_the_details_of_a_hand_over_ask_for_the_contract_by_pseudonym(world: World) -> None:
    hotline_case_id = new_id()
    world.handle(handed_over(hotline_case_id))

    world.apply(hand_over_details(hotline_case_id), hotline_case_id=hotline_case_id)

    [asked] = world.house.published("intake", ContractLinkRequested)
    vault = world.house.runtime("intake").vault
    assert asked.pseudonym == pseudonym_of(vault, IdKind.PASSPORT, "C1234567")
    assert not any(word in str(world.house.published("intake")) for word in ("Đức", "1234567", "886912"))


def test_a_hand_over_of_someone_unknown_asks_nothing(world: World) -> None:
    hotline_case_id = new_id()
    unknown = dict.fromkeys(("name", "born_on", "sex", "document", "document_number", "phone"))
    world.handle(handed_over(hotline_case_id))

    world.apply(hand_over_details(hotline_case_id, **unknown), hotline_case_id=hotline_case_id)

    assert only_case(world)["person"]["name"] is None
    assert world.house.published("intake", ContractLinkRequested) == []


def test_details_that_come_after_an_erasure_are_not_taken_down(world: World) -> None:
    hotline_case_id = new_id()
    world.handle(handed_over(hotline_case_id))
    case = only_case(world)
    world.closed(case["id"])
    world.post(f"/people/{case['person_id']}/erase", headers=world.supervisor)

    world.apply(hand_over_details(hotline_case_id), hotline_case_id=hotline_case_id)

    after = only_case(world)
    assert (after["person"], after["narrative"], after["erased"]) == (None, None, True)


def test_a_linked_contract_is_noted_and_asked_for(world: World) -> None:
    case_id, contract_id, agency_id = linked(world)

    assert world.get(f"/cases/{case_id}").json()["link_state"] == "linked"
    assert world.asked() == [("ContractDetails", {"case_id": case_id})]
    step = world.get(f"/cases/{case_id}/timeline").json()["items"][0]
    assert step["details"] == {"contract_id": str(contract_id), "agency_id": str(agency_id)}


def test_a_contract_is_shown_with_its_findings_and_their_articles(world: World) -> None:
    case_id, contract_id, agency_id = linked(world)

    world.apply(contract_details(case_id, contract_id, agency_id), case_id=case_id)

    contract = world.get(f"/cases/{case_id}").json()["contract"]
    broker, ceiling, _ = contract["findings"]
    assert (contract["contract_id"], contract["agency_name"]) == (str(contract_id), "Công ty Biển Đông")
    assert contract["monthly_wage"] == {"amount": "17000000", "currency": "VND"}
    assert contract["costs"][0]["money"]["amount"] == "60000000"
    assert (broker["article"]["code"], broker["article"]["revocation_ground"]) == ("7.8", True)
    assert (broker["article"]["vi"], broker["article"]["en"]) == (
        "Thu tiền môi giới của người lao động",
        "Charging brokerage to the worker",
    )
    assert (broker["citation"], broker["citation_en"]) == ("Luật 69/2020/QH14, Điều 7", "Law 69/2020/QH14, Article 7")
    assert ceiling["article"] is None
    assert world.told(case_id)[-4:] == ["contract_read", "finding", "finding", "finding"]
    [step, *_] = world.get(f"/cases/{case_id}/timeline").json()["items"]
    assert (step["details"]["finding"], step["details"]["citation"]) == ("part_year", "Luật 69/2020/QH14, Điều 7")


def test_what_is_alleged_names_complaints_and_indicated_violations(world: World) -> None:
    case_id, contract_id, agency_id = linked(world)

    world.apply(contract_details(case_id, contract_id, agency_id), case_id=case_id)

    [alleged] = world.house.published("intake", ViolationAlleged)
    assert (str(alleged.case_id), alleged.agency_id, alleged.contract_id) == (case_id, agency_id, contract_id)
    assert alleged.allegations == ["broker_fee", "brokerage_charged", "ceiling_exceeded", "document_retention"]
    assert alleged.clauses == [8, 10]


def test_nothing_is_alleged_where_nothing_is_complained_of_or_indicated(world: World) -> None:
    hotline_case_id, contract_id, agency_id = new_id(), new_id(), new_id()
    world.handle(handed_over(hotline_case_id))
    case_id = only_case(world)["id"]

    details = contract_details(case_id, contract_id, agency_id, findings=[finding("within", "information", None)])
    world.apply(details, case_id=case_id)

    assert world.house.published("intake", ViolationAlleged) == []
    assert only_case(world)["link_state"] == "linked"


def test_a_contract_read_again_replaces_what_was_read(world: World) -> None:
    case_id, contract_id, agency_id = linked(world)
    world.apply(contract_details(case_id, contract_id, agency_id), case_id=case_id)

    world.apply(contract_details(case_id, contract_id, agency_id, months=24, findings=[]), case_id=case_id)

    contract = world.get(f"/cases/{case_id}").json()["contract"]
    assert (contract["months"], contract["findings"]) == (24, [])


def test_no_contract_is_noted_once_and_never_undoes_a_link(world: World) -> None:
    missing = world.register()["id"]
    case_id, _, _ = linked(world)

    for _ in range(2):
        world.handle(ContractNotFound(case_id=UUID(missing)))
        world.handle(ContractNotFound(case_id=UUID(case_id)))

    assert world.get(f"/cases/{missing}").json()["link_state"] == "not_found"
    assert world.told(missing).count("contract_not_found") == 1
    assert world.get(f"/cases/{case_id}").json()["link_state"] == "linked"
    assert "contract_not_found" not in world.told(case_id)
