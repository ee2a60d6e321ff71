"""Whether the audit is complete: what stands in the tables stands in the trail; and whether what is sealed has its key."""

from importlib import import_module

from deploy.reconcile.rules import Alone, Check
from deploy.topology import SERVICES

UNAUDITED = {"attempt"}
"""Records in themselves: each try of a delivery is written once, and nobody's act. So is every table without an `id`."""

MOVED = {
    "intake": (
        ("case_file", "status <> 'opened'", "status"),
        ("referral", "status <> 'requested'", "status"),
        ("task", "status <> 'open'", "status"),
        ("consent", "withdrawn_at IS NOT NULL", "withdrawn_at"),
    ),
    "hotline": (
        ("hotline_case", "status <> 'posted'", "status"),
        ("hotline_case", "progress <> 'none'", "progress"),
    ),
    "referral": (
        ("referral", "status <> 'requested'", "status"),
        ("capacity", "held > 0", "held"),
        ("endpoint", "NOT active", "active"),
        ("bed_hold", "released_at IS NOT NULL", "released_at"),
    ),
    "registry": (("contract_link", "contract_id IS NOT NULL", "contract_id"),),
}
"""What never begins so: table, condition, and the field that must have changed."""

SEALED = {
    "intake": ("person", "id", "details"),
    "hotline": ("hotline_case", "caller_id", "caller"),
    "registry": ("worker", "id", "details"),
}
"""Where someone's details lie: table, whose, and the sealed column."""


def _audited(service: str) -> tuple[str, ...]:
    tables = import_module(f"services.{service}.models").metadata.tables
    return tuple(sorted(name for name, table in tables.items() if "id" in table.columns and name not in UNAUDITED))


def _created(service: str) -> Check:
    """Anti-join every table with its entries; both sides were written in one transaction."""
    missing = (
        f"""
        SELECT '{table}/' || id::text, NULL::timestamptz, false FROM {table}
        WHERE NOT EXISTS (
          SELECT FROM audit WHERE kind = '{table}' AND row_id = {table}.id::text AND outcome = 'created')
        """  # noqa: S608 - our own tables
        for table in _audited(service)
    )
    counts = (f"(SELECT count(*) FROM {table})" for table in _audited(service))  # noqa: S608
    return Check(service, f"SELECT {' + '.join(counts)}", " UNION ALL ".join(missing))


def _moved(service: str) -> Check:
    missing = (
        f"""
        SELECT '{table}/' || id::text, NULL::timestamptz, false FROM {table}
        WHERE {condition} AND NOT EXISTS (
          SELECT FROM audit WHERE kind = '{table}' AND row_id = {table}.id::text AND '{field}' = ANY (fields))
        """  # noqa: S608
        for table, condition, field in MOVED[service]
    )
    counts = (f"(SELECT count(*) FROM {table} WHERE {condition})" for table, condition, _ in MOVED[service])  # noqa: S608
    return Check(service, f"SELECT {' + '.join(counts)}", " UNION ALL ".join(missing))


def _opens(service: str) -> Check:
    table, person, column = SEALED[service]
    sealed = f"FROM {table} WHERE {column} IS NOT NULL"
    missing = f"AND NOT EXISTS (SELECT FROM person_key WHERE person_id = {table}.{person} AND wrapped IS NOT NULL)"
    return Check(service, f"SELECT count(*) {sealed}", f"SELECT id::text, NULL, false {sealed} {missing}")


TRAILS = (
    Alone(
        "audit-created",
        "Mọi dòng dữ liệu đều có dấu vết ai đã tạo ra nó.",
        "Every row has its entry of who created it.",
        tuple(_created(service.name) for service in SERVICES),
    ),
    Alone(
        "audit-changed",
        "Mọi thay đổi tình trạng đều có dấu vết ai đã thay đổi.",
        "What has moved on has its entry of who moved it.",
        tuple(_moved(service) for service in MOVED),
    ),
    Alone(
        "sealed-keys",
        "Mọi thông tin niêm phong đều có khóa để mở.",
        "Everything sealed has the key that opens it.",
        tuple(_opens(service) for service in SEALED),
    ),
)
