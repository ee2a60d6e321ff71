"""Settings name the variable that is wrong and never show what stands in it; production takes nothing of a laptop."""

import re
import secrets
import traceback
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from deploy.identity import ISSUER
from services.hotline.settings import Settings
from shared.settings import DISTINCT, SettingsError, parse_key, parse_keys
from tests.harness import new_key

CANARY = "Canary090123"
# Fixed, so that every run of these tests has the same names.
ONE_KEY = "7aJaQJj5BAsUEYwHBKWE6YctUXl230lY+VjwUl94X0o="
OTHER_KEY = "lN4N+e4/54XGsm6JdzTyis5EVjhwh3sO1r7Y9Wa7E+4="
ENVIRONMENT = {
    "PUBLIC_URL": "https://baoho.example.vn",
    "OIDC_ISSUER": "https://identity.example.vn/realms/baoho",
    "OIDC_JWKS_URL": "https://identity.example.vn/realms/baoho/certs",
    "OIDC_TOKEN_URL": "https://identity.example.vn/realms/baoho/token",
    "LINK_KEYS": f"k1:{new_key()}",
    "HOTLINE_DATABASE_URL": f"postgresql+psycopg://hotline_app:{CANARY}@127.0.0.1/hotline",
    "HOTLINE_SERVICE_KEYS": f"k2:{new_key()},k1:{new_key()}",
    "HOTLINE_CLIENT_SECRET": secrets.token_urlsafe(32),
    "HOTLINE_SEARCH_KEYS": f"k1:{new_key()}",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that has all a hotline in production needs."""
    for name in ("ENV", "SECRETS_DIR", "KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refusal() -> str:
    with pytest.raises(SettingsError) as refused:
        Settings()
    printed = "".join(traceback.format_exception(refused.value))
    assert CANARY not in printed
    assert not any(value in printed for value in ENVIRONMENT.values())
    return str(refused.value)


def test_a_whole_environment_is_taken_and_is_production_unless_it_says_otherwise() -> None:
    settings = Settings()

    assert not settings.development
    assert list(parse_keys(settings.service_keys)) == ["k2", "k1"]
    assert settings.address_of("intake") == "https://baoho.example.vn"


def test_no_secret_shows_where_settings_are_printed() -> None:
    shown = repr(Settings()) + str(Settings()) + str(Settings().model_dump())

    for name in ("LINK_KEYS", "HOTLINE_SERVICE_KEYS", "HOTLINE_CLIENT_SECRET", "HOTLINE_SEARCH_KEYS"):
        assert ENVIRONMENT[name] not in shown
    assert CANARY not in shown


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_variable_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)

    assert refusal().startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENV", CANARY),
        ("PUBLIC_URL", f"https://baoho.example.vn/{CANARY}"),
        ("HOTLINE_CLIENT_SECRET", CANARY),
        ("HOTLINE_CLIENT_SECRET", "change-me-" + CANARY * 3),
        ("HOTLINE_CLIENT_SECRET", "<secret of the hotline, " + CANARY * 3 + ">"),
        ("HOTLINE_CLIENT_SECRET", "x" * 64),
        ("HOTLINE_SEARCH_KEYS", CANARY),
        ("HOTLINE_SEARCH_KEYS", f"k1:{CANARY}!"),
        ("HOTLINE_SEARCH_KEYS", "k1:" + b64encode(CANARY.encode()).decode()),
        ("HOTLINE_SEARCH_KEYS", "k1:" + b64encode(bytes(32)).decode()),
        ("HOTLINE_SEARCH_KEYS", "k1:" + b64encode(bytes(range(31))).decode()),
        ("HOTLINE_SEARCH_KEYS", "k1:" + b64encode(bytes(range(33))).decode()),
        ("HOTLINE_SERVICE_KEYS", ONE_KEY),
        ("HOTLINE_SERVICE_KEYS", f"k1:{CANARY}"),
        ("HOTLINE_SERVICE_KEYS", f"{ONE_KEY}:k1"),
        ("HOTLINE_SERVICE_KEYS", f"k1:{ONE_KEY},k1:{OTHER_KEY}"),
        ("HOTLINE_SERVICE_KEYS", f"k1:{ONE_KEY},"),
        ("HOTLINE_SERVICE_KEYS", f"k 1:{ONE_KEY}"),
        ("HOTLINE_SERVICE_KEYS", "k1:"),
        ("LINK_KEYS", "change-me"),
    ],
)
def test_a_placeholder_or_a_bad_value_is_refused_by_its_variable_s_name_and_without_its_value(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)

    said = refusal()

    assert re.match(rf"{name}: \S", said)
    assert CANARY not in said
    assert value not in said
    assert not any(stands in said for stands in ENVIRONMENT.values())


def test_production_refuses_the_development_issuer_and_shows_no_setting(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OIDC_ISSUER", ISSUER)

    said = refusal()

    assert "OIDC_ISSUER" in said
    assert not any(stands in said for stands in ENVIRONMENT.values())


def test_development_takes_the_development_issuer(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OIDC_ISSUER", ISSUER)
    environment.setenv("ENV", "development")

    assert Settings().development


def test_secrets_are_read_from_files_named_like_their_variables(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HOTLINE_CLIENT_SECRET", "HOTLINE_SERVICE_KEYS", "LINK_KEYS", "HOTLINE_DATABASE_URL"):
        (tmp_path / name).write_text(ENVIRONMENT[name] + "\n", encoding="utf-8")
        environment.delenv(name)
    environment.setenv("SECRETS_DIR", str(tmp_path))

    settings = Settings()

    assert settings.client_secret.get_secret_value() == ENVIRONMENT["HOTLINE_CLIENT_SECRET"]
    assert settings.database_url.get_secret_value() == ENVIRONMENT["HOTLINE_DATABASE_URL"]
    assert list(parse_keys(settings.service_keys)) == ["k2", "k1"]


def test_the_environment_counts_before_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "HOTLINE_CLIENT_SECRET").write_text(secrets.token_urlsafe(32), encoding="utf-8")
    environment.setenv("SECRETS_DIR", str(tmp_path))

    assert Settings().client_secret.get_secret_value() == ENVIRONMENT["HOTLINE_CLIENT_SECRET"]


def test_a_bad_value_in_a_file_is_refused_by_name_and_without_its_value(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "HOTLINE_CLIENT_SECRET").write_text(CANARY, encoding="utf-8")
    environment.delenv("HOTLINE_CLIENT_SECRET")
    environment.setenv("SECRETS_DIR", str(tmp_path))

    said = refusal()

    assert said.startswith("HOTLINE_CLIENT_SECRET: ")
    assert CANARY not in said


def test_a_folder_of_secrets_that_is_not_there_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("SECRETS_DIR", str(tmp_path / "nowhere"))

    assert refusal().startswith("SECRETS_DIR: ")


def test_another_service_is_reached_at_its_own_address_where_there_is_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("INTAKE_URL", "http://intake:8000/")

    assert Settings().address_of("intake") == "http://intake:8000"
    assert Settings().address_of("registry") == "https://baoho.example.vn"


def test_keys_come_out_as_they_went_in() -> None:
    key = secrets.token_bytes(32)
    text = b64encode(key).decode()

    assert parse_key(text) == key
    assert parse_keys(SecretStr(f" k1:{text} ")) == {"k1": key}


KEYS = st.binary(min_size=32, max_size=32).filter(lambda raw: len(set(raw)) >= DISTINCT)
KEY_IDS = st.text("abcXYZ019", min_size=1, max_size=8)


@given(st.dictionaries(KEY_IDS, KEYS, min_size=1, max_size=4))
def test_keys_are_read_as_they_are_written_the_current_one_first(keys: dict[str, bytes]) -> None:
    written = ", ".join(f"{name}:{b64encode(key).decode()}" for name, key in keys.items())

    assert list(parse_keys(SecretStr(written)).items()) == list(keys.items())


@given(st.text(max_size=80) | st.text("k1:,AQ=/+ ", max_size=80))
def test_whatever_stands_for_keys_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as refused:
        parse_keys(SecretStr(text))

    assert len(text) < 9 or text not in str(refused.value)
