"""The sealer: every audit row gets one seal, in one chain, whoever commits late, seals beside it, or is killed."""

import asyncio
import hmac
import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import func, select, text

from services.hotline.worker import build
from shared.bus.embedded import EmbeddedBus, EmbeddedCarrier
from shared.chain.sealer import SEAL_LOCK, Sealer
from shared.chain.unsealed import backlog
from shared.clock import now
from shared.contracts import KNOWN
from shared.runtime import Runtime
from shared.settings import SettingsError
from shared.tables import audit_seal
from tests.harness import House, new_key
from tests.shared.bus.kafka_world import until
from tests.shared.chain.trail import ENTRY, grow, note, noted, owner_of, rows_of, seal_all, sealed_ids, seals
from tests.shared.faults.plan import DEADLINE
from tests.shared.faults.world import SOAK, TIMEOUT

OLD = timedelta(minutes=30)
ROWS, KILLS = (200_000, 30) if SOAK else (10_000, 2)

pytestmark = [pytest.mark.timeout(TIMEOUT)]


@pytest.fixture
def hotline(house: House) -> Runtime:
    return house.runtime("hotline")


def ring_key(runtime: Runtime) -> bytes:
    """Derive the chain's key by hand."""
    assert runtime.settings.audit_keys is not None
    key = b64decode(runtime.settings.audit_keys.get_secret_value().partition(":")[2])
    return HKDF(SHA256(), 32, salt=None, info=b"baoho/hotline/audit").derive(key)


def test_a_seal_covers_its_number_the_seal_before_and_every_word_of_its_row(hotline: Runtime) -> None:
    noted(hotline, reason="vì an toàn", fields=["a", "b"])
    noted(hotline)

    seal_all(hotline)

    first, second = seals(hotline)
    with hotline.engine.connect() as connection:
        instants = (
            connection.execute(text("SELECT extract(epoch FROM at)::text FROM audit ORDER BY id")).scalars().all()
        )
    names = (
        "actor",
        "roles",
        "operation",
        "outcome",
        "kind",
        "row_id",
        "fields",
        "reason",
        "address",
        "correlation_id",
    )
    entries = [{**ENTRY, "reason": "vì an toàn", "fields": ["a", "b"]}, ENTRY]
    rows = [
        [id_, at, *(entry[name] for name in names)]
        for id_, (at, entry) in enumerate(zip(instants, entries, strict=True), 1)
    ]
    forms = [json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() for row in rows]
    mac_1 = hmac.digest(ring_key(hotline), (1).to_bytes(8) + bytes(32) + forms[0], "sha256")
    mac_2 = hmac.digest(ring_key(hotline), (2).to_bytes(8) + mac_1 + forms[1], "sha256")
    assert dict(first) == {"n": 1, "audit_id": 1, "key_id": "k1", "mac": mac_1}
    assert dict(second) == {"n": 2, "audit_id": 2, "key_id": "k1", "mac": mac_2}


def test_a_row_that_commits_late_is_sealed_after_rows_of_higher_ids(hotline: Runtime) -> None:
    with hotline.engine.begin() as late:
        note(late)
        noted(hotline, 3)
        seal_all(hotline)
        before = sealed_ids(hotline)

    seal_all(hotline)

    assert before == [2, 3, 4]
    assert sealed_ids(hotline) == [2, 3, 4, 1]


def test_a_row_that_commits_later_than_anyone_should_is_found_on_the_round_through_the_old_ids(
    house: House, hotline: Runtime
) -> None:
    with owner_of(house, "hotline") as late:
        noted(hotline, 5, at=now() - OLD)
        note(late, at=now() - OLD)
        noted(hotline, 5, at=now() - OLD)
        seal_all(hotline)
    sealer = Sealer(hotline, KNOWN, stretch=3)

    rounds = 0
    while len(sealed_ids(hotline)) < 11 and rounds < 20:
        sealer.seal()
        rounds += 1

    assert sealed_ids(hotline) == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 6]
    assert rounds == 2


def test_the_round_through_the_old_ids_begins_anew_when_it_has_seen_all(house: House, hotline: Runtime) -> None:
    noted(hotline, 4, at=now() - OLD)
    sealer = Sealer(hotline, KNOWN, stretch=3)
    for _ in range(5):
        sealer.seal()
    with owner_of(house, "hotline") as forged:
        forged.execute(text("DELETE FROM audit_seal WHERE n = 4"))
        forged.execute(text("UPDATE audit_seal SET audit_id = 4 WHERE n = 3"))

    for _ in range(3):
        sealer.seal()

    assert sealed_ids(hotline) == [1, 2, 4, 3]


def test_sealing_goes_on_batch_by_batch_until_nothing_waits(hotline: Runtime) -> None:
    grow(hotline, 23)
    sealer = Sealer(hotline, KNOWN, batch=10)

    more = [sealer.seal() for _ in range(4)]

    assert more == [True, True, False, False]
    assert sealed_ids(hotline) == list(range(1, 24))


