"""The ledger of erasures: whole lines, in order, on the disk before the database says so, and no line altered unseen."""

import json
import threading
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from shared.clock import now
from shared.erasures import LedgerError, Ledgering, append, ledger_of, read
from shared.health import measure
from shared.ids import new_id
from shared.metrics import Metrics
from shared.people import erase, seal
from shared.tables import person_key
from tests.harness import House


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return ledger_of(tmp_path / "ledger", "intake")


def entered(path: Path, number: int) -> list[UUID]:
    people = [new_id() for _ in range(number)]
    for person in people:
        append(path, [(person, now())])
    return people


def erased(house: House, number: int) -> list[UUID]:
    people = [new_id() for _ in range(number)]
    with house.session("hotline") as session:
        for person in people:
            seal(session, person, "hotline_case.caller", "Hằng")
            erase(session, person)
        session.commit()
    return people


def test_what_was_entered_is_read_in_order(path: Path) -> None:
    people = entered(path, 3)

    assert [entry.person_id for entry in read(path)] == people
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_where_nobody_was_erased_there_is_no_ledger(path: Path) -> None:
    assert read(path) == []


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_altered_line_is_named(path: Path, number: int) -> None:
    entered(path, 3)
    lines = path.read_text().splitlines()
    lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), "person": str(new_id())})
    path.write_text("".join(f"{line}\n" for line in lines))

    with pytest.raises(LedgerError, match=f"line {number} "):
        read(path)
    with pytest.raises(LedgerError):
        append(path, [(new_id(), now())])


def test_a_line_taken_out_or_put_elsewhere_is_noticed(path: Path) -> None:
    entered(path, 3)
    one, two, three = path.read_text().splitlines(keepends=True)

    for changed in (one + three, two + three, two + one + three, "nonsense\n" + one):
        path.write_text(changed)
        with pytest.raises(LedgerError):
            read(path)


def test_a_line_cut_by_a_crash_was_never_acknowledged_and_the_next_takes_its_place(path: Path) -> None:
    people = entered(path, 2)
    with path.open("a") as file:
        file.write('{"person": "01')

    before = [entry.person_id for entry in read(path)]
    people += entered(path, 1)

    assert before == people[:2]
    assert [entry.person_id for entry in read(path)] == people


def test_two_workers_that_enter_at_once_lose_nothing(path: Path) -> None:
    threads = [threading.Thread(target=entered, args=(path, 20)) for _ in range(2)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert len({entry.person_id for entry in read(path)}) == 40


def test_each_erasure_is_entered_once_and_counted_until_then(house: House, tmp_path: Path) -> None:
    people = erased(house, 3)
    runtime, metrics = house.runtime("hotline"), Metrics()
    measure(runtime, metrics)
    waiting = metrics.registry.get_sample_value("baoho_erasures_unledgered")
    runtime.settings = runtime.settings.model_copy(update={"ledger_dir": tmp_path})

    numbers = [Ledgering(runtime).enter() for _ in range(2)]

    measure(runtime, metrics)
    assert (waiting, metrics.registry.get_sample_value("baoho_erasures_unledgered")) == (3, 0)
    assert numbers == [3, 0]
    assert {entry.person_id for entry in read(ledger_of(tmp_path, "hotline"))} == set(people)


def test_without_a_folder_nothing_is_entered_and_nothing_said_to_be(house: House) -> None:
    erased(house, 1)

    assert Ledgering(house.runtime("hotline")).enter() == 0
    assert [row["ledgered_at"] for row in house.rows("hotline", person_key)] == [None]


def test_an_erasure_that_could_not_be_written_is_not_said_to_be(house: House, tmp_path: Path) -> None:
    erased(house, 1)
    runtime = house.runtime("hotline")
    runtime.settings = runtime.settings.model_copy(update={"ledger_dir": tmp_path / "file" / "below"})
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match="directory"):
        Ledgering(runtime).enter()

    with runtime.engine.connect() as connection:
        assert connection.execute(select(person_key.c.ledgered_at)).scalar_one() is None
