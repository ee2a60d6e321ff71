"""Every read starts at a select of `access`: a syntax tree shows it for all routes and handlers of all services."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import select

from services.hotline.models import CaseStatus, HotlineCase
from services.intake.access import visible_cases
from shared.access import _matches, etag, locked, one, store
from shared.auth import Principal
from shared.errors import NotFound, StaleVersion
from shared.ids import new_id
from shared.permissions import Role
from shared.runtime import amend_act
from tests.harness import House
from tests.specimen import new_case

SERVICES = Path(__file__).parents[2] / "services"
LAYERS = ("routes", "handlers")
ANYONE = Principal(
    subject="anyone", roles=frozenset(), org=str(new_id()), agency=str(new_id()), office="a", country="TW"
)
ENTITY_TAG_CHARACTERS = st.characters(codec="latin-1", min_codepoint=0x21, exclude_characters='"\x7f')
"""RFC 9110, section 8.8.3."""
SIDE_DOORS = {"get", "get_one", "query", "scalars", "scalar"}
"""Ways of a session to rows that need no select of `access`; `exec` takes one."""
CHANGING = {"today", "now", "new_id"}
"""What a select that is kept may not depend on: it would stay as it was."""


def sources(*layers: str) -> list[Path]:
    """Return the files of these layers of all services, split by noun or not."""
    files = [path for layer in layers for path in SERVICES.glob(f"*/{layer}*.py")]
    return sorted(files + [path for layer in layers for path in SERVICES.glob(f"*/{layer}/*.py")])


def name_of(path: Path) -> str:
    return str(path.relative_to(SERVICES))


def side_doors(source: str) -> list[str]:
    """Return each place of a route or handler that reaches rows past `access`."""
    nodes: list[Any] = list(ast.walk(ast.parse(source)))
    return [f"line {node.lineno}: {found}" for node in nodes for found in _doors(node)]


def _doors(node: Any) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {"sqlmodel", "sqlalchemy"}:
        yield from (f"imports {alias.name}" for alias in node.names if alias.name in {"select", "text", "*"})
    if isinstance(node, ast.Import):
        yield from (f"imports {alias.name}" for alias in node.names if alias.name in {"sqlmodel", "sqlalchemy"})
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"select", "text"}:
        yield f"calls {node.func.id}"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _reaches_rows(node.func):
        yield f"calls {ast.unparse(node.func)}"


def _reaches_rows(function: ast.Attribute) -> bool:
    return function.attr == "select" or (function.attr in SIDE_DOORS and _is_session(function.value))


def _is_session(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "session"


@pytest.mark.parametrize("path", sources(*LAYERS), ids=name_of)
def test_routes_and_handlers_reach_rows_through_access_only(path: Path) -> None:
    assert side_doors(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "from sqlmodel import Session, select",
        "from sqlalchemy import select as choose",
        "from sqlalchemy.future import select",
        "from sqlmodel import *",
        "import sqlmodel",
        "session.get(Case, case_id)",
        "session.query(Case)",
        "session.exec(select(Case))",
        "sqlmodel.select(Case)",
        "session.scalars(statement)",
    ],
)
def test_each_side_door_is_seen(source: str) -> None:
    assert side_doors(source) != []


def test_the_way_through_access_is_no_side_door() -> None:
    source = "session.exec(access.visible_cases(p)).first(); one(session, access.visible_cases(p)); TABLE.get(code)"

    assert side_doors(source) == []


def test_the_exemplar_is_among_the_files_that_are_looked_at() -> None:
    assert {"hotline/routes.py", "hotline/handlers.py"} <= {name_of(path) for path in sources(*LAYERS)} or {
        path.parts[-2] for path in sources(*LAYERS)
    } >= {"routes", "handlers"}


def posts(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """Return the functions behind the `POST` routes of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(_is_post(decorator) for decorator in node.decorator_list):
            yield node


def _is_post(decorator: ast.expr) -> bool:
    if not isinstance(decorator, ast.Call) or not isinstance(decorator.func, ast.Attribute):
        return False
    stores_nothing = any("STORES_NOTHING" in ast.unparse(keyword.value) for keyword in decorator.keywords)
    return decorator.func.attr == "post" and not stores_nothing


