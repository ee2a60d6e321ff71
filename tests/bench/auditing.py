"""How long a trail takes to seal and to verify."""

import os
import time

from services.hotline.runtime import runtime as open_runtime
from services.hotline.settings import Settings
from shared.chain.verify import verify
from shared.runtime import Runtime
from tests.bench.findings import Finding, Size, spread
from tests.bench.parts import Parts
from tests.shared.chain.trail import grow, ring_of, seal_all

SECONDS = 60.0
"""Within which a million rows are verified."""


def trail(parts: Parts, size: Size) -> list[Finding]:
    """Seal a trail once, and verify it as often as there are rounds."""
    with parts.fresh("hotline") as database:
        os.environ.update(parts.environment)
        runtime = open_runtime(Settings(database_url=parts.database.url("hotline", database=database)))
        sealing = _sealed(runtime, size.rows)
        times = [_verified(runtime, size.rows) for _ in range(size.rounds)]
        runtime.close()
    return [
        Finding(f"seal {size.rows:,} rows", f"{sealing:.1f} s: {size.rows / sealing:,.0f} rows/s"),
        Finding(
            f"verify {size.rows:,} rows",
            spread(times, " s"),
            "–",
            f"≤ {SECONDS:.0f} s a million",
            max(times) <= SECONDS,
        ),
    ]


def _sealed(runtime: Runtime, rows: int) -> float:
    grow(runtime, rows)
    with runtime.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE audit")
    began = time.perf_counter()
    seal_all(runtime)
    return time.perf_counter() - began


def _verified(runtime: Runtime, rows: int) -> float:
    began = time.perf_counter()
    verdict = verify("hotline", ring_of(runtime), runtime.engine, {})
    seconds = time.perf_counter() - began
    if (verdict.whole, verdict.broken) != (rows, None):
        message = f"{verdict.whole} of {rows} rows are whole: {verdict.broken}"
        raise RuntimeError(message)
    return seconds