def test_while_one_sealer_is_at_work_another_leaves_the_chain_alone(hotline: Runtime) -> None:
    noted(hotline, 3)

    with hotline.engine.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SEAL_LOCK})
        more = Sealer(hotline, KNOWN).seal()

    assert not more
    assert seals(hotline) == []


def test_two_sealers_beside_writers_make_one_chain(hotline: Runtime) -> None:
    written = threading.Event()

    def write(_: int) -> None:
        for _ in range(40):
            noted(hotline, 3)

    def seal(sealer: Sealer) -> None:
        while not written.is_set() or len(seals(hotline)) < rows_of(hotline):
            sealer.seal()

    with ThreadPoolExecutor(6) as pool:
        sealing = [pool.submit(seal, Sealer(hotline, KNOWN, batch=20)) for _ in range(2)]
        list(pool.map(write, range(4)))
        written.set()
        for each in sealing:
            each.result()

    assert sorted(sealed_ids(hotline)) == list(range(1, 481))


def test_a_sealer_killed_in_mid_batch_leaves_a_whole_chain_to_the_next(hotline: Runtime) -> None:
    grow(hotline, ROWS)
    lengths = [0]

    for _ in range(KILLS):
        with sealing_process(hotline) as child:
            deadline = time.monotonic() + DEADLINE
            while length(hotline) == lengths[-1] and time.monotonic() < deadline:
                time.sleep(0.01)
            child.kill()
        lengths.append(length(hotline))
    seal_all(hotline)

    assert lengths == sorted(set(lengths))
    assert lengths[-1] < ROWS
    assert sealed_ids(hotline) == list(range(1, ROWS + 1))


def length(runtime: Runtime) -> int:
    """Return how many seals there are: asked each moment, so not by reading them."""
    with runtime.engine.connect() as connection:
        return int(connection.execute(select(func.max(audit_seal.c.n))).scalar_one() or 0)


def sealing_process(runtime: Runtime) -> subprocess.Popen[bytes]:
    assert runtime.settings.audit_keys is not None
    address = runtime.settings.database_url.get_secret_value()
    plan = {"SEALING_URL": address, "SEALING_KEYS": runtime.settings.audit_keys.get_secret_value()}
    return subprocess.Popen([sys.executable, "-m", "tests.shared.chain.sealing_process"], env={**os.environ, **plan})


def test_a_new_key_seals_what_comes_and_the_seals_say_which_key_they_are_of(house: House, hotline: Runtime) -> None:
    noted(hotline, 2)
    seal_all(hotline)
    assert hotline.settings.audit_keys is not None
    old = hotline.settings.audit_keys.get_secret_value()
    hotline.settings = house.settings("hotline", audit_keys=f"k2:{new_key()},{old}")

    noted(hotline, 2)
    seal_all(hotline)

    assert [seal["key_id"] for seal in seals(hotline)] == ["k1", "k1", "k2", "k2"]


def test_a_worker_seals_by_itself_soon_after_a_commit(hotline: Runtime) -> None:
    bus = EmbeddedBus({"hotline": hotline.engine}, {})

    async def story() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(build(hotline, EmbeddedCarrier(bus, "hotline")).run(stop))
        noted(hotline, 3)
        await until(lambda: len(seals(hotline)) == 3, "the rows are sealed")
        stop.set()
        await task

    asyncio.run(story())

    assert sealed_ids(hotline) == [1, 2, 3]


def test_a_worker_without_its_audit_keys_does_not_start_and_names_them(house: House, hotline: Runtime) -> None:
    hotline.settings = house.settings("hotline", audit_keys=None)

    with pytest.raises(SettingsError, match="HOTLINE_AUDIT_KEYS"):
        asyncio.run(build(hotline, EmbeddedCarrier(EmbeddedBus({}, {}), "hotline")).run(asyncio.Event()))


def test_an_api_process_needs_no_audit_keys(house: House) -> None:
    runtime = house.runtime("hotline")
    runtime.settings = house.settings("hotline", audit_keys=None)

    answer = house.client("hotline").get("/hotline/readyz")

    assert answer.status_code == 200


def test_what_waits_for_its_seal_is_counted_with_its_age(hotline: Runtime) -> None:
    noted(hotline, 2)
    seal_all(hotline)
    noted(hotline, 3, at=now() - OLD)

    with hotline.engine.connect() as connection:
        count, age = backlog(connection)

    assert count == 3
    assert age == pytest.approx(OLD.total_seconds(), abs=60)


def test_the_metrics_tell_how_much_waits_for_its_seal(house: House, hotline: Runtime) -> None:
    noted(hotline, 2)

    told = house.client("hotline").get("/hotline/metrics").text

    assert "baoho_audit_unsealed 2.0" in told
    assert "baoho_audit_unsealed_age_seconds" in told
