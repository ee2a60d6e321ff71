"""What the registry reads from its environment."""

from pydantic_settings import SettingsConfigDict

from shared.settings import PeopleSettings


class Settings(PeopleSettings):
    """`REGISTRY_…` for its own, plain names for what all services share."""

    model_config = SettingsConfigDict(env_prefix="REGISTRY_")
