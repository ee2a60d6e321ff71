"""What the count says of honest data, and of facts that are still on their way."""

import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from itertools import count, islice
from uuid import UUID

import psycopg
import pytest

from deploy.reconcile.counting import matched
from deploy.reconcile.rules import Row
from deploy.reconcile.snapshots import snapshots
from shared.clock import now
from tests.deploy.reconcile.conftest import Planted

WAITING_IN_OUTBOX = """INSERT INTO outbox (event_id, topic, key, headers, payload, created_at)
    VALUES (gen_random_uuid(), 'referral.events', 'k', '{}', '', now() - interval '1 hour')"""
WAITING_IN_MAILBOX = """INSERT INTO mailbox (event_id, topic, key, headers, payload, created_at)
    VALUES ('e', 'intake.events', 'k', '{}', '', now() - interval '1 hour')"""
DEAD = """INSERT INTO dead_letter (event_id, topic, headers, payload, reason, state)
    VALUES ('e', 'intake.events', '[]', convert_to('{{"case_id": "{case}"}}', 'UTF8'), 'handler:ValueError', 'dead')"""
ASKED = """INSERT INTO "fetch" (kind, params, correlation_id)
    VALUES ('ContractDetails', '{{"case_id": "{case}"}}', 'c')"""
LEASED = """UPDATE delivery SET status = 'pending', lease_token = gen_random_uuid(),
    leased_until = now() + interval '1 hour' WHERE seq = (SELECT max(seq) FROM delivery)"""


def test_honest_data_are_clean_and_every_invariant_has_something_to_check(planted: Planted) -> None:
    lines = planted.count()

    assert {name: line.ids for name, line in lines.items() if line.broken or line.in_flight} == {}
    empty = {name for name, line in lines.items() if not line.checked}
    assert empty == {"outbox", "mailbox", "fetch", "dead-letters", "overdue-deliveries"}


def test_what_has_just_happened_is_in_flight(planted: Planted) -> None:
    planted.do("registry", "DELETE FROM watch_entry")

    in_flight = planted.in_flight(later=timedelta())
    line = planted.count(later=timedelta())["watch-list"]

    assert in_flight == {"watch-list": 2}
    assert line.broken == 0


def test_what_waits_in_the_outbox_is_in_flight_whatever_its_age(planted: Planted) -> None:
    [partner] = planted.do("intake", "SET session_replication_role = replica", "DELETE FROM partner RETURNING id")
    planted.do("referral", WAITING_IN_OUTBOX)

    lines = planted.count()

    assert (lines["partners"].in_flight, lines["partners"].broken) == (1, 0)
    assert lines["outbox"].broken == 1, partner


def test_what_waits_in_the_mailbox_is_in_flight_whatever_its_age(planted: Planted) -> None:
    planted.do("hotline", "UPDATE hotline_case SET progress = 'in_care'", WAITING_IN_MAILBOX)

    lines = planted.count()

    assert (lines["progress"].in_flight, lines["progress"].broken) == (1, 0)
    assert lines["mailbox"].broken == 1


def test_what_was_lost_before_the_oldest_that_waits_is_broken(planted: Planted) -> None:
    planted.do(
        "hotline",
        "UPDATE hotline_case SET progress = 'in_care'",
        WAITING_IN_MAILBOX.replace("- interval", "+ interval"),
    )

    assert planted.count()["progress"].broken == 1


def test_what_a_dead_letter_speaks_of_waits_for_the_operator(planted: Planted) -> None:
    [case] = planted.do("registry", "DELETE FROM watch_entry RETURNING case_id")[:1]
    planted.do("registry", DEAD.format(case=case))

    lines = planted.count()

    assert lines["dead-letters"].broken == 1
    assert (lines["watch-list"].in_flight, lines["watch-list"].broken) == (1, 1)
    assert case not in lines["watch-list"].ids


def test_details_that_are_still_being_fetched_are_in_flight(planted: Planted) -> None:
    [case, _] = planted.do("intake", "DELETE FROM case_contract RETURNING case_id")
    planted.do("intake", ASKED.format(case=case))

    line = planted.count(later=timedelta(minutes=30))["contract-details"]

    assert (line.in_flight, line.broken) == (1, 1)
    assert case not in line.ids


def test_a_delivery_in_hand_is_in_flight(planted: Planted) -> None:
    planted.do("referral", LEASED)

    line = planted.count()["overdue-deliveries"]

    assert (line.in_flight, line.broken) == (1, 0)


def test_two_endless_streams_are_brought_together_without_being_held() -> None:
    def endless(step: int) -> Iterator[Row]:
        return (Row(UUID(int=number), now(), ()) for number in count(0, step))

    keys = [
        (key.int, len(left), len(right))
        for key, left, right in islice(matched(endless(1), endless(2)), 100_000, 100_002)
    ]

    assert keys == [(100_000, 1, 1), (100_001, 1, 0)]


def test_many_rows_are_streamed_in_little_memory(planted: Planted) -> None:
    with snapshots({"intake": planted.addresses()["intake"]}) as found:
        tracemalloc.start()
        read = sum(1 for _ in found["intake"].rows("SELECT gen_random_uuid(), now() FROM generate_series(1, 200000)"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert read == 200_000
    assert peak < 8_000_000


def test_a_snapshot_stands_still_and_cannot_be_written_to(planted: Planted) -> None:
    planted.do("hotline", "SELECT 1")
    with snapshots({"hotline": planted.addresses()["hotline"]}) as found:
        before = found["hotline"].number("SELECT count(*) FROM hotline_case")
        planted.do("hotline", "DELETE FROM hotline_case")

        after = found["hotline"].number("SELECT count(*) FROM hotline_case")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            found["hotline"].number("DELETE FROM audit RETURNING 1")

    assert before == after == 1
