"""One trace from an officer's request to the partner's webhook, as a collector sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.postgres import Server
from tests.collector import Collector, Traced
from tests.harness import free_port
from tests.system.commands import Running, run

pytestmark = [pytest.mark.timeout(400)]
PERSONAL = ("Nguyễn", "Hằng", "+886", "nguyen")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    Server(tmp_path / "var" / "postgres").destroy()


def line(spans: list[Traced], last: Traced) -> list[str]:
    """Return the names from a span back to where its trace began, the beginning first."""
    by_id = {span.span: span for span in spans}
    names = [f"{last.service}: {last.name}"]
    while last.parent:
        last = by_id[last.parent]
        names.insert(0, f"{last.service}: {last.name}")
    return names


def test_a_trace_leads_from_the_request_through_outbox_carrier_and_handler_to_the_webhook(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "1")
        options = ("--port", str(free_port()), "--state", str(state))
        with Running("deploy.local", *options) as house:
            house.wait_for("make demo")
            told = run("deploy.demo", *options)
            code = house.interrupt()
        spans = collector.spans

    lines = [line(spans, span) for span in spans]
    assert told.returncode == 0, told.stdout + told.stderr
    assert code == 0
    assert [
        "intake: POST /intake/v1/cases/{case_id}/referrals",
        "referral: process intake.referral_requested.v1",
        "referral: webhook referral.requested",
    ] in lines
    assert [
        "intake: POST /intake/v1/cases/{case_id}/referrals",
        "intake: send intake.events",
    ] in lines
    assert [
        "hotline: POST /hotline/v1/cases/{case_id}/hand-over",
        "intake: process hotline.case_handed_over.v1",
        "intake: fetch HandOverDetails",
        "hotline: GET /hotline/v1/hand-overs/{case_id}",
    ] in lines
    assert not [span for span in spans if span.failed]
    assert not [word for word in PERSONAL for body in collector.raw if word.encode() in body]
