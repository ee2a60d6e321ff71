"""What referral reads from its environment."""

from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """`REFERRAL_…` for its own, plain names for what all services share; no key for people, since it holds none."""

    model_config = SettingsConfigDict(env_prefix="REFERRAL_")
