"""Traces: off without a collector, no text of an error in them, and no collector can hold a process up."""

import socket
import time

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry.trace import SpanKind

from shared.probes import TELEMETRY
from shared.telemetry import OFF, headers, open_tracer, span, traceparent
from tests.collector import Collector
from tests.harness import House

FOREIGN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_without_a_collector_nothing_is_traced() -> None:
    tracer, end = open_tracer("intake", None, 1.0)

    with span(tracer, "work", SpanKind.INTERNAL, FOREIGN):
        carried = traceparent()
    end()

    assert tracer is OFF
    assert carried is None
    assert headers() == {}


def test_a_span_follows_the_act_it_came_from_and_is_followed_in_turn() -> None:
    with Collector() as collector:
        tracer, end = open_tracer("intake", collector.url, 0.0)
        with span(tracer, "work", SpanKind.CONSUMER, FOREIGN, event__type="intake.case_opened.v1"):
            carried = headers()["traceparent"]
        end()
        [traced] = collector.spans

    assert (traced.service, traced.name, traced.trace) == ("intake", "work", FOREIGN.split("-")[1])
    assert traced.parent == FOREIGN.split("-")[2]
    assert traced.span == carried.split("-")[2]
    assert traced.attributes == {"event.type": "intake.case_opened.v1"}


@pytest.mark.parametrize("broken", ["", "00-zz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "Nguyễn Thị Hằng"])
def test_what_is_no_traceparent_begins_a_trace_of_its_own(broken: str) -> None:
    with Collector() as collector:
        tracer, end = open_tracer("intake", collector.url, 1.0)
        with span(tracer, "work", SpanKind.SERVER, broken):
            pass
        end()
        [traced] = collector.spans

    assert traced.parent == ""


def test_an_error_is_told_by_its_kind_and_never_by_its_text() -> None:
    with Collector() as collector:
        tracer, end = open_tracer("intake", collector.url, 1.0)
        with pytest.raises(ValueError, match="Hằng"), span(tracer, "work", SpanKind.INTERNAL):
            raise ValueError("Nguyễn Thị Hằng")
        end()
        [traced] = collector.spans

    assert traced.failed
    assert traced.attributes == {"error.type": "ValueError"}
    assert not any("Hằng".encode() in body for body in collector.raw)


def test_a_collector_that_hangs_holds_no_process_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracer, end = open_tracer("intake", f"http://127.0.0.1:{silent.getsockname()[1]}", 1.0)
        with span(tracer, "work", SpanKind.INTERNAL):
            pass
        began = time.monotonic()

        end()

    assert time.monotonic() - began < 12


def test_a_request_is_told_by_its_route_alone(house: House) -> None:
    runtime = house.runtime("hotline")
    with Collector() as collector:
        runtime.tracer, end = open_tracer("hotline", collector.url, 1.0)
        house.client("hotline").get("/hotline/v1/cases/Nguyen-Thi-Hang?name=Hang")
        end()
        [traced] = collector.spans

    assert traced.name == "GET /hotline/v1/cases/{case_id}"
    assert traced.attributes == {"http.route": "/hotline/v1/cases/{case_id}", "http.response.status_code": "401"}
    assert b"Hang" not in collector.raw[0]


def test_the_frameworks_own_telling_stays_off_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)

        with TestClient(FastAPI(telemetry=TELEMETRY)) as client:
            client.get("/cases/Nguyen-Thi-Hang")

    assert collector.raw == []
