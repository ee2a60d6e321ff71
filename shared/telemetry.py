"""Traces: one thread from the request through outbox, carrier, handler and fetch to the webhook; off unless an exporter is set.

Spans hold route templates, types, codes and ids; never an address as it was asked for, never an exception's text.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Span, SpanKind, StatusCode, Tracer, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

HEADER = "traceparent"
"""W3C Trace Context, section 3.2; on events it is the CloudEvents extension of the same name."""
EXPORT_SECONDS = 3
"""How long one export may take: a collector that is away must not hold up a process that is told to stop."""
OFF: Tracer = NoOpTracer()

_propagator = TraceContextTextMapPropagator()


def open_tracer(service: str, endpoint: str | None, ratio: float) -> tuple[Tracer, Callable[[], None]]:
    """Return a tracer that sends a share `ratio` (0 to 1) of the traces by OTLP over HTTP, and what ends it.

    Without an endpoint nothing is traced and no part of the SDK is even loaded.
    """
    if endpoint is None:
        return OFF, lambda: None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
    resource = Resource.create({"service.name": service, "service.namespace": "baoho"})
    # A provider of our own, never the global one: four services in one process stay apart.
    provider = TracerProvider(ParentBasedTraceIdRatio(ratio), resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_SECONDS * 1000))
    return provider.get_tracer("baoho"), provider.shutdown


@contextmanager
def span(
    tracer: Tracer, name: str, kind: SpanKind, parent: str | None = None, **attributes: str | int
) -> Iterator[Span]:
    """Trace what happens inside; `parent` is a `traceparent` that came from elsewhere, else the span at hand is followed.

    An exception marks the span as failed with its kind alone: its text could quote a row.
    """
    if tracer is OFF:
        yield INVALID_SPAN
        return
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    started = tracer.start_span(name, following(parent), kind, named)
    with use_span(started, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield started
        except BaseException as error:
            started.set_status(StatusCode.ERROR)
            started.set_attribute("error.type", type(error).__name__)
            raise


def following(parent: str | None) -> Context | None:
    """Return the context that a `traceparent` speaks of, None for that at hand; what is no traceparent begins a new trace."""
    return None if parent is None else _propagator.extract({HEADER: parent}, Context())


def traceparent() -> str | None:
    """Return the `traceparent` of the span at hand, for whoever goes on with it elsewhere; None while nothing is traced."""
    carried: dict[str, str] = {}
    _propagator.inject(carried)
    return carried.get(HEADER)


def headers() -> Mapping[str, str]:
    """Return the same as headers of a request to another service of ours."""
    found = traceparent()
    return {HEADER: found} if found else {}
