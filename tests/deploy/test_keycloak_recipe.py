"""The recipe for a Keycloak without Docker: made once, started in a folder of its own, plain about what it lacks."""

from pathlib import Path

import pytest

from deploy.identity.keycloak import STATE, Keycloak, KeycloakError, install, main
from deploy.identity.realm import production_realm
from tests.harness import free_port
from tests.requirements import missing, require


@pytest.fixture(scope="module")
def state() -> Path:
    try:
        install(STATE)
    except KeycloakError as error:
        missing(str(error))
    return STATE


@pytest.fixture
def broken(tmp_path: Path) -> Keycloak:
    """A server whose distribution ends as soon as it is started."""
    script = tmp_path / "dist" / "bin" / "kc.sh"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho this one is broken\nexit 1\n")
    script.chmod(0o755)
    return Keycloak(
        tmp_path, free_port(), tmp_path / "server", [production_realm()], {"PUBLIC_URL": "http://127.0.0.1:8000"}
    )


def test_the_version_is_the_one_that_compose_runs(state: Path) -> None:
    compose = (Path(__file__).parents[2] / "docker-compose.yml").read_text(encoding="utf-8")
    version = (state / "dist" / "version.txt").read_text(encoding="utf-8").split()[-1]

    assert f"image: quay.io/keycloak/keycloak:{version}\n" in compose


def test_installing_again_does_nothing(state: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (state / "dist").iterdir())

    dist = install(state)

    assert sorted((path.name, path.stat().st_mtime_ns) for path in dist.iterdir()) == before


def test_a_server_that_gives_up_names_its_log(broken: Keycloak) -> None:
    require("java", "apt install openjdk-17-jre-headless")

    with pytest.raises(KeycloakError, match=r"did not come up on port \d+; see .*keycloak\.log"):
        broken.start()

    assert broken.log.read_text() == "this one is broken\n"


def test_a_server_s_folder_is_closed_to_others(broken: Keycloak) -> None:
    require("java", "apt install openjdk-17-jre-headless")

    with pytest.raises(KeycloakError):
        broken.start()

    assert broken.folder.stat().st_mode & 0o077 == 0
    assert (broken.folder / "data" / "import" / "baoho-realm.json").is_file()


def test_without_maven_the_error_is_one_line_that_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = require("java", "apt install openjdk-17-jre-headless")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").symlink_to(java)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    with pytest.raises(KeycloakError, match=r"^the jars of Keycloak .* apt install maven\)$"):
        install(tmp_path / "state")


def test_anything_else_prints_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["start"])

    assert code == 2
    assert "install STATE" in capsys.readouterr().err
