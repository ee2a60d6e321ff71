"""A connection that spares journeys: BEGIN travels with the first statement to hold anything, what is written last with COMMIT.

A journey to the server and back costs more than most statements do. Left alone, the driver makes one for BEGIN and one for
COMMIT, and a pool one more beforehand, to ask whether the server is still there.
"""

import re
import select
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from typing import Any, Self, cast

import psycopg
from psycopg import IsolationLevel
from psycopg.abc import Params, PQGen
from psycopg.generators import send
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

COMMIT = "COMMIT"
LASTING = re.compile(
    r"(?!SELECT\b|WITH\b)|.*\b(INSERT|UPDATE|DELETE|MERGE|SHARE|INTO|set_config|pg_\w+)\b", re.DOTALL | re.IGNORECASE
)
"""What may leave something behind for the rest of a transaction: all but a SELECT that locks nothing and calls no function
of the server's own, such as the advisory locks."""
UNTOLD = (None,) * 5
"""What PEP 249 lets a column leave untold: sizes, precision, and whether it may be null."""
Statement = tuple[str, dict[str, Any]]
"""SQL as the driver takes it, and its parameters by name."""


class Connection(psycopg.Connection[TupleRow]):
    """A connection of a pool. To the driver it commits each statement; when a transaction begins, it says itself."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.last: list[Statement] = []
        """What is to be executed with the next COMMIT; a rollback forgets it."""
        self.cursor_factory = Cursor
        self.server_cursor_factory = Portal
        self._each_alone = False

    @classmethod
    def open(cls, *arguments: Any, **parameters: Any) -> Self:
        """Connect."""
        return cls.connect(*arguments, autocommit=True, **parameters)

    @property
    def autocommit(self) -> bool:
        """Whether each statement is a transaction of its own."""
        return self._each_alone

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        self._each_alone = value

    @property
    def must_begin(self) -> bool:
        """Whether the next statement opens a transaction."""
        return not self._each_alone and self.pgconn.transaction_status == TransactionStatus.IDLE

    @property
    def sees_what_is_committed(self) -> bool:
        """Whether a transaction would read as its statements do alone: neither level nor READ ONLY was asked for."""
        return self.isolation_level in (None, IsolationLevel.READ_COMMITTED) and not self.read_only

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what is executed within the block at once, and wait for all of it at its end."""
        self._pipeline = self._pipeline or Journey(self)
        with self.pipeline():
            if self.must_begin:
                psycopg.Cursor(self).execute(self._begin(), prepare=False)
            yield

    def commit(self) -> None:
        """Execute what was left for the end, and commit, in one journey; raise what stands against either."""
        last, self.last = self.last, []
        if not last:
            super().commit()
            return
        if len(last) == 1 and self.must_begin and self.sees_what_is_committed:
            # All there is of this transaction: the server makes one of each statement by itself.
            psycopg.Cursor(self).execute(*last[0])
            return
        try:
            with self.together():
                for statement in last:
                    self.execute(*statement)
                self.execute(COMMIT, prepare=False)
        except psycopg.Error:
            # As where COMMIT itself is refused: the transaction is over, and whoever asked need not undo it.
            with suppress(psycopg.Error):
                super().rollback()
            raise

    def rollback(self) -> None:
        """Undo the transaction."""
        self.last = []
        super().rollback()

    def is_silent(self) -> bool:
        """Say whether nothing waits to be read: a server that ended this session has said so, and closed it."""
        if self.closed:
            return False
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        return not poll.poll(0)

    def _begin(self) -> bytes:
        level = f" ISOLATION LEVEL {self.isolation_level.name.replace('_', ' ')}" if self.isolation_level else ""
        return f"BEGIN{level}{' READ ONLY' if self.read_only else ''}".encode()


class Journey(psycopg.Pipeline):
    """Statements that travel together. The driver's own pipeline sends each as it comes, and each send wakes the server."""

    def _communicate_gen(self) -> PQGen[None]:
        """Give the statements to libpq, which keeps them until the first answer is wanted."""
        while self.command_queue:
            self.command_queue.popleft()()
        yield from ()

    def _fetch_gen(self, *, flush: bool) -> PQGen[None]:
        yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> PQGen[None]:
        yield from self._sync_gen()


class Columns(Sequence[Any]):
    """The columns of an answer, told when they are asked for: whoever knows a statement asks once, and then no more."""

    def __init__(self, result: PGresult) -> None:
        self._result = result

    def __len__(self) -> int:
        return self._result.nfields

    def __getitem__(self, place: Any) -> Any:
        return list(self)[place]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        result = self._result
        return iter([(_text(result.fname(n)), result.ftype(n), *UNTOLD) for n in range(result.nfields)])


class Cursor(psycopg.Cursor[TupleRow]):
    """A cursor whose statement takes BEGIN along where it is the first that may leave something behind.

    At READ COMMITTED each statement sees what is committed when it begins: those that only read need no transaction.
    """

    @property
    def description(self) -> Any:
        """Name the columns and their types, as PEP 249 has it; the driver's own makes an object for each column."""
        result = self.pgresult
        return Columns(result) if result is not None and result.nfields else None

    def execute(self, query: Any, params: Params | None = None, **options: Any) -> Self:
        """Execute one statement."""
        if not _of(self).must_begin or (_of(self).sees_what_is_committed and _only_reads(query)):
            return super().execute(query, params, **options)
        with _of(self).together():
            return super().execute(query, params, **options)

    def executemany(self, query: Any, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """Execute one statement with several sets of parameters."""
        with _of(self).together():
            super().executemany(query, params_seq, returning=returning)


class Portal(psycopg.ServerCursor[TupleRow]):
    """A cursor that the server keeps: rows are read as they are wanted, within a transaction that has begun."""

    def execute(self, query: Any, params: Params | None = None, **options: Any) -> Self:
        """Begin to read."""
        if _of(self).must_begin:
            with _of(self).together():
                pass
        return super().execute(query, params, **options)


@lru_cache(256)
def _only_reads(query: Any) -> bool:
    return isinstance(query, str) and not LASTING.match(query)


@cache
def _text(name: bytes | None) -> str:
    return (name or b"").decode()


def _of(cursor: psycopg.Cursor[TupleRow]) -> Connection:
    return cast("Connection", cursor.connection)
