"""Lists by keyset: newest first by a bigint, with a signed cursor that is bound to the operation, its filters and its reader."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BaseModel, BeforeValidator
from sqlmodel import Session, col
from sqlmodel.sql.expression import SelectOfScalar

from shared.errors import InvalidInput
from shared.runtime import act_of, runtime_of

PAGE_SIZE = 20
PAGE_LIMIT = 100
SEQ_BYTES = 8
MAC_BYTES = 16

ItemT = TypeVar("ItemT", bound=BaseModel)
RowT = TypeVar("RowT")


class Page(BaseModel, Generic[ItemT]):
    """One page of a list; `next` is the address of the page after it, or null at the end."""

    items: list[ItemT]
    next: str | None


class PageRequest:
    """Where a list is to go on, and by how much."""

    def __init__(self, request: Request, limit: int, cursor: str | None) -> None:
        self.limit = limit
        self.cursor = cursor
        self._path = request.url.path
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        self._filters = sorted(pairs)
        self._body: bytes = getattr(request, "_body", b"")

    def page(self, session: Session, select: SelectOfScalar[Any], seq: Any, item: type[ItemT]) -> Page[ItemT]:
        """Return one page of `select` as `item` shows it, newest first by the column `seq`: of a row nothing else is read."""
        rows, following = self.columns(session, select, seq, *_columns(seq, item))
        return Page(items=[item.model_validate(row) for row in rows], next=following)

    def columns(
        self, session: Session, select: SelectOfScalar[Any], seq: Any, *columns: Any
    ) -> tuple[Sequence[Any], str | None]:
        """Return one page of `select`, of its rows these columns alone, and the address of the next page."""
        shown = self._part(session, select, seq).with_only_columns(seq, *columns)
        return self._cut(session, session.connection().execute(shown).all(), seq)

    def rows(self, session: Session, select: SelectOfScalar[RowT], seq: Any) -> tuple[Sequence[RowT], str | None]:
        """Return one page of `select`, newest first by the column `seq`, and the address of the next page."""
        return self._cut(session, session.exec(self._part(session, select, seq)).all(), seq)

    def before(self, session: Session) -> int | None:
        """Return the place in the list before which this page begins; None for the first page."""
        return None if self.cursor is None else self._opened(session, self.cursor)

    def _part(self, session: Session, select: SelectOfScalar[RowT], seq: Any) -> SelectOfScalar[RowT]:
        """Narrow a select to this page, and the first row of the next."""
        before = self.before(session)
        if before is not None:
            select = select.where(col(seq) < before)
        return select.order_by(col(seq).desc()).limit(self.limit + 1)

    def _cut(self, session: Session, rows: Sequence[RowT], seq: Any) -> tuple[Sequence[RowT], str | None]:
        """Return the rows of this page, and the address of the next."""
        if len(rows) <= self.limit:
            return rows, None
        return rows[: self.limit], self._next(session, getattr(rows[self.limit - 1], seq.key))

    def _next(self, session: Session, seq: int) -> str:
        raw = seq.to_bytes(SEQ_BYTES, signed=True)
        cursor = base64.urlsafe_b64encode(raw + self._macs(session, raw)[0]).rstrip(b"=").decode()
        query = urlencode([*self._filters, ("cursor", cursor)])
        return f"{runtime_of(session).settings.public_url}{self._path}?{query}"

    def _opened(self, session: Session, cursor: str) -> int:
        try:
            blob = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            blob = b""
        raw, mac = blob[:SEQ_BYTES], blob[SEQ_BYTES:]
        if len(raw) != SEQ_BYTES or not any(hmac.compare_digest(mac, ours) for ours in self._macs(session, raw)):
            raise InvalidInput.at(
                "/query/cursor",
                "cursor",
                "con trỏ lấy nguyên từ `next` của trang trước, cùng bộ lọc",
                "the cursor from `next` of the page before, with the same filters",
            )
        return int.from_bytes(raw, signed=True)

    def _macs(self, session: Session, raw: bytes) -> list[bytes]:
        act = act_of(session)
        filters = urlencode([pair for pair in self._filters if pair[0] != "limit"]).encode()
        parts = (raw, act.actor.encode(), act.operation.encode(), self._path.encode(), filters, self._body)
        return [mac[:MAC_BYTES] for mac in runtime_of(session).vault.macs("cursor", *parts)]


@cache
def _columns(seq: Any, item: type[BaseModel]) -> list[Any]:
    """Return the columns of the table of `seq` that a model shows."""
    return [seq.expression.table.c[name] for name in item.model_fields if name != seq.key]


async def page_request(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="Items on a page.")] = PAGE_SIZE,
    cursor: Annotated[str | None, Query(max_length=64, description="From `next` of the page before.")] = None,
) -> PageRequest:
    """Read from the query which page is asked for."""
    return PageRequest(request, limit, cursor)


Paging = Annotated[PageRequest, Depends(page_request)]


def _split(value: object) -> object:
    """Take `?status=a,b` and `?status=a&status=b` alike. An empty part stays, to be refused: `?status=` asks for nothing."""
    texts = value if isinstance(value, list) else [value]
    return [part for text in texts for part in str(text).split(",")]


SEVERAL = BeforeValidator(_split)
"""Of a filter that takes several values: `Annotated[list[CaseStatus] | None, SEVERAL, Query()]`."""
