"""The replay loop: what operators asked for, brought to the inbox line by line; a line stops at its first failure."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine, String, cast, func, select
from sqlalchemy.exc import SQLAlchemyError

from shared.letters.model import LetterState
from shared.logging import get_logger, where
from shared.pausing import pause
from shared.tables import dead_letter

IDLE_SECONDS = 1.0

log = get_logger("letters")


class Replayer:
    """Replays what is due at one service; several of them share the work, and never the same line at once."""

    def __init__(self, engine: Engine, replay: Callable[[int], bool], *, idle: float = IDLE_SECONDS) -> None:
        self._engine = engine
        self._replay = replay
        self._idle = idle

    async def run(self, stop: asyncio.Event) -> None:
        """Replay until `stop` is set, then finish the letter in hand; a lost database is waited for."""
        while not stop.is_set():
            handled = await asyncio.to_thread(self.replay_heads, stop)
            if not handled:
                await pause(stop, self._idle)

    def replay_heads(self, stop: asyncio.Event) -> int:
        """Replay the first letter of each line that is due; return how many were settled.

        A letter whose transaction fails stays due, and holds up no other line.
        """
        try:
            heads = self._heads()
        except SQLAlchemyError as error:
            log.warning("replay_database_away", error=where(error))
            return 0
        return sum(self._settled(seq) for seq in heads if not stop.is_set())

    def _heads(self) -> list[int]:
        due = select(func.min(dead_letter.c.id)).where(dead_letter.c.state == LetterState.DUE)
        # Letters without a key stand in no line: each is a head.
        line = func.coalesce(dead_letter.c.key, cast(dead_letter.c.id, String))
        with self._engine.connect() as connection:
            return list(connection.execute(due.group_by(dead_letter.c.topic, line)).scalars())

    def _settled(self, seq: int) -> bool:
        try:
            return self._replay(seq)
        except Exception as error:  # noqa: BLE001 - whatever broke, other lines must go on
            log.warning("replay_interrupted", error=where(error))
            return False
