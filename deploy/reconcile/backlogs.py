"""What waits in each service: its outbox, its mailbox, its fetches, and what an operator must look at."""

from deploy.reconcile.rules import AT_ONCE, EVENT, FETCH, Alone, Check
from deploy.topology import SERVICES


def _waits(rows: str, shown: str) -> tuple[Check, ...]:
    return tuple(
        Check(service.name, f"SELECT count(*) FROM {rows}", f"SELECT {shown}, created_at, false FROM {rows}")  # noqa: S608
        for service in SERVICES
    )


BACKLOGS = (
    Alone(
        "outbox",
        "Sự kiện rời hộp thư đi kịp thời.",
        "Events leave the outbox in time.",
        _waits("outbox", "event_id::text"),
        EVENT,
    ),
    Alone(
        "mailbox",
        "Sự kiện trong hộp sự kiện được xử lý kịp thời.",
        "Events in the mailbox are handled in time.",
        _waits("mailbox", "event_id"),
        EVENT,
    ),
    Alone(
        "fetch",
        "Thông tin cần lấy được lấy kịp thời.",
        "Details that were asked for arrive in time.",
        _waits('"fetch" WHERE done_at IS NULL', "kind || '/' || id"),
        FETCH,
    ),
    Alone(
        "dead-letters",
        "Không có thư chết nào chờ người vận hành.",
        "No dead letter waits for an operator.",
        _waits("dead_letter WHERE state IN ('dead', 'parked', 'due')", "coalesce(event_id, id::text)"),
        AT_ONCE,
    ),
)
