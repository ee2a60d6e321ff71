"""Contracts: registered by clerks and by agencies for themselves, judged at once, read in scope."""

from typing import Any

import pytest

from shared.tables import audit
from tests.registry.arranged import BROKERAGE, CONTRACT, NOBODY, SERVICE_FEE, Registry

VERDICTS = ("guilty", "has violated", "phạm tội", "đã vi phạm")


def agency_officer(agency: dict[str, Any]) -> dict[str, str]:
    return {"role": "agency_officer", "agency": agency["id"]}


def test_a_contract_with_190_million_and_a_broker_carries_two_indications(registry: Registry) -> None:
    body = registry.contract_body(registry.worker(), registry.agency(), costs=[SERVICE_FEE, BROKERAGE])

    answer = registry.post("/contracts", body)

    assert answer.status_code == 201, answer.text
    indicated = [finding for finding in answer.json()["findings"] if finding["outcome"] == "violation_indicated"]
    assert [(finding["code"], finding["clause"]) for finding in indicated] == [
        ("over_ceiling", 9),
        ("brokerage_charged", 8),
    ]
    assert [finding["citation"] for finding in indicated] == [
        "Luật 69/2020/QH14, Điều 23, khoản 4a",
        "Luật 69/2020/QH14, Điều 7, khoản 8",
    ]
    assert indicated[0]["numbers"]["over_by"] == "109000000"
    assert "109.000.000" in indicated[0]["vi"]
    assert "109,000,000" in indicated[0]["en"]


def test_findings_never_convict(registry: Registry) -> None:
    costs = [SERVICE_FEE, BROKERAGE, {**SERVICE_FEE, "paid_on": "2025-01-01"}]

    contract = registry.contract(registry.worker(), registry.agency(), costs=costs)

    for finding in contract["findings"]:
        assert finding["outcome"] in {"information", "needs_review", "violation_indicated"}
        assert not [verdict for verdict in VERDICTS if verdict in (finding["vi"] + finding["en"]).lower()]


def test_a_contract_is_read_as_it_was_registered(registry: Registry) -> None:
    rate = {"rate": "170.5", "rate_on": "2025-03-01", "rate_source": "State Bank of Viet Nam"}
    wage = {"amount": "180000", "currency": "JPY"}
    registered = registry.contract(
        registry.worker(), registry.agency(), monthly_wage=wage, costs=[SERVICE_FEE], extension=True, **rate
    )

    answer = registry.get(f"/contracts/{registered['id']}")

    assert answer.json() == registered
    assert answer.headers["etag"] == '"1"'
    assert registered["monthly_wage"] == wage
    assert registered["costs"] == [SERVICE_FEE]
    assert registered["rate"] == "170.5"
    assert registered["version"] == 1


def test_the_status_of_the_licence_is_that_of_the_day_of_signature(registry: Registry) -> None:
    agency = registry.agency(licence_status_on="2024-01-01")
    revoked = {"licence_status": "revoked", "licence_status_on": "2025-02-01"}
    registry.patch(f"/agencies/{agency['id']}", revoked, '"1"')
    worker = registry.worker()

    days = ["2023-12-31", "2025-01-31", "2025-03-01"]
    statuses = [
        registry.contract(worker, agency, sending_contract_signed_on=day)["licence_status_when_signed"] for day in days
    ]

    assert statuses == [None, "active", "revoked"]


def test_a_worker_under_age_is_not_registered_and_the_answer_says_why(registry: Registry) -> None:
    worker, agency = registry.worker(born_on="2008-01-01"), registry.agency()

    answer = registry.post("/contracts", registry.contract_body(worker, agency))

    assert answer.status_code == 422
    error = answer.json()["errors"][0]
    assert (error["pointer"], error["code"]) == ("/worker_id", "under_age")
    assert "mua bán người" in error["expected"]
    assert "Điều 3" in error["expected"]
    assert registry.get("/contracts").json()["items"] == []


