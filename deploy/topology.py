"""The one table of names, ports and paths that the stack, Docker Compose and the gateway agree on."""

from dataclasses import dataclass, replace

LOOPBACK = "127.0.0.1"

GATEWAY_PORT = 8080
GATEWAY_TLS_PORT = 8443
GATEWAY_ADMIN_PORT = 8444
"""Of the administrator's door in Compose, published on the host's loopback address only."""
GATEWAY_ADDRESS = "172.30.80.2"
"""The gateway's fixed address inside Compose: `X-Forwarded-For` counts from there only."""
POSTGRES_PORT = 15432
POSTGRES_COMPOSE_PORT = 5432
KAFKA_PORT = 19092
KAFKA_COMPOSE_PORT = 9092
KEYCLOAK_PORT = 8080

MIGRATE = ("-m", "deploy.migrate")
"""Brings every database up to date and ends; what follows `python` on the command line."""

KAFKA_ACCESS = ("-m", "deploy.kafka.access")
"""Makes the topics, gives each service its rights on them, and ends."""
KAFKA_ADMIN_SETTING = "KAFKA_ADMIN_PASSWORD"
"""Of the brokers' administrator; `KAFKA_ACCESS` and the brokers alone are given it."""

SHARED_SETTINGS = (
    "ENV",
    "PUBLIC_URL",
    "KAFKA_BOOTSTRAP",
    "OIDC_ISSUER",
    "OIDC_JWKS_URL",
    "OIDC_TOKEN_URL",
    "TRUSTED_PROXIES",
    "LEDGER_DIR",
    "INTAKE_URL",
    "HOTLINE_URL",
    "REFERRAL_URL",
    "REGISTRY_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER_ARG",
)
"""Environment variables that every process of a service reads."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its name in the stack and in Compose, what follows `python`, its port, its readiness path.

    What follows is `-m` and a module with a `main()`, which the stack calls in a fork (deploy/nursery.py).
    """

    name: str
    arguments: tuple[str, ...]
    port: int
    ready: str
    own_settings: tuple[str, ...] = ()
    """Environment variables that no other process is given."""


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its name (also its database and its path), a port for each process, and which keys it holds."""

    name: str
    api_port: int
    worker_port: int
    dispatcher_port: int | None = None
    knows_people: bool = True
    """Whether it searches names and links people between services, and so holds `SEARCH_KEYS` and `LINK_KEYS`."""

    @property
    def path(self) -> str:
        """The beginning of every address of this service, as the gateway routes it."""
        return f"/{self.name}/"

    @property
    def settings(self) -> tuple[str, ...]:
        """The environment variables that this service reads beside `SHARED_SETTINGS`."""
        prefix = self.name.upper()
        own = (f"{prefix}_DATABASE_URL", f"{prefix}_SERVICE_KEYS", f"{prefix}_CLIENT_SECRET")
        return (*own, f"{prefix}_SEARCH_KEYS", "LINK_KEYS") if self.knows_people else own

    @property
    def owner_setting(self) -> str:
        """The address of its database in the role that migrates; `MIGRATE` alone reads it."""
        return f"{self.name.upper()}_OWNER_DATABASE_URL"

    @property
    def audit_setting(self) -> str:
        """The keys that seal its audit trail; its worker alone, and whoever verifies the trail, are given them."""
        return f"{self.name.upper()}_AUDIT_KEYS"

    @property
    def bus_setting(self) -> str:
        """The password under its own name at the brokers; its worker alone publishes and consumes."""
        return f"{self.name.upper()}_KAFKA_PASSWORD"

    def api(self, host: str = LOOPBACK) -> Process:
        """Describe the HTTP process, listening at `host`."""
        arguments = (
            "-m",
            "shared.serve",
            f"services.{self.name}.app:create",
            "--host",
            host,
            "--port",
            str(self.api_port),
            "--one-processor",
        )
        return Process(self.name, arguments, self.api_port, f"{self.path}readyz")

    def worker(self, host: str = LOOPBACK) -> Process:
        """Describe the event process; at `host` it answers probes and scrapes only."""
        return replace(
            self._background("worker", host, self.worker_port), own_settings=(self.audit_setting, self.bus_setting)
        )

    def dispatcher(self, host: str = LOOPBACK) -> Process | None:
        """Describe the process that delivers webhooks, where there is one."""
        return self._background("dispatcher", host, self.dispatcher_port) if self.dispatcher_port else None

    def processes(self, host: str = LOOPBACK) -> tuple[Process, ...]:
        """Describe all processes, the HTTP one first, listening at `host`."""
        every = (self.api(host), self.worker(host), self.dispatcher(host))
        return tuple(process for process in every if process)

    def _background(self, role: str, host: str, port: int) -> Process:
        arguments = ("-m", f"services.{self.name}.{role}", "--host", host, "--port", str(port))
        return Process(f"{self.name}-{role}", arguments, port, "/readyz")


INTAKE = Service("intake", api_port=8101, worker_port=8111)
HOTLINE = Service("hotline", api_port=8102, worker_port=8112)
REFERRAL = Service("referral", api_port=8103, worker_port=8113, dispatcher_port=8123, knows_people=False)
REGISTRY = Service("registry", api_port=8104, worker_port=8114)
SERVICES = (INTAKE, HOTLINE, REFERRAL, REGISTRY)

IDENTITY = "identity"
"""The name and path of whoever gives the tokens: the development issuer in the stack, Keycloak in Compose."""
IDENTITY_PORT = 8105
ISSUER_PASSES = (".well-known", "token", "livez")
"""What the stack's gateway lets in of the development issuer's paths."""
KEYCLOAK_PASSES = (
    "realms/baoho/.well-known",
    "realms/baoho/protocol/openid-connect",
    "realms/baoho/login-actions",
    "realms/baoho/broker",
    "realms/baoho/account",
    "resources",
)
"""What the world may ask of Keycloak: to sign in to our realm, to keep one's account there, and what its pages load."""
KEYCLOAK_ADMIN_PASSES = ("admin", "realms/master", "resources")
"""What the administrator's door lets in."""
KEYCLOAK_SIGN_IN = tuple(
    f"{IDENTITY}/realms/{realm}/{path}"
    for realm in ("baoho", "master")
    for path in ("login-actions", "protocol/openid-connect/token")
)
"""Where passwords, codes and secrets are tried."""


def stack_upstreams() -> dict[str, str]:
    """Return what the stack's gateway routes: the name of each path, and host and port behind it."""
    ports = {service.name: service.api_port for service in SERVICES} | {IDENTITY: IDENTITY_PORT}
    return {name: f"{LOOPBACK}:{port}" for name, port in ports.items()}


def compose_upstreams() -> dict[str, str]:
    """Return the same for Compose, where containers are found by name."""
    services = {service.name: f"{service.name}:{service.api_port}" for service in SERVICES}
    return services | {IDENTITY: f"keycloak:{KEYCLOAK_PORT}"}
