"""The problems that the gateway answers by itself, in the words and the form of the services' own."""

import json
from dataclasses import dataclass
from typing import Self

from shared.errors import BodyTooLarge, DomainError, InternalError, MethodNotAllowed, NotFound, Sentence

PROBLEM_TYPE = "urn:baoho:problem:"
RETRY_UPSTREAM_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One answer of the gateway's own: its name, status and sentence, and after how many seconds to try again."""

    name: str
    status: int
    sentence: Sentence
    retry_after: int | None = None
    header: str = ""
    """One more header, as the arguments of nginx's `add_header`."""
    caught: str = ""
    """nginx's own statuses that become this problem, where they differ from `status`; `=431` sets another one."""

    @classmethod
    def of(cls, error: type[DomainError], header: str = "") -> Self:
        """Say what the services say."""
        return cls(error.name, error.status, error.sentence, error.retry_after, header)

    def body(self, language: str) -> str:
        """Return the JSON in `vi` or `en`, as RFC 9457 has it."""
        title = self.sentence.in_language(language)
        return json.dumps({"type": PROBLEM_TYPE + self.name, "title": title, "status": self.status}, ensure_ascii=False)


PROBLEMS = (
    Problem(
        "bad-request",
        400,
        Sentence("Yêu cầu không đúng cú pháp HTTP.", "This is not a well-formed HTTP request."),
        caught="400 495 496 497 501 505",
    ),
    Problem.of(NotFound),
    Problem.of(MethodNotAllowed, header="Allow 'GET, HEAD'"),
    Problem.of(BodyTooLarge),
    Problem("address-too-long", 414, Sentence("Địa chỉ quá dài.", "The address is too long.")),
    Problem(
        "too-many-requests",
        429,
        Sentence("Quá nhiều yêu cầu, hãy thử lại sau giây lát.", "Too many requests, please try again in a moment."),
        retry_after=1,
    ),
    Problem(
        "header-too-large",
        431,
        Sentence("Phần đầu của yêu cầu quá lớn.", "The header of the request is too large."),
        caught="494 =431",
    ),
    Problem.of(InternalError),
    Problem(
        "upstream-unavailable",
        502,
        Sentence(
            "Dịch vụ tạm thời không phản hồi, hãy thử lại.", "The service does not answer just now, please try again."
        ),
        retry_after=RETRY_UPSTREAM_SECONDS,
    ),
    Problem(
        "upstream-unavailable",
        504,
        Sentence(
            "Dịch vụ chưa trả lời kịp. Hãy gửi lại với cùng Idempotency-Key.",
            "The service did not answer in time. Send it again with the same Idempotency-Key.",
        ),
        retry_after=RETRY_UPSTREAM_SECONDS,
    ),
)
"""Everything the gateway answers by itself; what a service answers passes through untouched."""
