"""Where the brokers are and who asks them: what every client of Kafka is given."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Brokers:
    """Addresses (`host:port`, several parted by commas), and a name with its password where the brokers ask for one."""

    address: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """Return what aiokafka's clients take; SASL/PLAIN, for networks that only we are in."""
        if self.username is None:
            return {"bootstrap_servers": self.address}
        return {
            "bootstrap_servers": self.address,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }


def brokers_at(place: str | Brokers) -> Brokers:
    """Return brokers that ask for no name when an address alone is given."""
    return Brokers(place) if isinstance(place, str) else place
