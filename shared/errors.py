"""What can go wrong in the words of the API: each error has a name, a status and a sentence in two languages (RFC 9457)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence in Vietnamese and English."""

    vi: str
    en: str

    def in_language(self, language: str) -> str:
        """Return the English sentence for `en`, else the Vietnamese one."""
        return self.en if language == "en" else self.vi


@dataclass(frozen=True, slots=True)
class FieldError:
    """One rejected field: its JSON pointer, a code, and what was expected there; never what was sent."""

    pointer: str
    code: str
    expected: Sentence


class DomainError(Exception):
    """The base of all errors that a caller is told about; `members` become extension members of the problem."""

    name: ClassVar[str]
    status: ClassVar[int]
    sentence: ClassVar[Sentence]
    retry_after: ClassVar[int | None] = None
    """Seconds after which the same request may succeed, for the `Retry-After` header."""

    def __init__(self, **members: object) -> None:
        super().__init__(self.name)
        self.members = members


class InvalidInput(DomainError):
    """The payload breaks a rule that the schema cannot express."""

    name = "invalid-input"
    status = 422
    sentence = Sentence("Dữ liệu gửi lên chưa đúng.", "The request has invalid fields.")

    def __init__(self, errors: Iterable[FieldError]) -> None:
        super().__init__()
        self.errors = list(errors)

    @classmethod
    def at(cls, pointer: str, code: str, vi: str, en: str) -> "InvalidInput":
        """Refuse one field."""
        return cls([FieldError(pointer, code, Sentence(vi, en))])


class Unauthenticated(DomainError):
    """No token, or one that does not hold."""

    name = "unauthenticated"
    status = 401
    sentence = Sentence("Cần đăng nhập bằng mã truy cập hợp lệ.", "A valid access token is needed.")


class Forbidden(DomainError):
    """The caller may not do this, whatever the object."""

    name = "forbidden"
    status = 403
    sentence = Sentence("Bạn không có quyền làm việc này.", "You are not permitted to do this.")


class NotFound(DomainError):
    """It does not exist, or not for this caller."""

    name = "not-found"
    status = 404
    sentence = Sentence("Không tìm thấy.", "Nothing is found here.")


class MethodNotAllowed(DomainError):
    """The address exists, the method does not."""

    name = "method-not-allowed"
    status = 405
    sentence = Sentence("Địa chỉ này không nhận phương thức đó.", "This address does not take that method.")


class IllegalTransition(DomainError):
    """The state machine has no such step from here."""

    name = "illegal-transition"
    status = 409
    sentence = Sentence("Trạng thái hiện tại không cho phép bước này.", "The present status does not allow this step.")

    def __init__(self, status: str, to: str, allowed: Iterable[str]) -> None:
        super().__init__(current=str(status), requested=str(to), allowed=sorted(map(str, allowed)))


class Conflict(DomainError):
    """Something else stands against it; `reason` is a code."""

    name = "conflict"
    status = 409
    sentence = Sentence("Yêu cầu mâu thuẫn với dữ liệu đã có.", "The request conflicts with what is stored.")

    def __init__(self, reason: str, **members: object) -> None:
        super().__init__(reason=reason, **members)


class RequestInFlight(DomainError):
    """The same idempotency key is being worked on at this moment."""

    name = "request-in-flight"
    status = 409
    sentence = Sentence("Yêu cầu này đang được xử lý.", "The same request is being handled just now.")
    retry_after = 1


class StaleVersion(DomainError):
    """Someone changed the record since the caller read it."""

    name = "stale-version"
    status = 412
    sentence = Sentence(
        "Hồ sơ đã được người khác sửa. Hãy đọc lại rồi sửa tiếp.",
        "Someone changed this record. Read it again, then change it.",
    )


class BodyTooLarge(DomainError):
    """The body exceeds what this address takes."""

    name = "body-too-large"
    status = 413
    sentence = Sentence("Nội dung gửi lên quá lớn.", "The body is too large.")


class PreconditionRequired(DomainError):
    """`If-Match` is missing on a change."""

    name = "precondition-required"
    status = 428
    sentence = Sentence("Cần gửi If-Match với ETag của lần đọc cuối.", "Send If-Match with the ETag you last read.")


class IdempotencyKeyRequired(DomainError):
    """A `POST` that stores something came without its key."""

    name = "idempotency-key-required"
    status = 400
    sentence = Sentence(
        "Cần gửi Idempotency-Key: 1 đến 128 ký tự chữ, số, gạch.",
        "Send Idempotency-Key: 1 to 128 letters, digits, dashes.",
    )


class IdempotencyKeyReused(DomainError):
    """The key was used for another body."""

    name = "idempotency-key-reused"
    status = 422
    sentence = Sentence(
        "Idempotency-Key này đã dùng cho nội dung khác.", "This Idempotency-Key was used for another body."
    )


class Unavailable(DomainError):
    """A part this service needs is away for the moment."""

    name = "unavailable"
    status = 503
    sentence = Sentence("Hệ thống tạm gián đoạn, hãy thử lại.", "The service is briefly unavailable, please try again.")
    retry_after = 2


class InternalError(DomainError):
    """Ours, not the caller's; the logs know more."""

    name = "internal-error"
    status = 500
    sentence = Sentence("Lỗi hệ thống. Yêu cầu chưa được lưu.", "Something failed on our side. Nothing was stored.")


class PersonErased(DomainError):
    """What would open this person's details was destroyed."""

    name = "person-erased"
    status = 410
    sentence = Sentence("Dữ liệu của người này đã được xóa.", "This person's data was erased.")
