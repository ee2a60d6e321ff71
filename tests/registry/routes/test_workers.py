"""Workers: registered once, found by name or document, read in scope, and every reading recorded."""

from typing import Any

import pytest
from sqlmodel import select

from services.registry.models import Worker
from shared.people import erase
from shared.tables import audit
from tests.registry.arranged import NOBODY, PERSON, Registry

NAMES = ["Nguyễn Thị Hằng", "Trần Văn Đức", "Lê Thị Ánh Nguyệt"]
NUMBERS = ["001301004321", "040099001234", "079188005678"]


def registered(registry: Registry) -> list[str]:
    pairs = zip(NAMES, NUMBERS, strict=True)
    return [registry.worker(name=name, document_number=number)["id"] for name, number in pairs]


def found(registry: Registry, **asked: str) -> list[str]:
    answer = registry.post("/workers/search", asked)
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


def test_a_clerk_registers_a_worker(registry: Registry) -> None:
    answer = registry.post("/workers", {"person": PERSON, "province": "01"})

    assert answer.status_code == 201, answer.text
    worker = answer.json()
    assert answer.headers["location"] == f"/registry/v1/workers/{worker['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (worker["province"], worker["person"]["name"]) == ("01", "Nguyễn Thị Hằng")


def test_nothing_of_the_person_is_stored_in_clear(registry: Registry) -> None:
    registry.worker()

    with registry.house.session("registry") as session:
        stored = repr(session.exec(select(Worker)).one().model_dump())

    for value in ("Hằng", "2001-05-17", "001301004321", "912345678"):
        assert value not in stored


@pytest.mark.parametrize("written", ["001301004321", "001 301 004 321"])
def test_a_document_is_registered_once(registry: Registry, written: str) -> None:
    worker = registry.worker()

    again = registry.post("/workers", {"person": {"document": "cccd", "document_number": written}, "province": "40"})

    assert again.status_code == 409
    assert (again.json()["reason"], again.json()["worker_id"]) == ("worker_registered", worker["id"])


def test_workers_without_papers_are_registered_each_for_itself(registry: Registry) -> None:
    nameless: dict[str, Any] = {"name": None, "document": None, "document_number": None}

    assert registry.worker(**nameless)["id"] != registry.worker(**nameless)["id"]


@pytest.mark.parametrize(
    ("person", "province", "pointer"),
    [
        ({"document": "cccd", "document_number": "12"}, "01", "/person"),
        ({"document": "cccd"}, "01", "/person"),
        ({"born_on": "2999-01-01"}, "01", "/person/born_on"),
        ({}, "99", "/province"),
    ],
)
def test_a_worker_with_a_fault_is_refused_without_repeating_what_was_sent(
    registry: Registry, person: dict[str, Any], province: str, pointer: str
) -> None:
    answer = registry.post("/workers", {"person": {"name": "Bùi Bí Mật", **person}, "province": province})

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "Mật" not in answer.text


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("nguyen hang", ["Nguyễn Thị Hằng"]),
        ("HẰNG thị Nguyễn", ["Nguyễn Thị Hằng"]),
        ("duc", ["Trần Văn Đức"]),
        ("thi", ["Lê Thị Ánh Nguyệt", "Nguyễn Thị Hằng"]),
        ("nguy", ["Lê Thị Ánh Nguyệt", "Nguyễn Thị Hằng"]),
        ("hang duc", []),
    ],
)
def test_names_are_found_without_diacritics_in_any_order(registry: Registry, asked: str, expected: list[str]) -> None:
    registered(registry)

    assert found(registry, name=asked) == expected


