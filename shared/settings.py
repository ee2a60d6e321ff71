"""Settings, typed and read from the environment or from files; no secret has a default."""

import base64
import binascii
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

KEY_BYTES = 32
SECRET_LENGTH = 32
DISTINCT = 8
"""Fewest different bytes of a real key or secret: 32 random bytes have fewer once in more than 10^30 times."""
PLACEHOLDER = re.compile(r"change.?me|replace.?me|example|placeholder|secret.?here|<.*>", re.IGNORECASE)


class SettingsError(Exception):
    """What is wrong with the environment, variable by variable; never a value."""


class Environment(StrEnum):
    """Where this process runs; only development may use generated keys, the built-in issuer and loopback webhooks."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


def parse_key(text: str) -> bytes:
    """Decode one base64 key of 32 bytes; raise `ValueError` without showing it."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES or len(set(key)) < DISTINCT:
        message = "expected 32 random bytes in base64, as `openssl rand -base64 32` prints them"
        raise ValueError(message)
    return key


def parse_keys(secret: SecretStr) -> dict[str, bytes]:
    """Decode `k2:<base64>,k1:<base64>`: key ids with their keys, the current one first."""
    keys: dict[str, bytes] = {}
    for part in secret.get_secret_value().split(","):
        name, colon, text = part.strip().partition(":")
        if not (colon and name.isalnum() and name.isascii()) or name in keys:
            message = "expected `<key id>:<base64 of 32 bytes>`, several parted by commas, the current one first"
            raise ValueError(message)
        keys[name] = parse_key(text)
    return keys


def _checked_keys(secret: SecretStr) -> SecretStr:
    parse_keys(secret)
    return secret


def _real_secret(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if len(text) < SECRET_LENGTH or len(set(text)) < DISTINCT or PLACEHOLDER.search(text):
        message = f"expected at least {SECRET_LENGTH} random characters, as `openssl rand -hex 32` prints them"
        raise ValueError(message)
    return secret


Keys = Annotated[SecretStr, AfterValidator(_checked_keys)]
"""Key ids with base64 keys, the current one first: `k2:…,k1:…`."""
ClientSecret = Annotated[SecretStr, AfterValidator(_real_secret)]


class HouseSettings(BaseSettings):
    """Settings that say what is wrong with them by the names of their variables, and never show a value."""

    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore", env_ignore_empty=True)

    def __init__(self, **values: Any) -> None:
        """Read the environment, then the files of the folder `SECRETS_DIR`, each named like its variable.

        Raises `SettingsError`.
        """
        folder = os.environ.get("SECRETS_DIR") or None
        if folder is not None and not Path(folder).is_dir():
            raise SettingsError("SECRETS_DIR: expected a folder whose files are named like the variables they hold")
        try:
            super().__init__(_secrets_dir=folder, **values)
        except ValidationError as error:
            raise SettingsError(self._told(error)) from None

    @classmethod
    def _told(cls, error: ValidationError) -> str:
        """Name each variable with what was expected of it; pydantic's own text quotes the rejected value."""
        return "; ".join(f"{cls._variable(problem['loc'])}: {problem['msg']}" for problem in error.errors())

    @classmethod
    def _variable(cls, location: tuple[int | str, ...]) -> str:
        if not location:
            return "settings"
        field = cls.model_fields.get(str(location[0]))
        prefixed = field is not None and field.validation_alias is None
        name = f"{cls.model_config.get('env_prefix') or ''}{location[0]}" if prefixed else str(location[0])
        return name.upper()


class ServiceSettings(HouseSettings):
    """What every service reads; each adds its own prefix, such as `INTAKE_`, for what is its own."""

    env: Environment = Field(Environment.PRODUCTION, validation_alias="ENV")
    public_url: str = Field(validation_alias="PUBLIC_URL", pattern=r"^https?://[^/]+$")
    """Where callers reach the gateway; links in answers and webhooks start with it."""
    kafka_bootstrap: str | None = Field(None, validation_alias="KAFKA_BOOTSTRAP")
    """Unset: the embedded carrier, for one process alone."""
    oidc_issuer: str = Field(validation_alias="OIDC_ISSUER")
    oidc_jwks_url: str = Field(validation_alias="OIDC_JWKS_URL")
    oidc_token_url: str = Field(validation_alias="OIDC_TOKEN_URL")
    ledger_dir: Path | None = Field(None, validation_alias="LEDGER_DIR")
    """The folder of the ledgers of erasures, on another disk than the database; unset, none is kept."""
    trusted_proxies: str = Field("", validation_alias="TRUSTED_PROXIES")
    """Addresses of the gateway, parted by commas: `X-Forwarded-For` counts only from them."""
    otlp_endpoint: str | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", pattern=r"^https?://")
    """Where traces are sent (OTLP over HTTP); unset: nothing is traced."""
    trace_ratio: float = Field(0.1, validation_alias="OTEL_TRACES_SAMPLER_ARG", ge=0, le=1)
    """Share of the traces that are kept; who follows a kept one is kept with it."""
    intake_url: str | None = Field(None, validation_alias="INTAKE_URL")
    hotline_url: str | None = Field(None, validation_alias="HOTLINE_URL")
    referral_url: str | None = Field(None, validation_alias="REFERRAL_URL")
    registry_url: str | None = Field(None, validation_alias="REGISTRY_URL")

    database_url: SecretStr
    service_keys: Keys
    audit_keys: Keys | None = None
    """Seals the audit trail; given to the worker alone, which does not start without."""
    kafka_password: ClientSecret | None = None
    """The service's own at the brokers; given to the worker alone, which in production does not start without."""
    client_secret: ClientSecret

    @property
    def development(self) -> bool:
        """Whether the laxer rules of a laptop apply."""
        return self.env is Environment.DEVELOPMENT

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if not self.development and self.oidc_issuer.startswith("urn:baoho:identity:development"):
            message = "the development issuer is refused outside ENV=development: set OIDC_ISSUER to your provider"
            raise ValueError(message)
        return self

    def address_of(self, service: str) -> str:
        """Return the internal base URL of another service."""
        url: str | None = getattr(self, f"{service}_url")
        return (url or self.public_url).rstrip("/")


class PeopleSettings(ServiceSettings):
    """What a service reads beside, if it holds people: its own search keys, and the link keys it shares with the others."""

    search_keys: Keys
    link_keys: Keys = Field(validation_alias="LINK_KEYS")


class AuditSettings(HouseSettings):
    """What it takes to verify a service's audit trail."""

    database_url: SecretStr
    audit_keys: Keys


def audit_settings(service: str) -> AuditSettings:
    """Read them for one service; raises `SettingsError`."""

    class Settings(AuditSettings):
        model_config = SettingsConfigDict(env_prefix=f"{service.upper()}_")

    return Settings()
