"""A name server under the test's control."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult


class Says(AbstractResolver):
    """Answers the first question with the first list of addresses, and so on; the last list stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.closed = False

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=ip, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
            for ip in answer
        ]

    async def close(self) -> None:
        self.closed = True