def selects_touched(function: ast.FunctionDef) -> set[str]:
    """Return the `visible_*` selects whose row a route locks, or answers with."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and node.args[1:]]
    touching = [call for call in calls if ast.unparse(call.func).endswith(("locked", "one", "answers_with"))]
    names = {
        name.rpartition(".")[2]
        for call in touching
        for node in ast.walk(call.args[1])
        if isinstance(node, ast.Call)
        for name in [ast.unparse(node.func)]
    }
    return {name for name in names if name.startswith("visible_")}


def table_of(visible: Any) -> str:
    """Return the table that a `visible_*` select is about; whatever it takes beside the caller is an id."""
    ids = [new_id() for _ in list(signature(visible).parameters)[1:]]
    return str(visible(ANYONE, *ids).column_descriptions[0]["entity"].__tablename__)


def begun() -> list[str]:
    """Return the services that have routes."""
    return sorted({path.relative_to(SERVICES).parts[0] for path in sources("routes")})


@pytest.mark.parametrize("service", begun())
def test_every_row_a_post_locks_can_be_looked_for_again_when_its_answer_is_replayed(service: str) -> None:
    visible: dict[str, Any] = import_module(f"services.{service}.access").VISIBLE
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for path in sources("routes")
        if path.relative_to(SERVICES).parts[0] == service
    ]

    touched = {name for tree in trees for function in posts(tree) for name in selects_touched(function)}

    access = import_module(f"services.{service}.access")
    assert {table_of(getattr(access, name)) for name in touched} <= set(visible)


@pytest.mark.parametrize("service", begun())
def test_every_select_for_replays_is_about_the_table_it_is_listed_under(service: str) -> None:
    visible: dict[str, Any] = import_module(f"services.{service}.access").VISIBLE

    assert visible
    assert {table: table_of(select) for table, select in visible.items()} == {table: table for table in visible}


def test_one_reads_the_row_or_says_that_there_is_none(house: House) -> None:
    with house.session("hotline") as session:
        case = store(session, new_case())

        assert one(session, select(HotlineCase).where(HotlineCase.id == case.id)) is case
        with pytest.raises(NotFound):
            one(session, select(HotlineCase).where(HotlineCase.id == new_id()))
        with pytest.raises(NotFound):
            locked(session, select(HotlineCase).where(HotlineCase.id == new_id()))


def test_the_first_locked_row_is_what_if_match_speaks_of(house: House) -> None:
    with house.session("hotline") as session:
        first, second = store(session, new_case()), store(session, new_case(version=7))
        session.commit()
    with house.session("hotline") as session:
        amend_act(session, if_match='"1"')

        locked(session, select(HotlineCase).where(HotlineCase.id == first.id))
        other = locked(session, select(HotlineCase).where(HotlineCase.id == second.id))

        assert (other.version, session.info["row"].id) == (8, first.id)


def test_a_lock_sees_what_another_transaction_changed_since_the_row_was_read(house: House) -> None:
    with house.session("hotline") as session:
        case = store(session, new_case())
        session.commit()
    this = select(HotlineCase).where(HotlineCase.id == case.id)
    with house.session("hotline") as reading, house.session("hotline") as writing:
        one(reading, this)
        locked(writing, this).status = CaseStatus.TRIAGED
        writing.commit()
        reading.rollback()

        again = locked(reading, this)

        assert (again.status, again.version) == (CaseStatus.TRIAGED, 3)


def test_a_stale_version_is_refused_and_nothing_is_moved_on(house: House) -> None:
    with house.session("hotline") as session:
        case = store(session, new_case())
        session.commit()
        amend_act(session, if_match='"2"')

        with pytest.raises(StaleVersion):
            locked(session, select(HotlineCase).where(HotlineCase.id == case.id))

        assert case.version == 1


def test_a_row_without_versions_has_no_etag() -> None:
    assert etag(object()) is None
    assert etag(new_case(version=3)) == '"3"'


OPAQUE = st.sampled_from(["0", "1", "2", "12", "", ","]) | st.text(ENTITY_TAG_CHARACTERS, max_size=6)
TAGS = st.lists(st.tuples(st.sampled_from(["", "W/"]), OPAQUE), min_size=1, max_size=4)
SPACES = st.text(" \t", max_size=2)


@given(TAGS, SPACES, SPACES, st.integers(1, 12))
def test_if_match_holds_exactly_where_a_strong_tag_is_the_version(
    tags: list[tuple[str, str]], before: str, behind: str, version: int
) -> None:
    header = f"{before},{behind}".join(f'{weak}"{opaque}"' for weak, opaque in tags)

    assert _matches(header, new_case(version=version)) == (("", str(version)) in tags)


@given(st.text(max_size=20).filter(lambda text: text.strip() != "*" and '"' not in text))
def test_if_match_without_a_tag_never_holds(header: str) -> None:
    assert not _matches(header, new_case(version=1))


def test_the_same_caller_gets_the_same_select_and_another_one_his_own() -> None:
    hanoi = replace(ANYONE, roles=frozenset({Role.OSSO_OFFICER}), office="osso-ha-noi")
    hue = replace(hanoi, office="osso-hue")

    kept_for_hanoi = visible_cases(hanoi)

    assert visible_cases(replace(hanoi)) is kept_for_hanoi
    assert visible_cases(hue) is not kept_for_hanoi
    assert "osso-hue" in visible_cases(hue).compile().params.values()


@pytest.mark.parametrize("path", sources("access", *LAYERS), ids=name_of)
def test_what_is_kept_for_a_caller_depends_on_him_alone(path: Path) -> None:
    functions = {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    kept_here = [node for node in functions.values() if "kept" in map(ast.unparse, node.decorator_list)]

    for function in kept_here:
        assert [ast.unparse(argument.annotation or argument) for argument in function.args.args] == ["Principal"]
        assert not _names_under(function, functions) & CHANGING, function.name


def _names_under(function: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Return the names that a function uses, through the functions of its module that it calls."""
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    called = (functions[name] for name in names & functions.keys() - {function.name})
    return names.union(*(_names_under(inner, functions) for inner in called))
