"""Settings, typed and read from the environment or from files; no secret has a default."""

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

KEY_BYTES = 32
SECRET_LENGTH = 32


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
    if len(key) != KEY_BYTES:
        message = "expected 32 random bytes in base64, as `openssl rand -base64 32` prints them"
        raise ValueError(message)
    return key


def parse_keys(secret: SecretStr) -> dict[str, bytes]:
    """Decode `k2:<base64>,k1:<base64>`: key ids with their keys, the current one first."""
    keys: dict[str, bytes] = {}
    for part in secret.get_secret_value().split(","):
        name, colon, text = part.strip().partition(":")
        if not (colon and name.isalnum()):
            message = "expected `<key id>:<base64 of 32 bytes>`, several parted by commas, the current one first"
            raise ValueError(message)
        keys[name] = parse_key(text)
    return keys


def _checked_keys(secret: SecretStr) -> SecretStr:
    parse_keys(secret)
    return secret


def _checked_key(secret: SecretStr) -> SecretStr:
    parse_key(secret.get_secret_value())
    return secret


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < SECRET_LENGTH:
        message = f"expected at least {SECRET_LENGTH} characters"
        raise ValueError(message)
    return secret


Keys = Annotated[SecretStr, AfterValidator(_checked_keys)]
"""Key ids with base64 keys, the current one first: `k2:…,k1:…`."""
Key = Annotated[SecretStr, AfterValidator(_checked_key)]
"""One base64 key of 32 bytes."""
ClientSecret = Annotated[SecretStr, AfterValidator(_long_enough)]


class ServiceSettings(BaseSettings):
    """What every service reads; each adds its own prefix, such as `INTAKE_`, for what is its own."""

    model_config = SettingsConfigDict(populate_by_name=True, extra="ignore")

    env: Environment = Field(Environment.PRODUCTION, validation_alias="ENV")
    public_url: str = Field(validation_alias="PUBLIC_URL", pattern=r"^https?://[^/]+$")
    """Where callers reach the gateway; links in answers and webhooks start with it."""
    kafka_bootstrap: str | None = Field(None, validation_alias="KAFKA_BOOTSTRAP")
    """Unset: the embedded carrier, for one process alone."""
    oidc_issuer: str = Field(validation_alias="OIDC_ISSUER")
    oidc_jwks_url: str = Field(validation_alias="OIDC_JWKS_URL")
    oidc_token_url: str = Field(validation_alias="OIDC_TOKEN_URL")
    trusted_proxies: str = Field("", validation_alias="TRUSTED_PROXIES")
    """Addresses of the gateway, parted by commas: `X-Forwarded-For` counts only from them."""
    intake_url: str | None = Field(None, validation_alias="INTAKE_URL")
    hotline_url: str | None = Field(None, validation_alias="HOTLINE_URL")
    referral_url: str | None = Field(None, validation_alias="REFERRAL_URL")
    registry_url: str | None = Field(None, validation_alias="REGISTRY_URL")

    database_url: SecretStr
    service_keys: Keys
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
    """What a service reads beside, if it holds people: its own search key, and the link key it shares with the others."""

    search_key: Key
    link_keys: Keys = Field(validation_alias="LINK_KEYS")
