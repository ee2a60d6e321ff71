"""Lists by keyset: newest first by a bigint, with a signed cursor that is bound to the operation, its filters and its reader."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, Generic, TypeVar, cast
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BaseModel, BeforeValidator
from sqlalchemy import BigInteger, BindParameter, bindparam
from sqlmodel import Session, col
from sqlmodel.sql.expression import SelectOfScalar

from shared.errors import InvalidInput
from shared.runtime import act_of, runtime_of

PAGE_SIZE = 20
PAGE_LIMIT = 100
SEQ_BYTES = 8
MAC_BYTES = 16
BEFORE: BindParameter[int] = bindparam("page_begins_before", type_=BigInteger)

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
        kind, columns, names = _layout(seq, item)
        rows, following = self.columns(session, select, seq, *columns)
        items = [dict(zip(names, row, strict=True)) for row in rows]
        return kind.model_validate({"items": items, "next": following})

    def columns(
        self,
        session: Session,
        select: SelectOfScalar[Any],
        seq: Any,
        *columns: Any,
        values: Mapping[str, Any] | None = None,
    ) -> tuple[Sequence[Any], str | None]:
        """Return one page of `select`, of its rows these columns alone, and the address of the next page.

        `values` are those of the parameters that the select names.
        """
        shown = _part(select, seq, self.before, self.limit, columns)
        rows = session.connection().execute(shown, {**(values or {}), **self._place(session)})
        return self._cut(session, rows.all(), seq)

    def rows(
        self, session: Session, select: SelectOfScalar[RowT], seq: Any, *, values: Mapping[str, Any] | None = None
    ) -> tuple[Sequence[RowT], str | None]:
        """Return one page of `select`, newest first by the column `seq`, and the address of the next page."""
        part = _part(select, seq, self.before, self.limit)
        rows = session.exec(part, params={**(values or {}), **self._place(session)})
        return self._cut(session, rows.all(), seq)

    @property
    def before(self) -> BindParameter[int] | None:
        """The parameter that stands for the place in the list before which this page begins; None for the first page."""
        return None if self.cursor is None else BEFORE

    def _place(self, session: Session) -> dict[str, int]:
        return {} if self.cursor is None else {BEFORE.key: self._opened(session, self.cursor)}

    def _cut(self, session: Session, rows: Sequence[RowT], seq: Any) -> tuple[Sequence[RowT], str | None]:
        """Return the rows of this page, and the address of the next."""
        if len(rows) <= self.limit:
            return rows, None
        return rows[: self.limit], self._next(session, getattr(rows[self.limit - 1], seq.key))

    def _next(self, session: Session, seq: int) -> str:
        raw = seq.to_bytes(SEQ_BYTES, signed=True)
        mac = runtime_of(session).vault.mac("cursor", *self._bound_to(session, raw))
        cursor = base64.urlsafe_b64encode(raw + mac[:MAC_BYTES]).rstrip(b"=").decode()
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
        macs = runtime_of(session).vault.macs("cursor", *self._bound_to(session, raw))
        return [mac[:MAC_BYTES] for mac in macs]

    def _bound_to(self, session: Session, raw: bytes) -> tuple[bytes, ...]:
        act = act_of(session)
        filters = urlencode([pair for pair in self._filters if pair[0] != "limit"]).encode()
        return raw, act.actor.encode(), act.operation.encode(), self._path.encode(), filters, self._body


@lru_cache(256)
def _part(
    select: SelectOfScalar[Any], seq: Any, before: Any, limit: int, columns: tuple[Any, ...] = ()
) -> SelectOfScalar[Any]:
    """Narrow a select to one page of its rows, or of some columns of them, and the first row of the next.

    A select that is kept (`shared.access.kept`) is narrowed once: to put the same together anew is a tenth of a list.
    """
    if before is not None:
        select = select.where(col(seq) < before)
    if columns:
        select = cast("SelectOfScalar[Any]", select.with_only_columns(seq, *columns))
    return select.order_by(col(seq).desc()).limit(limit + 1)


@cache
def _layout(seq: Any, item: type[BaseModel]) -> tuple[type[Page[Any]], list[Any], list[str]]:
    """Return the page of a model, the columns of the table of `seq` that it shows, and the names of what is read of a row."""
    names = [name for name in item.model_fields if name != seq.key]
    columns = [seq.expression.table.c[name] for name in names]
    return Page[item], columns, [seq.key, *names]  # type: ignore[valid-type]


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
