"""The issuer's commands, run as people run them: the token printer, and the issuer as a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import jwt
import pytest

from deploy.identity.demo import DEMO_AGENCY, IDENTITIES, LEGAL_AID_ORG, SHELTER_ORG, BadClaimError, mint
from deploy.identity.keys import ensure_key, key_set
from deploy.identity.serve import main as serve_main
from deploy.identity.token import main as token_main

ROOT = Path(__file__).parents[2]
START_DEADLINE_SECONDS = 60


@pytest.fixture
def state(tmp_path: Path) -> Path:
    ensure_key(tmp_path / "identity")
    return tmp_path / "identity"


def claims(state: Path, token: str) -> dict[str, object]:
    [key] = jwt.PyJWKSet.from_dict(key_set(state)).keys
    decoded: dict[str, object] = jwt.decode(token, key, audience="baoho")
    return decoded


def command(module: str, *arguments: object) -> list[str]:
    return [sys.executable, "-m", f"deploy.identity.{module}", *map(str, arguments)]


def run(module: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module, *arguments),
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_demo_identities_have_the_claims_that_their_roles_need() -> None:
    assert {role: dict(given) for role, given in IDENTITIES.items() if given} == {
        "osso_officer": {"office": "osso-ha-noi", "province": "01"},
        "osso_supervisor": {"office": "osso-ha-noi", "province": "01"},
        "mrc_counsellor": {"office": "mrc-nghe-an", "province": "40"},
        "mission_officer": {"country": "TW"},
        "partner_worker": {"org": str(LEGAL_AID_ORG)},
        "partner_manager": {"org": str(LEGAL_AID_ORG)},
        "agency_officer": {"agency": str(DEMO_AGENCY)},
        "labour_officer": {"province": "01"},
    }
    assert "service" not in IDENTITIES


def test_a_minted_token_takes_uuids_and_its_own_lifetime(state: Path) -> None:
    minted = claims(state, mint(state, "partner_worker", ttl=timedelta(minutes=1), org=SHELTER_ORG, country=None))

    assert minted["org"] == str(SHELTER_ORG)
    assert "country" not in minted
    assert int(str(minted["exp"])) - int(str(minted["iat"])) == 60


def test_a_claim_that_does_not_exist_is_not_minted(state: Path) -> None:
    with pytest.raises(BadClaimError, match="no claim roles"):
        mint(state, "auditor", roles="administrator")


def test_the_command_prints_just_the_token(state: Path) -> None:
    done = run("token", "--state", state, "mission_officer", "--country", "KR", "--office", "embassy-seoul")

    assert (done.returncode, done.stderr) == (0, "")
    minted = claims(state, done.stdout.removesuffix("\n"))
    assert minted.items() >= {"country": "KR", "office": "embassy-seoul", "roles": ["mission_officer"]}.items()


def test_every_claim_has_an_option_and_an_empty_one_is_left_out(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--org", "", "--agency", str(SHELTER_ORG), "--province", "48", "--sub", "demo:other"]

    status = token_main(["--state", str(state), "partner_manager", *options])

    assert status == 0
    assert (
        claims(state, capsys.readouterr().out.strip()).items()
        >= {
            "org": str(LEGAL_AID_ORG),
            "agency": str(SHELTER_ORG),
            "province": "48",
            "sub": "demo:other",
        }.items()
    )


@pytest.mark.parametrize(
    ("role", "folder", "sentence"),
    [
        ("boss", "identity", "There is no such role; the roles are osso_officer, osso_supervisor, "),
        ("auditor", "nowhere", "start `make run` first."),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    state: Path, capsys: pytest.CaptureFixture[str], role: str, folder: str, sentence: str
) -> None:
    status = token_main(["--state", str(state.with_name(folder)), role])

    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert sentence in printed.err
    assert printed.err.count("\n") == 1


def test_the_process_refuses_to_start_in_production_in_one_line(tmp_path: Path) -> None:
    options = ("--state", tmp_path / "identity", "--port", 1, "--public-url", "http://127.0.0.1:1")

    done = run("serve", *options, ENV="production")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The built-in issuer gives tokens to anyone and runs only with ENV=development;")
    assert done.stderr.count("\n") == 1


def test_the_process_refuses_a_public_address_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENV", "development")

    status = serve_main(["--state", str(tmp_path / "identity"), "--port", "1", "--public-url", "nowhere"])

    assert status == 2
    assert "public URL" in capsys.readouterr().err


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--state", tmp_path / "own", "--port", port, "--public-url", "https://baoho.example.vn")
    process = subprocess.Popen(
        command("serve", *options),
        cwd=ROOT,
        env=os.environ | {"ENV": "development"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_answer(process, f"http://127.0.0.1:{port}/identity/livez")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def await_answer(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            httpx.get(url, trust_env=False)
        except httpx.ConnectError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the issuer does not answer")


def test_the_process_answers_only_to_loopback_names_and_its_public_host(address: str, tmp_path: Path) -> None:
    hosts = ["127.0.0.1:8000", "localhost", "[::1]:8000", "baoho.example.vn", "BAOHO.example.vn:443"]
    foreign = ["evil.example", "localhost.evil.example", "www.baoho.example.vn", "127.0.0.1.nip.io"]

    with httpx.Client(trust_env=False) as http:
        answers = {
            host: http.get(f"{address}/identity/livez", headers={"Host": host}).status_code for host in hosts + foreign
        }
        demo = http.post(f"{address}/identity/token", data={"grant_type": "urn:baoho:demo", "role": "auditor"})

    assert answers == dict.fromkeys(hosts, 200) | dict.fromkeys(foreign, 400)
    assert claims(tmp_path / "own", demo.json()["access_token"])["roles"] == ["auditor"]
