"""A Keycloak behind a gateway that stands for the tests of one module, and the services that trust it."""

import os
from collections.abc import Iterator

import pytest

from deploy.gateway import Gateway, GatewayError, find_nginx
from deploy.identity import keycloak as part
from deploy.postgres import Server
from deploy.topology import IDENTITY, LOOPBACK
from tests.deploy.gateway_upstreams import with_doors_of_compose
from tests.harness import free_port
from tests.requirements import missing
from tests.system.keycloak_world import ADMIN_PORT, GATEWAY_PORT, Identity, TrustingHouse, keycloak


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    try:
        find_nginx()
        part.install(part.STATE)
    except (GatewayError, part.KeycloakError) as error:
        missing(f"Keycloak is not tested: {error}")
    folder = tmp_path_factory.mktemp("keycloak")
    server = keycloak(part.STATE, folder / "server")
    behind = {IDENTITY: f"{LOOPBACK}:{server.port}"}
    gateway = with_doors_of_compose(Gateway(folder / "gateway", GATEWAY_PORT, behind), ADMIN_PORT)
    with gateway, server as running:
        signing = Identity(running)
        yield signing
        signing.close()


@pytest.fixture(scope="module")
def hotline_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def trusting(server: Server, identity: Identity, hotline_port: int) -> Iterator[TrustingHouse]:
    house = TrustingHouse(server, "", f"keycloak{os.getpid()}")
    house.keycloak = identity.server
    house.addresses = {"hotline_url": f"http://127.0.0.1:{hotline_port}"}
    yield house
    house.close()
