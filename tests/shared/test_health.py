"""What a process tells of itself: whether it can work, and what it lacks, also while its database is away."""

from datetime import timedelta

from shared.app import create_app
from shared.clock import now
from shared.tables import dead_letter, fetch
from tests.harness import House
from tests.specimen import client_of, dry_runtime


def told(house: House) -> dict[str, float]:
    """Return the gauges of hotline as Prometheus is told them."""
    lines = house.client("hotline").get("/hotline/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "{" not in line]
    return {name: float(value) for name, value in pairs}


def test_a_process_without_its_database_says_so_and_goes_on_answering() -> None:
    with client_of(create_app(dry_runtime(), title="x", routers=[])) as client:
        answer = client.get("/hotline/metrics")

    assert answer.status_code == 200
    assert "\nbaoho_ready 0.0\n" in answer.text


def test_a_process_with_its_database_is_ready_and_its_clock_goes_with_the_other(house: House) -> None:
    figures = told(house)

    assert figures["baoho_ready"] == 1
    assert figures["baoho_clock_skew_seconds"] < 1


def test_a_detail_that_is_lacking_is_told_between_two_tries_too(house: House) -> None:
    asked = {"kind": "X", "params": {}, "correlation_id": "test", "created_at": now() - timedelta(hours=2)}
    with house.runtime("hotline").engine.begin() as connection:
        connection.execute(fetch.insert().values(**asked, due_at=now() + timedelta(minutes=30)))

    figures = told(house)

    assert figures["baoho_fetches_due"] == 0
    assert 7200 <= figures["baoho_fetch_age_seconds"] < 7800


def test_letters_are_counted_by_what_they_wait_for(house: House) -> None:
    states = ["dead", "parked", "parked", "due", "due", "due", "replayed", "discarded"]
    with house.runtime("hotline").engine.begin() as connection:
        for state in states:
            connection.execute(dead_letter.insert().values(topic="t", headers=[], reason="r", state=state))

    figures = told(house)

    counted = [figures[f"baoho_{name}"] for name in ("dead_letters", "parked_events", "replays_due")]
    assert counted == [1, 2, 3]
