"""What two services both tell: the row of one has its counterpart in the other, once, and they say the same."""

from deploy.reconcile.rules import Pair, Side, State, always

HAND_OVERS = Side(
    "hotline", "SELECT id, handed_over_at, office FROM hotline_case WHERE status = 'handed_over' ORDER BY id"
)
FILES = Side(
    "intake",
    "SELECT hotline_case_id, created_at, office FROM case_file WHERE hotline_case_id IS NOT NULL ORDER BY 1",
)
PROGRESS = Side("hotline", "SELECT id, updated_at, progress FROM hotline_case WHERE status = 'handed_over' ORDER BY id")
FILE_STATUS = Side(
    "intake", "SELECT hotline_case_id, updated_at, status FROM case_file WHERE hotline_case_id IS NOT NULL ORDER BY 1"
)
ASKED = Side("intake", "SELECT id, updated_at, status, case_id, organization_id FROM referral ORDER BY id")
WORKED_ON = Side("referral", "SELECT id, updated_at, status, case_id, organization_id FROM referral ORDER BY id")
ORGANIZATIONS = Side("referral", "SELECT id, updated_at, active FROM organization ORDER BY id")
PARTNERS = Side("intake", "SELECT id, updated_at, active FROM partner ORDER BY id")
LINK_STATES = Side(
    "intake",
    """SELECT id, updated_at, link_state, contract_id, agency_id FROM case_file WHERE link_state <> 'none' ORDER BY id""",
)
LINKS = Side("registry", "SELECT case_id, updated_at, contract_id, agency_id FROM contract_link ORDER BY case_id")
ALLEGED = Side(
    "intake",
    """SELECT case_file.id, case_file.updated_at, agency_id, findings @> '[{"outcome": "violation_indicated"}]'
       FROM case_file JOIN case_contract ON case_contract.case_id = case_file.id ORDER BY 1""",
)
WATCHED = Side("registry", "SELECT case_id, updated_at, agency_id FROM watch_entry ORDER BY case_id")
HOLDS = Side(
    "referral",
    "SELECT referral_id, coalesce(released_at, held_at), released_at IS NULL FROM bed_hold ORDER BY referral_id",
)
BEDS_TOLD = Side("intake", "SELECT id, updated_at, bed_held FROM referral WHERE needs_bed ORDER BY id")

SHOWN = {
    "opened": {"opened"},
    "in_care": {"in_care"},
    "resolved": {"opened", "in_care"},  # A case may be resolved before anybody took care of it.
    "closed": {"closed"},
}
"""What a mission sees of each status of a case."""

ENDED = {"completed", "declined", "unroutable"}
"""How a partner's side may have ended while the office called the referral off: neither end yields to the other."""


def _same(left: State, right: State) -> bool:
    return left == right


def _shown(file: State, hotline: State) -> bool:
    return hotline[0] in SHOWN[file[0]]


def _compatible(asked: State, worked_on: State) -> bool:
    ended_both_ways = asked[0] == "cancelled" and worked_on[0] in ENDED
    return asked[1:] == worked_on[1:] and (asked[0] == worked_on[0] or ended_both_ways)


def _links(asked: State, link: State) -> bool:
    state, *of_case = asked
    if state == "linked":
        return of_case == [*link]
    return bool(state == "not_found" and link[0] is None)


def _alleged(alleged: State, watched: State) -> bool:
    return bool(alleged[0] == watched[0])


PAIRS = (
    Pair(
        "hand-overs",
        "Mỗi vụ việc tổng đài chuyển giao có đúng một hồ sơ tại văn phòng được nêu.",
        "Every case the hotline handed over has exactly one file, at the office that was named.",
        HAND_OVERS,
        FILES,
        (("hotline", "intake"),),
        _same,
    ),
    Pair(
        "progress",
        "Cơ quan đại diện thấy đúng tình trạng của hồ sơ.",
        "A mission sees how far the file of its case is.",
        FILE_STATUS,
        PROGRESS,
        (("intake", "hotline"),),
        _shown,
        left_alone=always,
        right_alone=always,
    ),
    Pair(
        "referrals",
        "Mỗi giới thiệu của văn phòng có đúng một giới thiệu ở phía đối tác, cùng mã và tình trạng.",
        "Every referral of an office is worked on exactly once, under the same id and with the same standing.",
        ASKED,
        WORKED_ON,
        (("intake", "referral"), ("referral", "intake")),
        _compatible,
    ),
    Pair(
        "partners",
        "Văn phòng biết mọi tổ chức của danh bạ và tổ chức nào đang hoạt động.",
        "The offices know every organisation of the directory, and whether it is active.",
        ORGANIZATIONS,
        PARTNERS,
        (("referral", "intake"),),
        _same,
    ),
    Pair(
        "contract-links",
        "Mỗi vụ việc hỏi hợp đồng nhận đúng câu trả lời của cơ sở dữ liệu người lao động.",
        "Every case that asked for a contract has the registry's answer, as the registry has it.",
        LINK_STATES,
        LINKS,
        (("intake", "registry"), ("registry", "intake")),
        _links,
    ),
    Pair(
        "watch-list",
        "Mỗi vụ việc có dấu hiệu vi phạm được ghi vào danh sách theo dõi của đúng doanh nghiệp.",
        "Every case whose contract indicates a violation is on the watch list, under its agency.",
        ALLEGED,
        WATCHED,
        (("intake", "registry"),),
        _alleged,
        left_alone=lambda alleged: not alleged[1],  # Complaint types allege as well, but may have been corrected since.
    ),
    Pair(
        "beds",
        "Văn phòng biết đúng chỗ ở nào đang được giữ.",
        "The offices know which referrals hold a bed.",
        HOLDS,
        BEDS_TOLD,
        (("referral", "intake"), ("intake", "referral")),
        _same,
        right_alone=lambda told: not told[0],
    ),
)
