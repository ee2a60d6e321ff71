"""People to search: as many as a nation's offices may know, each with real sealed details, name tokens and one case."""

import os
import random
import secrets
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from sqlmodel import Session

from services.intake.actions import DETAILS, NARRATIVE
from services.intake.models import CaseFile, Channel, Person, Priority
from services.intake.settings import Settings
from shared import migrations
from shared.codes.identity_numbers import IdKind
from shared.db import conninfo, make_engine
from shared.ids import new_id
from shared.names import search_terms
from shared.people import DATA_KEY_BYTES, seal
from shared.person import StoredPerson, blind_of
from shared.process import vault_of
from shared.runtime import Act, Runtime, runtime_of
from tests.bench.parts import Parts

OFFICE, PROVINCE = "osso-ha-noi", "01"
"""All of them are known to one office: the most that one officer's search can have to go through."""
CHUNK = 5_000
PROCESSES = 4
FAMILIES = {
    "Nguyễn": 380, "Trần": 110, "Lê": 95, "Phạm": 70, "Hoàng": 51, "Phan": 45, "Vũ": 39, "Đặng": 21, "Bùi": 20,
    "Đỗ": 14, "Hồ": 13, "Ngô": 13, "Dương": 10, "Lý": 5, "Khuất": 0.2,
}  # fmt: skip
"""How many of a thousand bear each name, roughly as in Viet Nam; the last one is rare."""
MIDDLES = "Thị Văn Thu Ngọc Minh Thanh Hữu Đức Xuân Kim Quang Hồng Bích Diệu Gia Bảo Quốc Mạnh Tuấn Phương"
GIVEN = (
    "Hằng Hoa Lan Mai Hương Thảo Trang Linh Nga Hà Anh Dung Yến Nhung Vân Thủy Tâm Hạnh Loan Oanh "
    "Hùng Dũng Cường Nam Sơn Long Hải Tùng Khánh Phong Bình Tiến Thắng Lâm Trung Việt Hiếu Nghĩa Toàn Vinh"
)
TOLD = "Công ty thu 190 triệu và giữ hộ chiếu."
PERSON = Person(office=OFFICE, province=PROVINCE).model_dump()
CASE = CaseFile(
    person_id=new_id(),
    office=OFFICE,
    province=PROVINCE,
    channel=Channel.WALK_IN,
    country="TW",
    language="vi",
    priority=Priority.P2,
    complaint_types=[],
    received_on=date(2026, 1, 5),
).model_dump() | {"complaint_types": Jsonb(["broker_fee"])}


def seeded(parts: Parts, count: int) -> str:
    """Return the database with so many people, made at the first run."""
    name = f"people_{count}"
    if not parts.has(name):
        _make(parts, f"{name}_unfinished", count)
        with parts.connect("postgres") as connection:
            connection.execute(f"ALTER DATABASE {name}_unfinished RENAME TO {name}")
            connection.execute(f"GRANT CONNECT ON DATABASE {name} TO intake_app")
    migrations.upgrade("intake", parts.database.url("intake", "owner", database=name))
    return name


def number_of(place: int) -> str:
    """Return the document number of the person at a place, which every run knows."""
    return f"0401{place:08}"


def _make(parts: Parts, database: str, count: int) -> None:
    parts.database.drop(database)
    parts.database.clone("intake", database)
    url = parts.database.url("intake", database=database)
    with parts.connect(database) as connection:
        # Two indexes over ten million tokens are built faster at the end than row by row.
        connection.execute("ALTER TABLE name_token DROP CONSTRAINT pk_name_token")
        connection.execute("ALTER TABLE name_token DROP CONSTRAINT uq_name_token_id_scope_token")
    with ProcessPoolExecutor(PROCESSES) as pool:
        firsts = range(1, count + 1, CHUNK)
        chunks = [range(first, min(first + CHUNK, count + 1)) for first in firsts]
        list(pool.map(_fill, [url] * len(chunks), [parts.environment] * len(chunks), chunks))
    with parts.connect(database) as connection:
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute("ALTER TABLE name_token ADD CONSTRAINT pk_name_token PRIMARY KEY (scope, token, seq, id)")
        connection.execute(
            "ALTER TABLE name_token ADD CONSTRAINT uq_name_token_id_scope_token UNIQUE (id, scope, token)"
        )
        for table in ("person", "case_file"):
            connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'seq'), {count})")
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _fill(url: str, environment: dict[str, str], places: Sequence[int]) -> None:
    """Write the people of these places, as the routes would have: sealed by the kit, under keys of their own."""
    os.environ.update(environment)
    settings = Settings()
    runtime = Runtime("intake", settings, make_engine(url), vault_of("intake", settings))
    draw = random.Random(places[0])  # noqa: S311 - the same people in every run; nothing secret hangs on it
    tables: dict[str, list[dict[str, Any]]] = {"person": [], "person_key": [], "name_token": [], "case_file": []}
    with runtime.session(Act("system:bench", "seed", "bench")) as session:
        for place in places:
            _add_person(session, draw, place, tables)
    with psycopg.connect(conninfo(url)) as connection, connection.cursor() as cursor:
        for table, rows in tables.items():
            names = ", ".join(rows[0])
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(tuple(row.values()))


def _add_person(session: Session, draw: random.Random, place: int, tables: dict[str, list[dict[str, Any]]]) -> None:
    vault, details = runtime_of(session).vault, _details(draw, place)
    person, case, key = new_id(), new_id(), secrets.token_bytes(DATA_KEY_BYTES)
    session.info["data_keys"] = {person: key}
    tables["person"].append(
        PERSON
        | {"id": person, "seq": place, "details": seal(session, person, DETAILS, details.model_dump_json())}
        | {"number_blind": blind_of(vault, IdKind.CCCD, number_of(place))}
    )
    tables["person_key"].append({"person_id": person, "wrapped": vault.encrypt("person-key", key, person.bytes)})
    tables["case_file"].append(
        CASE
        | {"id": case, "seq": place, "person_id": person, "reference": f"BENCH-{place}"}
        | {"narrative": seal(session, person, NARRATIVE, TOLD)}
    )
    tables["name_token"] += [
        {"scope": PROVINCE, "token": vault.token(term), "seq": place, "id": person}
        for term in search_terms(details.name or "")
    ]


def _details(draw: random.Random, place: int) -> StoredPerson:
    [family] = draw.choices(list(FAMILIES), list(FAMILIES.values()))
    return StoredPerson(
        name=f"{family} {draw.choice(MIDDLES.split())} {draw.choice(GIVEN.split())}",
        born_on=date(1970, 1, 1) + timedelta(days=draw.randrange(12_000)),
        sex="female",
        document=IdKind.CCCD,
        document_number=number_of(place),
        phone=f"+849{place:08}",
    )
