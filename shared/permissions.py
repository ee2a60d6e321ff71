"""Who may do what: one enum of permissions, one table of roles; a route names a permission, never a role."""

from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """The roles that a token may carry."""

    ADMINISTRATOR = "administrator"
    AGENCY_OFFICER = "agency_officer"
    ANALYST = "analyst"
    AUDITOR = "auditor"
    HOTLINE_OPERATOR = "hotline_operator"
    LABOUR_OFFICER = "labour_officer"
    MISSION_OFFICER = "mission_officer"
    MRC_COUNSELLOR = "mrc_counsellor"
    OSSO_OFFICER = "osso_officer"
    OSSO_SUPERVISOR = "osso_supervisor"
    PARTNER_MANAGER = "partner_manager"
    PARTNER_WORKER = "partner_worker"
    REGISTRY_CLERK = "registry_clerk"
    SERVICE = "service"


class Permission(StrEnum):
    """`resource:action`, alphabetised."""

    AGENCY_READ = "agency:read"
    AGENCY_REGISTER = "agency:register"
    AUDIT_READ = "audit:read"
    BED_EDIT = "bed:edit"
    CASE_CLOSE = "case:close"
    CASE_CONFIRM = "case:confirm"
    CASE_READ = "case:read"
    CASE_REGISTER = "case:register"
    CASE_RESOLVE = "case:resolve"
    CASE_UPDATE = "case:update"
    CONSENT_RECORD = "consent:record"
    CONSENT_WITHDRAW = "consent:withdraw"
    CONTRACT_READ = "contract:read"
    CONTRACT_REGISTER = "contract:register"
    CONTRACT_LINK_FETCH = "contract_link:fetch"
    DEAD_LETTER_DISCARD = "dead_letter:discard"
    DEAD_LETTER_READ = "dead_letter:read"
    DEAD_LETTER_REPLAY = "dead_letter:replay"
    DIRECTORY_EDIT = "directory:edit"
    DIRECTORY_READ = "directory:read"
    DISCLOSURE_READ = "disclosure:read"
    ENDPOINT_EDIT = "endpoint:edit"
    ENDPOINT_READ = "endpoint:read"
    FIGURES_READ = "figures:read"
    HANDOVER_FETCH = "handover:fetch"
    HOTLINE_CASE_HAND_OVER = "hotline_case:hand_over"
    HOTLINE_CASE_POST = "hotline_case:post"
    HOTLINE_CASE_READ = "hotline_case:read"
    HOTLINE_CASE_TRIAGE = "hotline_case:triage"
    PERSON_ERASE = "person:erase"
    PERSON_SEARCH = "person:search"
    REFERRAL_ANSWER = "referral:answer"
    REFERRAL_READ = "referral:read"
    REFERRAL_REQUEST = "referral:request"
    SCREENING_RECORD = "screening:record"
    TASK_READ = "task:read"
    TASK_REVIEW = "task:review"
    WATCH_READ = "watch:read"
    WORKER_READ = "worker:read"
    WORKER_REGISTER = "worker:register"


_P = Permission
_CASE_WORK = frozenset(
    {
        _P.CASE_CONFIRM,
        _P.CASE_READ,
        _P.CASE_REGISTER,
        _P.CASE_RESOLVE,
        _P.CASE_UPDATE,
        _P.CONSENT_RECORD,
        _P.CONSENT_WITHDRAW,
        _P.DIRECTORY_READ,
        _P.PERSON_SEARCH,
        _P.REFERRAL_REQUEST,
        _P.SCREENING_RECORD,
        _P.TASK_READ,
    }
)
_OPERATION = frozenset({_P.DEAD_LETTER_DISCARD, _P.DEAD_LETTER_READ, _P.DEAD_LETTER_REPLAY})
_PARTNER_WORK = frozenset({_P.DIRECTORY_READ, _P.DISCLOSURE_READ, _P.REFERRAL_ANSWER, _P.REFERRAL_READ})

ROLE_PERMISSIONS: MappingProxyType[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMINISTRATOR: _OPERATION | {_P.DIRECTORY_EDIT, _P.DIRECTORY_READ},
        Role.AGENCY_OFFICER: frozenset({_P.AGENCY_READ, _P.CONTRACT_READ, _P.CONTRACT_REGISTER}),
        Role.ANALYST: frozenset({_P.FIGURES_READ}),
        Role.AUDITOR: frozenset({_P.AUDIT_READ}),
        Role.HOTLINE_OPERATOR: frozenset(
            {_P.HOTLINE_CASE_HAND_OVER, _P.HOTLINE_CASE_POST, _P.HOTLINE_CASE_READ, _P.HOTLINE_CASE_TRIAGE}
        ),
        Role.LABOUR_OFFICER: frozenset({_P.AGENCY_READ, _P.CONTRACT_READ, _P.WATCH_READ, _P.WORKER_READ}),
        Role.MISSION_OFFICER: frozenset({_P.HOTLINE_CASE_POST, _P.HOTLINE_CASE_READ}),
        Role.MRC_COUNSELLOR: _CASE_WORK,
        Role.OSSO_OFFICER: _CASE_WORK,
        Role.OSSO_SUPERVISOR: _CASE_WORK | {_P.CASE_CLOSE, _P.PERSON_ERASE, _P.TASK_REVIEW},
        Role.PARTNER_MANAGER: _PARTNER_WORK | {_P.BED_EDIT, _P.ENDPOINT_EDIT, _P.ENDPOINT_READ},
        Role.PARTNER_WORKER: _PARTNER_WORK,
        Role.REGISTRY_CLERK: frozenset(
            {
                _P.AGENCY_READ,
                _P.AGENCY_REGISTER,
                _P.CONTRACT_READ,
                _P.CONTRACT_REGISTER,
                _P.WATCH_READ,
                _P.WORKER_READ,
                _P.WORKER_REGISTER,
            }
        ),
        Role.SERVICE: frozenset({_P.CONTRACT_LINK_FETCH, _P.HANDOVER_FETCH}),
    }
)
