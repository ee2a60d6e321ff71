"""Requests of operators, each on an event that a service could not handle."""

from collections.abc import Callable

from sqlmodel import select

from deploy.postgres import SERVICES
from shared.bus import Record
from shared.ids import new_id
from shared.letters.model import DeadLetter
from tests.access.world import Call, World
from tests.shared.faults.poison import POISON

Make = Callable[[World, str], Call]


def letter(world: World, service: str) -> str:
    """Bring a service what it cannot read; return the letter's id."""
    key = str(new_id())
    sound = Record("elsewhere.events", key, (("ce_specversion", b"1.0"),), b"{}")
    world.house.inbox(service).accept(POISON["no id"](sound), 0)
    with world.house.session(service) as session:
        return str(session.exec(select(DeadLetter.id).where(DeadLetter.key == key)).one())


def _requests(service: str) -> dict[str, Make]:
    root = f"/{service}/v1/dead-letters"

    def listed(path: str) -> Make:
        def make(world: World, _desk: str) -> Call:
            return Call(path, row=letter(world, service))

        return make

    def on_one(act: str, body: object = None) -> Make:
        return lambda world, _desk: Call(f"{root}/{letter(world, service)}{act}", body)

    return {
        f"GET {root}": listed(root),
        f"GET {root}/{{letter_id}}": on_one(""),
        f"GET /{service}/v1/parked-keys": listed(f"/{service}/v1/parked-keys"),
        f"POST {root}/{{letter_id}}/replay": on_one("/replay"),
        f"POST {root}/{{letter_id}}/discard": on_one("/discard", {"reason": "foreign"}),
    }


LETTERS: dict[str, Make] = {name: make for service in SERVICES for name, make in _requests(service).items()}
