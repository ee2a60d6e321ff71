"""Bounds how much of an answer is so much as looked at."""

from aiohttp import ClientPayloadError
from aiohttp.client_proto import ResponseHandler

MOST_BYTES = 64 * 1024


class AnswerTooLongError(ClientPayloadError):
    """The receiver sent more than is read of any answer."""


class BoundedAnswer(ResponseHandler):
    """Reads 64 KiB of one answer, all in all, and then breaks the connection.

    aiohttp bounds each header and how many there are, but takes `100 Continue` and chunk extensions without end: five
    receivers that send nothing else keep the event loop busy by half a second at a time, and the deadline late.
    """

    _received = 0

    def data_received(self, data: bytes) -> None:
        """Hand on what is within the bound."""
        within = data[: max(MOST_BYTES - self._received, 0)]
        self._received += len(data)
        super().data_received(within)
        if len(within) < len(data):
            self._break_off()

    def _break_off(self) -> None:
        error = AnswerTooLongError("the answer is longer than what is read of one")
        body = self._payload
        self.abort()  # It forgets exceptions and the body, so it comes first.
        self.set_exception(error)
        if body is not None:
            body.set_exception(error)
