"""Who may do what on the bus: a service writes to its own topic alone, and reads what it handles, in its own group.

`python -m deploy.kafka.access` makes the topics and gives these rights; it may run again whenever it is wanted. It reads
KAFKA_BOOTSTRAP and KAFKA_ADMIN_PASSWORD.
"""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from importlib import import_module

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from deploy.topology import KAFKA_ADMIN_SETTING, SERVICES
from shared.bus.kafka_brokers import Brokers
from shared.bus.kafka_topics import ensure_topics
from shared.events import topic_of

ADMIN = "admin"
"""The one user that needs no right to be given; the broker itself, and this module."""
PASSWORD_FORM = re.compile("[A-Za-z0-9_-]{32,}")
"""Passwords become part of a line of properties."""
LITERAL, ALLOW = 3, 3
"""Kafka's codes of a resource that is named exactly, and of a right that allows."""
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class Resource(IntEnum):
    """Kafka's codes of what a right is about."""

    TOPIC = 2
    GROUP = 3


class Operation(IntEnum):
    """Kafka's codes of what may be done; both let the resource be seen as well."""

    READ = 3
    WRITE = 4


@dataclass(frozen=True, slots=True)
class Right:
    """One right of one user."""

    user: str
    operation: Operation
    resource: Resource
    name: str


class RightRefused(Exception):
    """The broker did not give a right; the message names it and the reason."""


def rights() -> Iterator[Right]:
    """Yield every right there is: whatever is not here is refused."""
    for service in SERVICES:
        handlers = import_module(f"services.{service.name}.handlers").HANDLERS
        yield Right(service.name, Operation.WRITE, Resource.TOPIC, topic_of(service.name))
        yield Right(service.name, Operation.READ, Resource.GROUP, service.name)
        for topic in sorted({topic_of(event.producer()) for event in handlers}):
            yield Right(service.name, Operation.READ, Resource.TOPIC, topic)


async def grant(brokers: Brokers) -> None:
    """Make the topics and give every right, as the administrator; raise `RightRefused` or what Kafka's client raises."""
    await ensure_topics(brokers, [topic_of(service.name) for service in SERVICES])
    client = AIOKafkaClient(**brokers.options)
    try:
        await client.bootstrap()
        for right in rights():
            await _give(client, right)
    finally:
        await client.close()


async def _give(client: AIOKafkaClient, right: Right) -> None:
    place = (right.resource, right.name, LITERAL)
    request = CreateAclsRequest(*place, f"User:{right.user}", "*", right.operation, ALLOW)
    [(code, _)] = (await client.send(client.get_random_node(), request)).creation_responses
    if code:
        message = f"{right.user} may not {right.operation.name} {right.name}: {for_code(code).__name__}"
        raise RightRefused(message)


def properties(passwords: Mapping[str, str]) -> dict[str, str]:
    """Return the broker's listeners and logins for these users; without any, everyone may do everything."""
    if not passwords:
        return {"protocol": "PLAINTEXT", "access": ""}
    if bad := [user for user, password in passwords.items() if not PASSWORD_FORM.fullmatch(password)]:
        message = f"passwords of Kafka are 32 letters, digits, - or _ at least; not so: {', '.join(bad)}"
        raise ValueError(message)
    users = " ".join(f'user_{user}="{password}"' for user, password in passwords.items())
    login = f'{_LOGIN} username="{ADMIN}" password="{passwords[ADMIN]}" {users};'
    lines = [
        "sasl.enabled.mechanisms=PLAIN",
        "sasl.mechanism.inter.broker.protocol=PLAIN",
        "sasl.mechanism.controller.protocol=PLAIN",
        f"listener.name.clients.plain.sasl.jaas.config={login}",
        f"listener.name.controller.plain.sasl.jaas.config={login}",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found=false",
        f"super.users=User:{ADMIN}",
    ]
    return {"protocol": "SASL_PLAINTEXT", "access": "\n".join(lines)}


def main() -> None:
    """Give the rights; a missing setting is told by its name."""
    missing = [name for name in ("KAFKA_BOOTSTRAP", KAFKA_ADMIN_SETTING) if not os.environ.get(name)]
    if missing:
        message = f"missing in the environment: {', '.join(missing)}"
        raise SystemExit(message)
    asyncio.run(grant(Brokers(os.environ["KAFKA_BOOTSTRAP"], ADMIN, os.environ[KAFKA_ADMIN_SETTING])))
    print(f"rights given: {len(list(rights()))}")


if __name__ == "__main__":
    main()
