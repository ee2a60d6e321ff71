"""What must hold inside one service: beds, ends of cases, timelines, messages, and details that were asked for."""

from deploy.reconcile.rules import AT_ONCE, EVENT, Alone, Check

STORES = (
    Alone(
        "hand-over-details",
        "Hồ sơ nhận từ tổng đài có thông tin của người cần giúp.",
        "Every file from the hotline has the details of whom it is about.",
        (
            Check(
                "intake",
                "SELECT count(*) FROM case_file WHERE hotline_case_id IS NOT NULL",
                """
                SELECT case_file.id::text, case_file.created_at,
                  EXISTS (SELECT FROM "fetch" WHERE done_at IS NULL AND kind = 'HandOverDetails'
                          AND params ->> 'hotline_case_id' = hotline_case_id::text)
                FROM case_file JOIN person ON person.id = person_id
                WHERE hotline_case_id IS NOT NULL AND details IS NULL AND erased_at IS NULL
                """,
            ),
        ),
    ),
    Alone(
        "contract-details",
        "Vụ việc đã gắn với hợp đồng có nội dung hợp đồng.",
        "Every case that is linked to a contract has what the contract says.",
        (
            Check(
                "intake",
                "SELECT count(*) FROM case_file WHERE link_state = 'linked'",
                """
                SELECT id::text, updated_at,
                  EXISTS (SELECT FROM "fetch" WHERE done_at IS NULL AND kind = 'ContractDetails'
                          AND params ->> 'case_id' = case_file.id::text)
                FROM case_file
                WHERE link_state = 'linked' AND NOT EXISTS (SELECT FROM case_contract WHERE case_id = case_file.id)
                """,
            ),
        ),
    ),
    Alone(
        "ended-cases",
        "Vụ việc đã đóng hoặc đồng ý đã rút thì không còn giới thiệu nào mở, và không ai đọc được thông tin.",
        "Nothing is open, and so disclosed, on a closed case or a withdrawn consent.",
        (
            Check(
                "intake",
                """SELECT (SELECT count(*) FROM case_file WHERE status = 'closed')
                        + (SELECT count(*) FROM consent WHERE withdrawn_at IS NOT NULL)""",
                """
                SELECT referral.id::text, NULL, false
                FROM referral JOIN case_file ON case_file.id = referral.case_id
                  JOIN consent ON consent.id = referral.consent_id
                WHERE referral.status IN ('requested', 'routed', 'accepted')
                  AND (case_file.status = 'closed' OR withdrawn_at IS NOT NULL)
                """,
            ),
        ),
    ),
    Alone(
        "timeline",
        "Mỗi bước của một giới thiệu được kể đúng một lần trong diễn biến vụ việc.",
        "Each step of a referral is told once in the timeline, its present standing too.",
        (
            Check(
                "intake",
                "SELECT count(*) FROM referral",
                """
                SELECT referral.id::text, NULL, false FROM referral
                LEFT JOIN LATERAL (
                  SELECT code, count(*) AS times FROM timeline_entry
                  WHERE timeline_entry.case_id = referral.case_id AND details ->> 'referral_id' = referral.id::text
                  GROUP BY code
                ) told ON true
                GROUP BY referral.id
                HAVING max(times) > 1 OR NOT coalesce(bool_or(code = 'referral_' || status), false)
                """,
            ),
        ),
    ),
    Alone(
        "bed-counts",
        "Số chỗ đang giữ bằng số lượt giữ chỗ, không âm và không quá tổng số.",
        "The beds counted as held are the beds held, never fewer than none nor more than there are.",
        (
            Check(
                "referral",
                "SELECT count(*) FROM capacity",
                """
                SELECT capacity.id::text, NULL, false FROM capacity
                LEFT JOIN (SELECT capacity_id, count(*) AS holds FROM bed_hold WHERE released_at IS NULL GROUP BY 1) open
                  ON open.capacity_id = capacity.id
                WHERE held <> coalesce(holds, 0) OR held < 0 OR held > total
                """,
            ),
        ),
    ),
    Alone(
        "bed-holds",
        "Chỗ ở được giữ cho đúng những giới thiệu đã được nhận và cần chỗ.",
        "A bed is held for each accepted referral that needs one, and for no other.",
        (
            Check(
                "referral",
                "SELECT count(*) FROM referral WHERE needs_bed",
                """
                SELECT referral.id::text, NULL, false FROM referral
                LEFT JOIN bed_hold ON referral_id = referral.id AND released_at IS NULL
                WHERE (referral_id IS NOT NULL) <> (needs_bed AND status = 'accepted')
                """,
            ),
        ),
    ),
    Alone(
        "messages",
        "Đối tác được báo đúng một lần khi có giới thiệu mới và khi giới thiệu bị hủy.",
        "A partner is told once of each referral that reached it, and once when it is called off.",
        (
            Check(
                "referral",
                "SELECT count(*) FROM referral WHERE service_id IS NOT NULL",
                """
                SELECT referral.id::text, NULL, false FROM referral
                LEFT JOIN message ON message.referral_id = referral.id
                GROUP BY referral.id
                HAVING count(*) FILTER (WHERE type = 'referral.requested') <> (service_id IS NOT NULL)::int
                  OR count(*) FILTER (WHERE type IN ('referral.cancelled', 'referral.closed')) > 1
                  OR (service_id IS NOT NULL AND status = 'cancelled'
                      AND NOT coalesce(bool_or(type IN ('referral.cancelled', 'referral.closed')), false))
                """,
            ),
        ),
    ),
    Alone(
        "deliveries",
        "Mỗi tin báo có lượt gửi tới mọi địa chỉ của tổ chức; tin đã gửi xong có bằng chứng.",
        "Every message has a delivery for each address of its organisation; one that is done has an answer to show for it.",
        (
            Check(
                "referral",
                "SELECT count(*) FROM message",
                """
                SELECT message.id, NULL::timestamptz, false FROM message
                JOIN endpoint ON endpoint.organization_id = message.organization_id AND endpoint.active
                  -- Two that were in hand together need not have seen each other.
                  AND endpoint.created_at < message.created_at - interval '1 minute'
                WHERE NOT EXISTS (SELECT FROM delivery WHERE endpoint_id = endpoint.id AND message_id = message.id)
                UNION ALL
                SELECT message_id, NULL, false FROM delivery
                WHERE status = 'delivered' AND NOT EXISTS (
                  SELECT FROM attempt WHERE delivery_id = delivery.id AND status_code BETWEEN 200 AND 299)
                """,
            ),
        ),
        AT_ONCE,
    ),
    Alone(
        "overdue-deliveries",
        "Không tin báo nào quá hạn mà chưa được gửi.",
        "No delivery is overdue without anybody sending it.",
        (
            Check(
                "referral",
                "SELECT count(*) FROM delivery WHERE status = 'pending'",
                """
                SELECT message_id, due_at, leased_until > now() OR NOT organization.active OR EXISTS (
                  SELECT FROM delivery earlier WHERE earlier.endpoint_id = delivery.endpoint_id
                  AND earlier.referral_id = delivery.referral_id AND earlier.status = 'pending'
                  AND earlier.seq < delivery.seq)
                FROM delivery JOIN endpoint ON endpoint.id = endpoint_id
                  JOIN organization ON organization.id = organization_id
                WHERE delivery.status = 'pending'
                """,
            ),
        ),
        EVENT,
    ),
)
