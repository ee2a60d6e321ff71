"""`make audit-verify`, as an operator reads it: a line for each service, and an exit code for a machine."""

import pytest
from sqlalchemy import text

from deploy.audit_verify import main, told
from deploy.topology import SERVICES
from shared.chain.verify import Break, Harm, Verdict
from tests.harness import House
from tests.shared.chain.trail import noted, owner_of, seal_all, tamper

NAMES = [service.name for service in SERVICES]


@pytest.fixture
def sealed(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house whose trails are sealed and witnessed, in the environment as on a server."""
    for name in NAMES:
        runtime = house.runtime(name)
        noted(runtime, 3)
        seal_all(runtime)
        assert runtime.settings.audit_keys is not None
        monkeypatch.setenv(f"{name.upper()}_DATABASE_URL", runtime.settings.database_url.get_secret_value())
        monkeypatch.setenv(f"{name.upper()}_AUDIT_KEYS", runtime.settings.audit_keys.get_secret_value())
    house.carry(*NAMES)
    return house


@pytest.mark.usefixtures("sealed")
def test_a_whole_house_is_told_in_a_line_for_each_service(capsys: pytest.CaptureFixture[str]) -> None:
    code = main([])

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{name}: 3 rows sealed, all whole, witnessed up to row 3; 0 not sealed yet" for name in NAMES
    ]


def test_a_broken_chain_is_told_with_its_row_and_the_others_are_verified_all_the_same(
    sealed: House, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(sealed, "UPDATE audit SET actor = 'nobody' WHERE id = 2", service="referral")

    code = main([])

    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert code == 1
    assert lines.pop("referral") == (
        "BROKEN at row 2 (audit id 2), edited: the row or its seal is not what was sealed;"
        " 1 rows before it are whole, witnessed up to row 0; 0 not sealed yet"
    )
    assert set(lines.values()) == {"3 rows sealed, all whole, witnessed up to row 3; 0 not sealed yet"}


def test_a_tail_that_is_cut_in_one_database_shows_by_the_others(
    sealed: House, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(sealed, "TRUNCATE audit, audit_seal", service="registry")

    code = main([])
    said = capsys.readouterr().out
    known = main(["--lost", "registry=1-3"])

    assert code == 1
    assert "registry: BROKEN at row 1, missing: the chain ends before it, but was witnessed by " in said
    assert " up to row 3;" in said
    assert known == 0


@pytest.mark.usefixtures("sealed")
def test_without_the_keys_nothing_is_verified_and_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOTLINE_AUDIT_KEYS")

    code = main([])

    said = capsys.readouterr()
    assert code == 2
    assert "HOTLINE_AUDIT_KEYS" in said.err
    assert said.out == ""


def test_a_database_that_cannot_be_read_is_told_in_one_line_without_its_address(
    sealed: House, capsys: pytest.CaptureFixture[str]
) -> None:
    with owner_of(sealed, "intake") as behind:
        behind.execute(text("DROP TABLE audit_head"))

    code = main([])

    said = capsys.readouterr().err
    assert code == 2
    assert said.count("\n") == 1
    assert "UndefinedTable" in said
    assert "://" not in said


def test_a_state_folder_without_a_house_is_told_in_one_line(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--state", f"{tmp_path}/nowhere"])

    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Break(7, 9, Harm.EDITED), "row 7 (audit id 9), edited"),
        (Break(7, 9, Harm.MISSING), "row 7 (audit id 9), missing"),
        (Break(7, None, Harm.MISSING), "row 7, missing"),
        (Break(7, 9, Harm.SWAPPED, "12"), "row 7 (audit id 9), swapped: it changed places with audit id 12"),
        (Break(7, None, Harm.CUT, "intake up to row 9"), "row 7, missing: the chain ends before it"),
        (Break(7, 9, Harm.REWRITTEN, "intake"), "row 7 (audit id 9), rewritten"),
        (Break(7, 9, Harm.UNKNOWN_KEY, "k1"), "sealed under key k1, which the ring does not hold"),
    ],
)
def test_every_harm_is_told_with_its_row(broken: Break, said: str) -> None:
    (line,) = told("hotline", Verdict(6, 6, broken))

    assert line.startswith("hotline: BROKEN at row 7")
    assert said in line


@pytest.mark.parametrize("lost", ["intake", "intake=1", "nobody=1-3", "intake=a-b"])
def test_lost_rows_that_are_none_are_refused(lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["--lost", lost])

    assert refused.value.code == 2
    assert "--lost" in capsys.readouterr().err


def test_a_row_that_waits_for_minutes_is_a_warning_and_no_break() -> None:
    soon = told("hotline", Verdict(6, 5, None, unsealed=2, oldest=3.0))
    late = told("hotline", Verdict(6, 5, None, unsealed=2, oldest=1860.0))

    assert soon == ["hotline: 6 rows sealed, all whole, witnessed up to row 5; 2 not sealed yet"]
    assert late == [*soon, "hotline: WARNING: a row has waited 31 minutes for its seal: does its worker run?"]
