"""What is wrong with a request, field by field, in words that never repeat what was sent."""

import json
import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from fastapi import Request
from pydantic_core import from_json

from shared.errors import BodyTooLarge, FieldError, InvalidInput, Sentence

BODY_LIMIT = 1_048_576
"""Bytes of a request's body."""
DIGITS = len(str(BODY_LIMIT))
MOST_TOLD = 50
"""Of many rejected fields we tell these first ones: an answer must not outgrow its request."""
FIELD_NAME = re.compile(r"[a-z]{1,40}([_-][a-z]{1,40}){0,6}")
"""How the names of our fields, parameters and codes are written."""
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

EXPECTED: dict[str, Sentence] = {
    "missing": Sentence("trường bắt buộc", "a required field"),
    "extra_forbidden": Sentence("không có trường này", "no such field"),
    "json_invalid": Sentence("JSON hợp lệ (RFC 8259), mã hóa UTF-8", "valid JSON (RFC 8259) in UTF-8"),
    "string_type": Sentence("chuỗi ký tự", "a string"),
    "string_too_short": Sentence("ít nhất {min_length} ký tự", "at least {min_length} characters"),
    "string_too_long": Sentence("nhiều nhất {max_length} ký tự", "at most {max_length} characters"),
    "string_pattern_mismatch": Sentence("đúng mẫu {pattern}", "the form {pattern}"),
    "too_short": Sentence("ít nhất {min_length} phần tử", "at least {min_length} items"),
    "too_long": Sentence("nhiều nhất {max_length} phần tử", "at most {max_length} items"),
    "enum": Sentence("một trong: {expected}", "one of: {expected}"),
    "literal_error": Sentence("một trong: {expected}", "one of: {expected}"),
    "int_type": Sentence("số nguyên", "an integer"),
    "int_parsing": Sentence("số nguyên", "an integer"),
    "int_from_float": Sentence("số nguyên", "an integer"),
    "bool_type": Sentence("true hoặc false", "true or false"),
    "bool_parsing": Sentence("true hoặc false", "true or false"),
    "greater_than": Sentence("lớn hơn {gt}", "greater than {gt}"),
    "greater_than_equal": Sentence("từ {ge} trở lên", "{ge} or more"),
    "less_than": Sentence("nhỏ hơn {lt}", "less than {lt}"),
    "less_than_equal": Sentence("không quá {le}", "{le} or less"),
    "list_type": Sentence("danh sách", "a list"),
    "dict_type": Sentence("đối tượng JSON", "a JSON object"),
    "model_type": Sentence("đối tượng JSON", "a JSON object"),
    "model_attributes_type": Sentence(
        "đối tượng JSON, Content-Type: application/json", "a JSON object, Content-Type: application/json"
    ),
    "uuid_type": Sentence("một UUID", "a UUID"),
    "uuid_parsing": Sentence("một UUID", "a UUID"),
    "date_type": Sentence("ngày dạng YYYY-MM-DD", "a date as YYYY-MM-DD"),
    "date_parsing": Sentence("ngày dạng YYYY-MM-DD", "a date as YYYY-MM-DD"),
    "date_from_datetime_parsing": Sentence("ngày dạng YYYY-MM-DD", "a date as YYYY-MM-DD"),
    "datetime_parsing": Sentence("thời điểm theo RFC 3339, có múi giờ", "an RFC 3339 instant with its offset"),
    "datetime_from_date_parsing": Sentence(
        "thời điểm theo RFC 3339, có múi giờ", "an RFC 3339 instant with its offset"
    ),
    "timezone_aware": Sentence("thời điểm có múi giờ", "an instant with its offset"),
    "decimal_type": Sentence("số thập phân dạng chuỗi", "a decimal number as a string"),
    "decimal_parsing": Sentence("số thập phân dạng chuỗi", "a decimal number as a string"),
    "finite_number": Sentence("số hữu hạn", "a finite number"),
    "url_parsing": Sentence("địa chỉ https", "an https address"),
    "money_amount": Sentence(
        "số thập phân dạng chuỗi, tối đa 16 + 4 chữ số", "a plain decimal string, at most 16 + 4 digits"
    ),
    "money_currency": Sentence("mã tiền tệ ISO 4217", "an ISO 4217 currency code"),
    "nul": Sentence("chuỗi không chứa ký tự NUL", "a string without NUL characters"),
    "media_type": Sentence("Content-Type: application/json", "Content-Type: application/json"),
}
FALLBACK = Sentence("giá trị đúng theo mô tả API", "a value as the API description says")
SAFE_CONTEXT = {"min_length", "max_length", "pattern", "expected", "gt", "ge", "lt", "le"}


class ExpectedError(ValueError):
    """Raised by validators of our own types: its sentence says what was expected."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.sentence = Sentence(vi, en)


def pointer(location: Sequence[str | int]) -> str:
    """Turn pydantic's location into a pointer: JSON Pointer (RFC 6901) in the body, `/query/x`, `/path/x`, `/header/x` else."""
    place, *rest = location or ("body",)
    parts = rest if place == "body" else [place, *rest]
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def field_errors(errors: Sequence[Any]) -> list[FieldError]:
    """Translate pydantic's errors; limits and choices are told, the rejected value never."""
    return [_field_error(error) for error in errors[:MOST_TOLD]]


def _field_error(error: dict[str, Any]) -> FieldError:
    context = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, ExpectedError):
        return FieldError(pointer(_told_place(error["loc"])), "value", cause.sentence)
    told = {name: context.get(name, "") for name in SAFE_CONTEXT}
    sentence = EXPECTED.get(error["type"], FALLBACK)
    expected = Sentence(sentence.vi.format(**told), sentence.en.format(**told))
    location = ("body",) if error["type"] == "json_invalid" else error["loc"]
    code = error["type"] if error["type"] in EXPECTED else "value"
    return FieldError(pointer(_told_place(location)), code, expected)


def _told_place(location: Sequence[str | int]) -> tuple[str | int, ...]:
    """Cut a place off before a name that no field of ours has: what was sent as a name may be someone's own."""
    return tuple(takewhile(lambda part: isinstance(part, int) or FIELD_NAME.fullmatch(part), location))


def refuse_nul(place: str) -> InvalidInput:
    """Say that PostgreSQL's text, and so ours, holds no NUL."""
    return InvalidInput([FieldError(place, "nul", EXPECTED["nul"])])


class StrictRequest(Request):
    """A bounded request whose JSON is strict: no NaN, no lone surrogate, no NUL, no nesting beyond what a parser bears."""

    async def body(self) -> bytes:
        """Read the body once; raise `BodyTooLarge` as soon as it is known to be, announced or not."""
        if not hasattr(self, "_body"):
            announced = self.headers.get("content-length", "").lstrip("0")
            if announced.isdecimal() and (len(announced) > DIGITS or int(announced) > BODY_LIMIT):
                raise BodyTooLarge
            body = bytearray()
            async for chunk in self.stream():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise BodyTooLarge
            self._body = bytes(body)
        return self._body

    async def json(self) -> Any:
        """Parse the body once; raise `json.JSONDecodeError` without its content."""
        if not hasattr(self, "_json"):
            body = await self.body()
            if ESCAPED_NUL.search(body):
                raise refuse_nul("")
            try:
                self._json = from_json(body, allow_inf_nan=False)
            except ValueError as error:
                message = "not JSON"
                raise json.JSONDecodeError(message, "", 0) from error
        return self._json