def test_a_worker_of_unknown_age_is_registered_and_a_person_must_look(registry: Registry) -> None:
    contract = registry.contract(registry.worker(born_on=None), registry.agency())

    assert [finding["code"] for finding in contract["findings"]] == ["within_ceiling", "age_not_judged"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"worker_id": NOBODY}, "/worker_id"),
        ({"agency_id": NOBODY}, "/agency_id"),
        ({"market": "XX"}, "/market"),
        ({"job": "king"}, "/job"),
        ({"months": 0}, "/months"),
        ({"months": 121}, "/months"),
        ({"monthly_wage": {"amount": "0", "currency": "VND"}}, "/monthly_wage"),
        ({"monthly_wage": {"amount": 27000000, "currency": "VND"}}, "/monthly_wage/amount"),
        ({"monthly_wage": {"amount": "1", "currency": "VNX"}}, "/monthly_wage/currency"),
        ({"sending_contract_signed_on": "2999-01-01"}, "/sending_contract_signed_on"),
        ({"rate": "0"}, "/rate"),
        ({"rate": "1000000"}, "/rate"),
        ({"costs": [{"kind": "brokerage", "money": {"amount": "-1", "currency": "VND"}}]}, "/costs/0/money"),
        ({"costs": [{"kind": "bribe", "money": {"amount": "1", "currency": "VND"}}]}, "/costs/0/kind"),
        ({"findings": []}, "/findings"),
    ],
)
def test_a_contract_with_a_fault_is_refused_at_its_place(
    registry: Registry, changes: dict[str, Any], pointer: str
) -> None:
    body = registry.contract_body(registry.worker(), registry.agency(), **changes)

    answer = registry.post("/contracts", body)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_the_largest_amounts_are_judged_without_failing(registry: Registry) -> None:
    most = {"amount": "9999999999999999.9999", "currency": "JPY"}
    costs = [{"kind": "service_fee", "money": {**most, "currency": currency}} for currency in ("JPY", "VND")] * 50
    rate = {"rate": "999999.9999", "rate_on": "2025-03-01", "rate_source": "State Bank of Viet Nam"}

    answer = registry.post(
        "/contracts",
        registry.contract_body(
            registry.worker(),
            registry.agency(),
            monthly_wage=most,
            months=120,
            job="transport_crew",
            costs=costs,
            **rate,
        ),
    )

    assert answer.status_code == 201, answer.text


def test_an_agency_registers_its_own_contracts_and_no_others(registry: Registry) -> None:
    own, other, worker = registry.agency(), registry.agency(), registry.worker()

    allowed = registry.post("/contracts", registry.contract_body(worker, own), **agency_officer(own))
    refused = registry.post("/contracts", registry.contract_body(worker, other), **agency_officer(own))

    assert (allowed.status_code, refused.status_code) == (201, 403)


def test_an_agency_that_is_not_registered_registers_nothing(registry: Registry) -> None:
    body = registry.contract_body(registry.worker(), {"id": NOBODY})

    answer = registry.post("/contracts", body, "agency_officer", agency=NOBODY)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/agency_id"


def test_an_agency_sees_its_own_contracts_alone(registry: Registry) -> None:
    own, other, worker = registry.agency(), registry.agency(), registry.worker()
    mine, foreign = registry.contract(worker, own), registry.contract(worker, other)

    listed = registry.get("/contracts", **agency_officer(own)).json()["items"]

    assert [item["id"] for item in listed] == [mine["id"]]
    assert registry.get(f"/contracts/{mine['id']}", **agency_officer(own)).json() == mine
    assert registry.get(f"/contracts/{foreign['id']}", **agency_officer(own)).status_code == 404
    assert registry.get(f"/contracts?agency_id={other['id']}", **agency_officer(own)).json()["items"] == []


def test_a_labour_officer_sees_the_contracts_of_its_provinces_workers(registry: Registry) -> None:
    agency = registry.agency()
    near = registry.contract(registry.worker("01"), agency)
    far = registry.contract(registry.worker("40", document_number="040099001234"), agency)
    me = {"role": "labour_officer", "province": "01"}

    assert [item["id"] for item in registry.get("/contracts", **me).json()["items"]] == [near["id"]]
    assert registry.get(f"/contracts/{near['id']}", **me).status_code == 200
    assert registry.get(f"/contracts/{near['id']}", **me).json()["licence_status_when_signed"] == "active"
    assert registry.get(f"/contracts/{far['id']}", **me).status_code == 404
    assert registry.post("/contracts", CONTRACT, **me).status_code == 403


def test_contracts_are_listed_by_worker_agency_and_market(registry: Registry) -> None:
    one, other = registry.agency(), registry.agency()
    her, him = registry.worker(), registry.worker(document_number="040099001234")
    first = registry.contract(her, one)
    second = registry.contract(her, other, market="TW")
    third = registry.contract(him, one, market="KR")

    def listed(query: str) -> list[str]:
        return [item["id"] for item in registry.get(f"/contracts?{query}").json()["items"]]

    assert listed(f"worker_id={her['id']}") == [second["id"], first["id"]]
    assert listed(f"agency_id={one['id']}") == [third["id"], first["id"]]
    assert listed("market=TW") == [second["id"]]
    assert registry.get("/contracts?market=XX").status_code == 422


def test_the_same_key_registers_one_contract_also_for_an_agency(registry: Registry) -> None:
    agency = registry.agency()
    body = registry.contract_body(registry.worker(), agency)
    headers = {**registry.token("agency_officer", agency=agency["id"]), "Idempotency-Key": "one"}
    client = registry.house.client("registry")

    first = client.post("/registry/v1/contracts", json=body, headers=headers)
    again = client.post("/registry/v1/contracts", json=body, headers=headers)

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert len(registry.get("/contracts").json()["items"]) == 1


def test_who_read_which_contract_is_recorded(registry: Registry) -> None:
    contract = registry.contract(registry.worker(), registry.agency())

    registry.get(f"/contracts/{contract['id']}", "labour_officer")

    reads = [row for row in registry.house.rows("registry", audit) if row["outcome"] == "read"]
    assert [(row["kind"], row["row_id"]) for row in reads] == [("contract", contract["id"])]