def test_a_worker_is_found_by_document_however_it_is_written(registry: Registry) -> None:
    registered(registry)

    assert found(registry, document="cccd", document_number="040 099 001.234") == ["Trần Văn Đức"]
    assert found(registry, document="cmnd", document_number="040099001234") == ["Trần Văn Đức"]
    assert found(registry, document="passport", document_number="040099001234") == []


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"name": "-"},
        {"document": "cccd"},
        {"document_number": "001301004321"},
        {"name": "hang", "document": "cccd", "document_number": "001301004321"},
    ],
)
def test_a_search_asks_one_thing(registry: Registry, asked: dict[str, str]) -> None:
    registry.worker()

    assert registry.post("/workers/search", asked).status_code == 422


def test_a_search_stores_nothing_and_needs_no_key(registry: Registry) -> None:
    registry.worker()
    headers = {**registry.token("registry_clerk"), "Idempotency-Key": ""}

    answer = registry.house.client("registry").post(
        "/registry/v1/workers/search", json={"name": "hang"}, headers=headers
    )

    assert answer.status_code == 200


def test_a_search_goes_on_with_the_same_body_and_no_other(registry: Registry) -> None:
    registered(registry)
    client, headers = registry.house.client("registry"), registry.token("registry_clerk")

    first = client.post("/registry/v1/workers/search?limit=1", json={"name": "thi"}, headers=headers).json()
    second = client.post(first["next"], json={"name": "thi"}, headers=headers)
    other = client.post(first["next"], json={"name": "duc"}, headers=headers)

    assert [item["name"] for item in first["items"]] == ["Lê Thị Ánh Nguyệt"]
    assert [item["name"] for item in second.json()["items"]] == ["Nguyễn Thị Hằng"]
    assert other.status_code == 422


def test_who_read_whose_details_is_recorded(registry: Registry) -> None:
    worker = registry.worker()

    registry.get(f"/workers/{worker['id']}", "labour_officer", province="01")
    registry.post("/workers/search", {"name": "hang"})

    rows = registry.house.rows("registry", audit)
    reads = [(row["actor"], row["row_id"]) for row in rows if row["outcome"] == "read"]
    assert reads == [("demo:labour_officer", worker["id"]), ("demo:registry_clerk", worker["id"])]


def test_lists_show_nobody(registry: Registry) -> None:
    registered(registry)

    answer = registry.get("/workers?limit=2")

    assert [set(item) for item in answer.json()["items"]] == [{"id", "province", "created_at"}] * 2
    assert answer.json()["next"] is not None


def test_a_labour_officer_knows_the_workers_of_its_province_alone(registry: Registry) -> None:
    own = registry.worker("01")
    foreign = registry.worker("40", document_number="040099001234")
    me = {"role": "labour_officer", "province": "01"}

    listed = registry.get("/workers", **me).json()["items"]
    searched = registry.post("/workers/search", {"name": "hang"}, **me).json()["items"]

    assert [item["id"] for item in listed] == [own["id"]]
    assert [item["id"] for item in searched] == [own["id"]]
    assert registry.get(f"/workers/{own['id']}", **me).status_code == 200
    assert registry.get(f"/workers/{foreign['id']}", **me).status_code == 404


def test_an_erased_worker_shows_nothing_and_no_name_finds_it(registry: Registry) -> None:
    worker = registry.worker()
    with registry.house.session("registry") as session:
        row = session.exec(select(Worker)).one()
        erase(session, row.id)
        session.commit()

    assert registry.get(f"/workers/{worker['id']}").json()["person"] is None
    assert found(registry, name="hang") == []
    by_number = registry.post("/workers/search", {"document": "cccd", "document_number": "001301004321"}).json()
    assert [(item["name"], item["born_on"]) for item in by_number["items"]] == [(None, None)]


@pytest.mark.parametrize("role", ["labour_officer", "agency_officer", "partner_worker", "mission_officer"])
def test_only_clerks_register_workers(registry: Registry, role: str) -> None:
    assert registry.post("/workers", {"person": PERSON, "province": "01"}, role).status_code == 403


def test_a_worker_who_does_not_exist_is_not_found(registry: Registry) -> None:
    assert registry.get(f"/workers/{NOBODY}").status_code == 404
