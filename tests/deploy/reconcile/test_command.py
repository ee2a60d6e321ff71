"""The command as an operator types it on a server, where the environment names the databases."""

import json
import subprocess
import sys
from collections.abc import Mapping

from tests.deploy.reconcile.conftest import Planted
from tests.system.commands import ROOT, environment


def reconcile(addresses: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    named = {f"{service.upper()}_DATABASE_URL": address for service, address in addresses.items()}
    command = [sys.executable, "-m", "deploy.reconcile", *options]
    return subprocess.run(
        command, cwd=ROOT, env={**environment(), **named}, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_clean_house_answers_with_a_line_for_each_invariant_and_nothing_else(planted: Planted) -> None:
    ran = reconcile(planted.addresses())

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(line.startswith("ok ") for line in ran.stdout.splitlines())
    assert "hand-overs" in ran.stdout


def test_a_broken_house_is_told_in_both_languages_with_its_ids(planted: Planted) -> None:
    [referral] = planted.do(
        "intake", "DELETE FROM timeline_entry WHERE code = 'referral_completed' RETURNING details ->> 'referral_id'"
    )

    ran = reconcile(planted.addresses())

    assert ran.returncode == 1
    assert "BROKEN timeline" in ran.stdout
    assert referral in ran.stdout
    assert "Mỗi bước" in ran.stdout
    assert "Each step" in ran.stdout


def test_after_a_worker_was_down_only_what_is_older_is_broken(planted: Planted) -> None:
    planted.do("registry", "DELETE FROM watch_entry")
    planted.do("intake", "UPDATE case_file SET updated_at = updated_at - interval '1 hour'")

    strict = reconcile(planted.addresses())
    lenient = reconcile(planted.addresses(), "--older-than", "120")

    assert (strict.returncode, lenient.returncode) == (1, 0)
    assert "BROKEN watch-list" in strict.stdout


def test_a_machine_gets_the_same_as_json(planted: Planted) -> None:
    planted.do("referral", "UPDATE capacity SET held = 1")

    ran = reconcile(planted.addresses(), "--json")

    told = json.loads(ran.stdout)
    assert (ran.returncode, told["clean"]) == (1, False)
    assert [line["name"] for line in told["lines"] if line["broken"]] == ["bed-counts"]


def test_a_database_that_is_away_is_no_verdict(planted: Planted) -> None:
    addresses = {**planted.addresses(), "registry": "postgresql://nobody@127.0.0.1:1/registry"}

    ran = reconcile(addresses)

    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("baoho: nothing was counted:")


def test_an_address_that_is_missing_is_named() -> None:
    ran = reconcile({})

    assert ran.returncode == 2
    assert ran.stderr == "baoho: nothing was counted: missing in the environment: INTAKE_DATABASE_URL\n"
