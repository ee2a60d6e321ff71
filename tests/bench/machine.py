"""On what a run was measured: processor, memory, versions, commit."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from deploy.kafka import broker
from tests.bench.parts import Parts


def described(parts: Parts) -> str:
    """Return one line for the page."""
    with parts.connect("postgres") as connection:
        [postgres] = connection.execute("SHOW server_version").fetchone() or ("?",)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {_processor()} × {os.cpu_count()}, {_memory():.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"PostgreSQL {postgres}, Kafka {_kafka()}"
    )


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"


def _processor() -> str:
    found = re.search(r"model name\s*: (.+)", _text("/proc/cpuinfo"))
    return found[1].strip() if found else platform.processor()


def _memory() -> float:
    found = re.search(r"MemTotal:\s*(\d+)", _text("/proc/meminfo"))
    return int(found[1]) / 2**20 if found else 0.0


def _kafka() -> str:
    found = re.search(r"<kafka.version>([^<]+)", _text(str(Path(broker.__file__).with_name("pom.xml"))))
    return found[1] if found else "unknown"


def _text(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
