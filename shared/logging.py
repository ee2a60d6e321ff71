"""Logs: a static event name and key-values, ids and codes only; one correlation id through everything."""

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast

import structlog
from pydantic_core import to_json


def configure(service: str, *, level: int = logging.INFO) -> None:
    """Send our events and the libraries' warnings to standard error: for people on a terminal, JSON elsewhere.

    Ours go there straight, not through `logging`: a line for each request must cost little.
    """
    shared_steps: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(_json)
    structlog.configure(
        processors=[*shared_steps, _frames_without_values, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _StandardError())),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_steps,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _frames_without_values, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("baoho").setLevel(level)
    structlog.contextvars.bind_contextvars(service=service)


class _StandardError:
    """Standard error as it is when a line is written: whoever captures it replaces it."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _json(event: Any, *, default: Callable[[Any], Any]) -> str:
    return to_json(event, fallback=default).decode()


def get_logger(name: str) -> Any:
    """Return the logger of one module: `log.info("case_opened", case_id=…)`."""
    return structlog.get_logger(name)


def where(error: BaseException) -> str:
    """Say what kind of error rose and where, without its text: driver and validation messages may hold values."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}:{code.co_name}")
        trace = trace.tb_next
    return f"{type(error).__name__} at {' > '.join(frames[-6:])}"


def _frames_without_values(_logger: Any, _method: str, event: Any) -> Any:
    """Replace a library's exception by its kind and place: its text could quote a row."""
    info = event.pop("exc_info", None)
    if info:
        error = info[1] if isinstance(info, tuple) else sys.exc_info()[1]
        event["error"] = where(error) if error is not None else "unknown"
    return event
