"""What was done how often: rows of every kind that a journey makes, counted where they lie."""

from collections import Counter

import psycopg

from deploy.stack import Stack
from tests.system.chaos.journeys import Journey
from tests.system.chaos.storm import addresses

ROWS = (
    ("hotline", "hotline_case"),
    ("intake", "case_file"),
    ("intake", "person"),
    ("intake", "consent"),
    ("intake", "referral"),
    ("intake", "screening"),
    ("intake", "task"),
    ("referral", "referral"),
    ("referral", "bed_hold"),
    ("registry", "worker"),
    ("registry", "contract"),
    ("registry", "contract_link"),
    ("registry", "watch_entry"),
)
TWICE = {"consent", "referral"}


def rows(stack: Stack) -> Counter[str]:
    """Count the rows of each kind."""
    found: Counter[str] = Counter()
    for service, address in addresses(stack).items():
        with psycopg.connect(address) as connection:
            for owner, table in ROWS:
                if owner == service:
                    row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()  # noqa: S608
                    found[f"{service} {table}"] = int(row[0]) if row else -1
    return found


def owed(journeys: list[Journey]) -> Counter[str]:
    """Return what these journeys make, each act once however often it was asked for."""
    counted = Counter({f"{service} {table}": len(journeys) * (1 + (table in TWICE)) for service, table in ROWS})
    counted["referral bed_hold"] = sum(journey.ending != "declined" for journey in journeys)
    return counted


def messages(stack: Stack) -> dict[str, tuple[str, str]]:
    """Return every message by its id: its referral and its type."""
    with psycopg.connect(addresses(stack)["referral"]) as connection:
        found = connection.execute("SELECT id, referral_id::text, type FROM message").fetchall()
    return {id_: (referral, kind) for id_, referral, kind in found}
