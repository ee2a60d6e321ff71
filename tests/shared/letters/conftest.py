"""The real broker, shared with the tests of the Kafka carrier."""

from tests.shared.bus.conftest import broker

__all__ = ["broker"]
