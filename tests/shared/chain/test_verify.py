"""Whoever reaches behind the running service and touches the trail is found out, and the first broken row is named."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from shared.chain import Ring
from shared.chain.sealer import Sealer
from shared.chain.verify import Break, Harm, Verdict
from shared.clock import now
from shared.contracts import KNOWN
from shared.runtime import Runtime
from shared.settings import parse_keys
from tests.harness import House, new_key
from tests.shared.chain.trail import ROWS, found, grow, note, noted, owner_of, seal_all, seals, tamper
from tests.shared.faults.world import SOAK, TIMEOUT

MANY = 1_000_000 if SOAK else 20_000
BOUND = 60.0
"""Seconds of a core in which a million rows must be verified."""
EDITS = {
    "at": "at + interval '1 microsecond'",
    "never": "'infinity'",
    "actor": "'someone else'",
    "roles": "ARRAY['auditor']",
    "operation": "'read_people'",
    "outcome": "'denied'",
    "kind": "'contract'",
    "row_id": "NULL",
    "fields": "ARRAY['status,office']",
    "reason": "''",
    "address": "address || ' '",
    "correlation_id": "upper(correlation_id)",
}

pytestmark = [pytest.mark.timeout(TIMEOUT)]


def test_a_trail_that_nobody_touched_is_whole(house: House, hotline: Runtime) -> None:
    verdict = found(house, hotline)

    assert verdict == Verdict(whole=ROWS, witnessed=ROWS, broken=None)


def test_what_no_witness_has_heard_of_yet_is_told_apart(house: House, hotline: Runtime) -> None:
    noted(hotline, 5)
    seal_all(hotline)

    verdict = found(house, hotline)

    assert verdict == Verdict(whole=ROWS + 5, witnessed=ROWS, broken=None)


def test_an_empty_trail_is_whole(house: House) -> None:
    house.runtime("intake")

    verdict = found(house, house.runtime("hotline"))

    assert verdict == Verdict(whole=0, witnessed=0, broken=None)


def test_an_edit_of_any_column_is_found(house: House, hotline: Runtime) -> None:
    tamper(house, "CREATE TABLE kept AS SELECT * FROM audit")

    breaks = {}
    for edit, value in EDITS.items():
        column = "at" if edit == "never" else edit
        tamper(house, f"UPDATE audit SET {column} = {value} WHERE id IN (5, 9)")  # noqa: S608 - words of this file
        breaks[edit] = found(house, hotline).broken
        tamper(house, f"UPDATE audit SET {column} = kept.{column} FROM kept WHERE kept.id = audit.id")  # noqa: S608

    assert breaks == dict.fromkeys(EDITS, Break(5, 5, Harm.EDITED))
    assert found(house, hotline).broken is None


@pytest.mark.parametrize("statement", ["mac = sha256(mac)", "mac = ''", "n = -5"])
def test_an_edit_of_a_seal_is_found(house: House, hotline: Runtime, statement: str) -> None:
    tamper(house, f"UPDATE audit_seal SET {statement} WHERE n = 5")  # noqa: S608 - words of this file

    verdict = found(house, hotline)

    assert verdict.broken is not None
    assert verdict.broken.n == (1 if statement == "n = -5" else 5)


def test_a_deleted_row_is_named(house: House, hotline: Runtime) -> None:
    tamper(house, "DELETE FROM audit WHERE id IN (5, 9)")

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (4, Break(5, 5, Harm.MISSING))


@pytest.mark.parametrize("row_too", [False, True])
def test_a_deleted_seal_is_named_by_its_number(house: House, hotline: Runtime, row_too: bool) -> None:
    tamper(house, "DELETE FROM audit_seal WHERE n IN (5, 9)")
    if row_too:
        tamper(house, "DELETE FROM audit WHERE id IN (5, 9)")

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (4, Break(5, None, Harm.MISSING))
    assert verdict.unsealed == (0 if row_too else 2)


def test_a_deleted_seal_is_found_even_after_the_sealer_has_sealed_its_row_anew(house: House, hotline: Runtime) -> None:
    tamper(house, "DELETE FROM audit_seal WHERE n = 5")
    seal_all(hotline)

    verdict = found(house, hotline)

    assert (verdict.broken, verdict.unsealed) == (Break(5, None, Harm.MISSING), 0)


@pytest.mark.parametrize(("exchanged", "other"), [("n", 6), ("n", 10), ("mac", 6), ("audit_id", 10)])
def test_two_seals_that_changed_places_are_named(house: House, hotline: Runtime, exchanged: str, other: int) -> None:
    first, second = (seals(hotline)[n - 1] for n in (5, other))
    values = {name: (first[name], second[name]) for name in ("n", "mac", "audit_id")}
    with owner_of(house, "hotline") as behind:
        behind.execute(text("DELETE FROM audit_seal WHERE n IN (5, :other)"), {"other": other})
        values[exchanged] = values[exchanged][::-1]
        for n, mac, audit_id in zip(values["n"], values["mac"], values["audit_id"], strict=True):
            behind.execute(
                text("INSERT INTO audit_seal (n, audit_id, key_id, mac) VALUES (:n, :id, 'k1', :mac)"),
                {"n": n, "id": audit_id, "mac": mac},
            )

    verdict = found(house, hotline)

    assert verdict.whole == 4
    assert verdict.broken is not None
    assert (verdict.broken.n, verdict.broken.harm) == (5, Harm.SWAPPED)
    assert {str(verdict.broken.audit_id), verdict.broken.detail} == {"5", str(other)}


def test_two_rows_that_changed_their_contents_are_named(house: House, hotline: Runtime) -> None:
    columns = "at, actor, roles, operation, outcome, kind, row_id, fields, reason, address, correlation_id"
    tamper(
        house,
        f"UPDATE audit a SET ({columns}) = (SELECT {columns} FROM audit b WHERE b.id = 14 - a.id)"  # noqa: S608
        " WHERE a.id IN (5, 9)",
    )

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (4, Break(5, 5, Harm.SWAPPED, "9"))


def test_a_row_that_was_forged_with_its_seal_is_found(house: House, hotline: Runtime) -> None:
    with owner_of(house, "hotline") as behind:
        note(behind)
        behind.execute(
            text("INSERT INTO audit_seal (n, audit_id, key_id, mac) VALUES (13, 13, 'k1', :mac)"),
            {"mac": secrets.token_bytes(32)},
        )

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (ROWS, Break(13, 13, Harm.EDITED))


def test_rows_without_a_seal_are_counted_apart_with_the_age_of_the_oldest(house: House, hotline: Runtime) -> None:
    noted(hotline, 3, at=now() - timedelta(minutes=30))

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.unsealed, verdict.broken) == (ROWS, 3, None)
    assert verdict.oldest == pytest.approx(1800, abs=60)


def test_a_row_that_committed_late_is_no_break(house: House, hotline: Runtime) -> None:
    with hotline.engine.begin() as late:
        note(late)
        noted(hotline, 3)
        seal_all(hotline)
    seal_all(hotline)

    verdict = found(house, hotline)

    assert (verdict.whole, verdict.broken) == (ROWS + 4, None)


def test_after_a_rotation_each_row_is_verified_under_the_key_that_sealed_it(house: House, hotline: Runtime) -> None:
    assert hotline.settings.audit_keys is not None
    old, new = hotline.settings.audit_keys.get_secret_value(), f"k2:{new_key()}"
    hotline.settings = house.settings("hotline", audit_keys=f"{new},{old}")
    noted(hotline, 3)
    seal_all(hotline)

    with_both = found(house, hotline)
    hotline.settings = house.settings("hotline", audit_keys=new)
    without_the_old = found(house, hotline)

    assert (with_both.whole, with_both.broken) == (ROWS + 3, None)
    assert without_the_old.broken == Break(1, 1, Harm.UNKNOWN_KEY, "k1")


def test_the_keys_of_another_service_verify_nothing(house: House, hotline: Runtime) -> None:
    assert hotline.settings.audit_keys is not None
    ring = Ring("intake", parse_keys(hotline.settings.audit_keys))

    verdict = found(house, hotline, ring)

    assert verdict.broken == Break(1, 1, Harm.EDITED)


def test_a_house_at_work_is_whole_at_every_moment(house: House, hotline: Runtime) -> None:
    ended = threading.Event()

    def work() -> None:
        sealer = Sealer(hotline, KNOWN, head_seconds=0)
        while not ended.is_set():
            noted(hotline, 3)
            sealer.seal()
            house.carry("intake")

    with beside(work, ended):
        verdicts = [found(house, hotline) for _ in range(10)]

    assert [verdict.broken for verdict in verdicts] == [None] * 10
    assert verdicts[-1].whole > verdicts[0].whole


@contextmanager
def beside(work: Callable[[], None], ended: threading.Event) -> Iterator[None]:
    """Let something go on in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield
        finally:
            ended.set()
        working.result()


def test_a_long_chain_is_verified_within_its_bound_and_its_last_row_counts(house: House, hotline: Runtime) -> None:
    grow(hotline, MANY - ROWS)
    seal_all(hotline)
    began = time.process_time()

    whole = found(house, hotline)
    took = time.process_time() - began
    tamper(house, f"UPDATE audit SET actor = 'x' WHERE id = {MANY}")  # noqa: S608 - a number

    assert (whole.whole, whole.broken) == (MANY, None)
    assert took < BOUND
    assert found(house, hotline).broken == Break(MANY, MANY, Harm.EDITED)
