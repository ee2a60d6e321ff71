"""How a service becomes processes: its runtime from its settings, and what they do once all is made."""

import gc
from collections.abc import Mapping, Sequence

from shared.crypto import Vault
from shared.db import conninfo, make_engine
from shared.letters.model import DeadLetter, visible_letters
from shared.metrics import Figure
from shared.outbox import Waker
from shared.runtime import Runtime, Visible
from shared.settings import PeopleSettings, ServiceSettings, parse_keys
from shared.telemetry import open_tracer


def vault_of(service: str, settings: ServiceSettings) -> Vault:
    """Return the keys a service was given."""
    keys = parse_keys(settings.service_keys)
    if isinstance(settings, PeopleSettings):
        return Vault(service, keys, parse_keys(settings.search_keys), parse_keys(settings.link_keys))
    return Vault(service, keys)


def open_runtime(
    service: str, settings: ServiceSettings, visible: Mapping[str, Visible], figures: Sequence[Figure] = ()
) -> Runtime:
    """Open a service's database and keys; nothing is asked of the database yet."""
    url = settings.database_url.get_secret_value()
    waker = Waker(conninfo(url))
    tracer, end_traces = open_tracer(service, settings.otlp_endpoint, settings.trace_ratio)
    return Runtime(
        service,
        settings,
        make_engine(url),
        vault_of(service, settings),
        {DeadLetter.__tablename__: visible_letters, **visible},
        waker.wake,
        tracer=tracer,
        on_close=[waker.close, end_traces],
        figures=figures,
    )


def freeze() -> None:
    """Let the collector forget what was made at start: it will live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
