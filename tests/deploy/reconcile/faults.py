"""Faults as no code of ours would make them: each is planted by a superuser, and returns the ids that must be named."""

from typing import NamedTuple

UNGUARDED = "SET session_replication_role = replica"
"""Foreign keys look away."""


class Fault(NamedTuple):
    """What is done to which service, and the lines that must be broken by it; the first names what the last statement returns."""

    lines: tuple[str, ...]
    service: str
    statements: tuple[str, ...]


def again(table: str, changed: str, where: str, returning: str) -> str:
    """Return a statement that stores rows a second time under new ids."""
    return f"""
        INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(
          {table}, jsonb_build_object('id', gen_random_uuid(), 'seq', seq + 1000000{changed}))).*
        FROM {table} WHERE {where} RETURNING {returning}
        """  # noqa: S608


def entry_again(code: str) -> tuple[str, str]:
    """Return statements that tell a step of a timeline twice, and say of which referral."""
    told = again("timeline_entry", "", f"code = '{code}'", "details ->> 'referral_id'")
    return UNGUARDED, told


FAULTS: dict[str, Fault] = {
    "a file of a handed-over case is lost": Fault(
        ("hand-overs", "contract-links", "watch-list"),
        "intake",
        (UNGUARDED, "DELETE FROM case_file WHERE hotline_case_id IS NOT NULL RETURNING hotline_case_id"),
    ),
    "a handed-over case has two files": Fault(
        ("hand-overs", "progress", "contract-details", "contract-links", "audit-created", "audit-changed"),
        "intake",
        (
            "ALTER TABLE case_file DROP CONSTRAINT uq_case_file_hotline_case_id",
            again("case_file", ", 'reference', 'TWIN'", "hotline_case_id IS NOT NULL", "hotline_case_id"),
        ),
    ),
    "a file stands at another office": Fault(
        ("hand-overs",),
        "intake",
        ("UPDATE case_file SET office = 'osso-hue' WHERE hotline_case_id IS NOT NULL RETURNING hotline_case_id",),
    ),
    "a mission is told too little": Fault(
        ("progress",),
        "hotline",
        ("UPDATE hotline_case SET progress = 'opened' WHERE progress = 'closed' RETURNING id",),
    ),
    "a partner's side of a referral is lost": Fault(
        ("referrals",),
        "referral",
        (UNGUARDED, "DELETE FROM referral WHERE status = 'completed' RETURNING id"),
    ),
    "a referral exists that no office asked for": Fault(
        ("referrals", "beds"),
        "intake",
        (UNGUARDED, "DELETE FROM referral WHERE status = 'completed' RETURNING id"),
    ),
    "a partner still works on a referral that was called off": Fault(
        ("referrals", "bed-holds"),
        "referral",
        ("UPDATE referral SET status = 'accepted' WHERE status = 'cancelled' RETURNING id",),
    ),
    "a referral belongs to another case at its partner": Fault(
        ("referrals",),
        "referral",
        ("UPDATE referral SET case_id = gen_random_uuid() WHERE status = 'completed' RETURNING id",),
    ),
    "an office has not heard of an organisation": Fault(
        ("partners",), "intake", (UNGUARDED, "DELETE FROM partner RETURNING id")
    ),
    "an office takes an organisation for active that is not": Fault(
        ("partners",), "referral", ("UPDATE organization SET active = false RETURNING id",)
    ),
    "a question for a contract is lost": Fault(
        ("contract-links",), "registry", ("DELETE FROM contract_link RETURNING case_id",)
    ),
    "a case is linked to another contract than the registry says": Fault(
        ("contract-links",),
        "registry",
        (UNGUARDED, "UPDATE contract_link SET contract_id = gen_random_uuid() RETURNING case_id"),
    ),
    "an answer of the registry never arrived": Fault(
        ("contract-links", "watch-list"),
        "intake",
        (
            "DELETE FROM case_contract",
            "UPDATE case_file SET link_state = 'requested', contract_id = NULL, agency_id = NULL RETURNING id",
        ),
    ),
    "a linked case has no contract": Fault(
        ("contract-details", "watch-list"), "intake", ("DELETE FROM case_contract RETURNING case_id",)
    ),
    "an allegation is not on the watch list": Fault(
        ("watch-list",), "registry", ("DELETE FROM watch_entry RETURNING case_id",)
    ),
    "another agency is watched for a case": Fault(
        ("watch-list",),
        "registry",
        (UNGUARDED, "UPDATE watch_entry SET agency_id = gen_random_uuid() RETURNING case_id"),
    ),
    "an office believes that a bed is held": Fault(
        ("beds",), "intake", ("UPDATE referral SET bed_held = true WHERE status = 'completed' RETURNING id",)
    ),
    "details of a hand-over never arrived": Fault(
        ("hand-over-details",),
        "intake",
        (
            "UPDATE person SET details = NULL",
            "SELECT id FROM case_file WHERE hotline_case_id IS NOT NULL",
        ),
    ),
    "a closed case has an open referral": Fault(
        ("ended-cases", "referrals", "timeline"),
        "intake",
        (
            "DELETE FROM timeline_entry WHERE code = 'referral_routed'",
            "UPDATE referral SET status = 'routed' WHERE status = 'completed' RETURNING id",
        ),
    ),
    "a withdrawn consent has an open referral": Fault(
        ("ended-cases", "referrals"),
        "intake",
        ("UPDATE referral SET status = 'accepted' WHERE status = 'cancelled' RETURNING id",),
    ),
    "a step of a referral is not told": Fault(
        ("timeline",),
        "intake",
        ("DELETE FROM timeline_entry WHERE code = 'referral_completed' RETURNING details ->> 'referral_id'",),
    ),
    "an event had its effect twice": Fault(("timeline", "audit-created"), "intake", entry_again("bed_released")),
    "a bed is held for nobody": Fault(("bed-counts",), "referral", ("UPDATE capacity SET held = 1 RETURNING id",)),
    "fewer beds than none are held": Fault(
        ("bed-counts",),
        "referral",
        (
            "ALTER TABLE capacity DROP CONSTRAINT ck_capacity_held_within_total",
            "UPDATE capacity SET held = -1 RETURNING id",
        ),
    ),
    "a bed is kept for a referral that ended": Fault(
        ("bed-holds", "bed-counts", "beds"),
        "referral",
        ("UPDATE bed_hold SET released_at = NULL RETURNING referral_id",),
    ),
    "a partner was never told of a referral": Fault(
        ("messages",),
        "referral",
        (UNGUARDED, "DELETE FROM message WHERE type = 'referral.requested' RETURNING referral_id"),
    ),
    "a partner was told twice": Fault(
        ("messages", "audit-created"),
        "referral",
        (again("message", "", "type = 'referral.closed'", "referral_id"),),
    ),
    "a partner was not told that a referral was called off": Fault(
        ("messages",),
        "referral",
        (UNGUARDED, "DELETE FROM message WHERE type = 'referral.cancelled' RETURNING referral_id"),
    ),
    "a message has no delivery": Fault(
        ("deliveries",),
        "referral",
        (
            "UPDATE endpoint SET created_at = created_at - interval '1 hour'",
            UNGUARDED,
            "DELETE FROM delivery RETURNING message_id",
        ),
    ),
    "a delivery is called done that was never answered": Fault(
        ("deliveries",),
        "referral",
        ("UPDATE attempt SET status_code = 500", "SELECT message_id FROM delivery"),
    ),
    "a delivery is forgotten": Fault(
        ("overdue-deliveries",),
        "referral",
        (
            """UPDATE delivery SET status = 'pending' WHERE message_id IN
               (SELECT id FROM message WHERE type = 'referral.requested') RETURNING message_id""",
        ),
    ),
    "a row was stored past the trail": Fault(
        ("audit-created",),
        "intake",
        (
            "DELETE FROM audit WHERE outcome = 'created' AND kind = 'consent'",
            "SELECT 'intake:consent/' || id FROM consent",
        ),
    ),
    "a status was changed past the trail": Fault(
        ("audit-changed",),
        "hotline",
        (
            "DELETE FROM audit WHERE outcome = 'changed' AND 'status' = ANY (fields)",
            "SELECT 'hotline:hotline_case/' || id FROM hotline_case",
        ),
    ),
    "the key of a worker is lost": Fault(
        ("sealed-keys",),
        "registry",
        ("DELETE FROM person_key", "SELECT 'registry:' || id FROM worker"),
    ),
    "an event cannot leave": Fault(
        ("outbox",),
        "hotline",
        (
            """INSERT INTO outbox (event_id, topic, key, headers, payload)
               VALUES (gen_random_uuid(), 'hotline.events', 'k', '{}', '') RETURNING 'hotline:' || event_id""",
        ),
    ),
    "an event is not taken": Fault(
        ("mailbox",),
        "registry",
        (
            """INSERT INTO mailbox (event_id, topic, key, headers, payload)
               VALUES (gen_random_uuid(), 'intake.events', 'k', '{}', '') RETURNING 'registry:' || event_id""",
        ),
    ),
    "details are asked for in vain": Fault(
        ("fetch",),
        "intake",
        (
            """INSERT INTO "fetch" (kind, params, correlation_id) VALUES ('ContractDetails', '{}', 'c')
               RETURNING 'intake:ContractDetails/' || id""",
        ),
    ),
    "an event could not be handled": Fault(
        ("dead-letters",),
        "referral",
        (
            """INSERT INTO dead_letter (event_id, topic, headers, reason, state)
               VALUES ('e1', 'intake.events', '[]', 'schema', 'dead') RETURNING 'referral:' || event_id""",
        ),
    ),
}
