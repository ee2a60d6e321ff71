"""Docker Compose says what the topology and the gateway say, holds no secret, and opens one door only."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy import topology
from deploy.dumps import ADMIN
from deploy.gateway import COMPOSE_FILE, compose_site, find_nginx, render
from tests.deploy.certificate import self_signed
from tests.requirements import require

HOUSE = Path(__file__).parents[2]
COMPOSE = HOUSE / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{([A-Z_]+)([^}]*)\}")
NO_SECRETS = {"HTTPS_PORT", "ADMIN_PORT", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"}
SECRET = re.compile(r"PASSWORD|SECRET|KEYS?$|DATABASE_URL")
PROCESSES = {process.name: process for service in topology.SERVICES for process in service.processes("0.0.0.0")}
OWNERS = {process.name: service for service in topology.SERVICES for process in service.processes()}
PARTS = {"migrate", "kafka-access", "operator", "keeper", "gateway", "postgres", "kafka", "keycloak", "prometheus"}
ONCE = {"migrate", "kafka-access", "operator", "keeper"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def containers(compose: dict[str, Any]) -> dict[str, Any]:
    services: dict[str, Any] = compose["services"]
    return services


def test_the_file_is_valid_by_the_compose_specification() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")

    checked = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", COMPOSE], check=False, capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stdout


def test_there_is_a_container_for_each_process_and_each_part(containers: dict[str, Any]) -> None:
    assert set(containers) == set(PROCESSES) | PARTS


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_runs_and_is_probed_as_the_topology_says(containers: dict[str, Any], name: str) -> None:
    container, process = containers[name], PROCESSES[name]

    assert container["command"] == ["python", *process.arguments]
    assert f"'http://127.0.0.1:{process.port}{process.ready}'" in container["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_is_given_the_settings_of_its_service_and_no_others(containers: dict[str, Any], name: str) -> None:
    expected = {*topology.SHARED_SETTINGS, *OWNERS[name].settings, *PROCESSES[name].own_settings}

    assert set(containers[name]["environment"]) == expected


def test_only_the_workers_and_the_operator_hold_the_keys_that_seal_the_audit_trail(containers: dict[str, Any]) -> None:
    holders = {
        service.name: {
            name for name, each in containers.items() if service.audit_setting in each.get("environment", {})
        }
        for service in topology.SERVICES
    }

    assert holders == {service.name: {f"{service.name}-worker", "operator"} for service in topology.SERVICES}


def test_the_operator_s_container_runs_only_when_asked_and_has_what_every_service_is_given(
    containers: dict[str, Any],
) -> None:
    operator = containers["operator"]
    audit = {service.audit_setting for service in topology.SERVICES}

    assert operator["profiles"] == ["operator"]
    assert {*operator["environment"]} == {
        *topology.SHARED_SETTINGS,
        *(setting for service in topology.SERVICES for setting in service.settings),
        *audit,
    }


def test_only_who_keeps_backups_reaches_the_database_as_superuser_and_only_when_asked(
    containers: dict[str, Any],
) -> None:
    keeper = containers["keeper"]
    holders = {name for name, each in containers.items() if ADMIN in each.get("environment", {})}

    assert holders == {"keeper"}
    assert keeper["profiles"] == ["operator"]
    assert {*keeper["environment"]} == {
        *topology.SHARED_SETTINGS,
        *(setting for service in topology.SERVICES for setting in (*service.settings, service.owner_setting)),
        ADMIN,
    }


def test_workers_enter_erasures_in_the_ledger_that_a_restore_reads(containers: dict[str, Any]) -> None:
    holders = {name for name, each in containers.items() if "ledger:/ledger" in each.get("volumes", [])}

    assert holders == {"keeper", *(f"{service.name}-worker" for service in topology.SERVICES)}
    assert {containers[name]["environment"]["LEDGER_DIR"] for name in holders} == {"/ledger"}


def test_only_a_worker_holds_its_password_at_the_brokers_and_only_the_access_job_the_administrators(
    containers: dict[str, Any],
) -> None:
    secrets = {*(service.bus_setting for service in topology.SERVICES), topology.KAFKA_ADMIN_SETTING}
    held = {name: secrets & set(container.get("environment", {})) for name, container in containers.items()}

    assert {name: settings for name, settings in held.items() if settings} == {
        **{f"{service.name}-worker": {service.bus_setting} for service in topology.SERVICES},
        "kafka-access": {topology.KAFKA_ADMIN_SETTING},
    }
    assert containers["kafka-access"]["command"] == ["python", *topology.KAFKA_ACCESS]
    waiting = {
        containers[f"{service.name}-worker"]["depends_on"]["kafka-access"]["condition"] for service in topology.SERVICES
    }
    assert waiting == {"service_completed_successfully"}


@pytest.mark.parametrize("service", topology.SERVICES, ids=lambda service: service.name)
def test_addresses_of_databases_and_services_follow_the_topology(
    containers: dict[str, Any], service: topology.Service
) -> None:
    environment, name, prefix = containers[service.name]["environment"], service.name, service.name.upper()
    owner = containers["migrate"]["environment"][service.owner_setting]
    host = f"@postgres:{topology.POSTGRES_COMPOSE_PORT}/{name}"

    assert environment[f"{prefix}_URL"] == f"http://{name}:{service.api_port}"
    assert re.sub(VARIABLE, r"<\1>", environment[f"{prefix}_DATABASE_URL"]) == (
        f"postgresql+psycopg://{name}_app:<{prefix}_APP_PASSWORD>{host}"
    )
    assert re.sub(VARIABLE, r"<\1>", owner) == f"postgresql+psycopg://{name}_owner:<{prefix}_OWNER_PASSWORD>{host}"


def test_only_the_migration_can_change_the_tables(containers: dict[str, Any]) -> None:
    owners = {service.owner_setting for service in topology.SERVICES}
    holders = {name for name, container in containers.items() if owners & set(container.get("environment", {}))}

    assert holders == {"migrate", "keeper"}
    assert containers["migrate"]["command"] == ["python", *topology.MIGRATE]
    assert {*containers["migrate"]["environment"]} == {"ENV", *owners}
    waiting = {name: containers[name]["depends_on"]["migrate"]["condition"] for name in PROCESSES}
    assert set(waiting.values()) == {"service_completed_successfully"}


def test_everything_runs_in_production_with_the_gateway_as_only_proxy(containers: dict[str, Any]) -> None:
    environments = [containers[name]["environment"] for name in PROCESSES]

    assert {environment["ENV"] for environment in environments} == {"production"}
    assert {environment["TRUSTED_PROXIES"] for environment in environments} == {topology.GATEWAY_ADDRESS}
    assert {environment["KAFKA_BOOTSTRAP"] for environment in environments} == {f"kafka:{topology.KAFKA_COMPOSE_PORT}"}
    assert containers["keycloak"]["environment"]["KC_PROXY_TRUSTED_ADDRESSES"] == topology.GATEWAY_ADDRESS
    assert containers["gateway"]["networks"]["inside"]["ipv4_address"] == topology.GATEWAY_ADDRESS


def test_only_the_gateway_publishes_a_port_and_only_the_dispatcher_reaches_out(
    compose: dict[str, Any], containers: dict[str, Any]
) -> None:
    closed = {name for name, network in compose["networks"].items() if (network or {}).get("internal")}
    published = {name: container["ports"] for name, container in containers.items() if "ports" in container}
    open_ended = {name for name, container in containers.items() if set(container["networks"]) - closed}

    assert published == {
        "gateway": [
            f"${{HTTPS_PORT:-443}}:{topology.GATEWAY_TLS_PORT}",
            f"127.0.0.1:${{ADMIN_PORT:-8444}}:{topology.GATEWAY_ADMIN_PORT}",
        ]
    }
    assert open_ended == {"gateway", "referral-dispatcher"}
    assert "data" not in containers["gateway"]["networks"]


def test_prometheus_runs_only_when_asked_inside_alone_with_the_files_that_are_tested(
    containers: dict[str, Any],
) -> None:
    prometheus = containers["prometheus"]

    assert prometheus["profiles"] == ["observability"]
    assert prometheus["networks"] == ["inside"]
    assert "./deploy/observability:/etc/prometheus:ro" in prometheus["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in prometheus["command"]
    assert (HOUSE / "deploy" / "observability" / "prometheus.yml").exists()


@pytest.mark.parametrize("name", sorted(set(PROCESSES) | PARTS))
def test_every_container_is_probed_restarted_and_without_new_privileges(containers: dict[str, Any], name: str) -> None:
    container, once = containers[name], name in ONCE

    assert container["restart"] == ("no" if once else "unless-stopped")
    assert ("healthcheck" in container) is not once
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert container.get("read_only", False) is (name not in {"postgres", "kafka", "keycloak"})


def test_no_secret_has_a_default_or_stands_in_the_file() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    without_reason = {name for name, rest in VARIABLE.findall(text) if not re.fullmatch(r":\?.{10,}", rest)}
    settings = re.findall(r"^\s+([A-Z_]+): (.+)$", text, re.MULTILINE)

    assert without_reason == NO_SECRETS
    assert [name for name, value in settings if SECRET.search(name) and "${" not in value] == []


def test_the_example_names_every_variable_once_and_gives_none_a_value() -> None:
    example = (HOUSE / ".env.example").read_text(encoding="utf-8")
    named = [line for line in example.splitlines() if line and not line.startswith("#")]
    used = {name for name, _ in VARIABLE.findall(COMPOSE.read_text(encoding="utf-8"))}

    assert sorted(named) == sorted(f"{name}=" for name in used)


def test_the_gateways_file_is_what_the_templates_render() -> None:
    assert COMPOSE_FILE.read_text(encoding="utf-8") == render(compose_site()), "run `python -m deploy.gateway`"


def test_the_gateways_file_is_one_that_nginx_takes(tmp_path: Path) -> None:
    require("nginx", "install nginx")
    site = replace(compose_site(), folder=str(tmp_path), tls=self_signed(tmp_path))
    (tmp_path / "gateway.conf").write_text(render(site), encoding="utf-8")

    tested = subprocess.run(
        [find_nginx(), "-t", "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "gateway.conf"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert tested.returncode == 0, tested.stderr
    assert set(re.findall(r"set \$(\w+) (\S+);", render(site))) == set(topology.compose_upstreams().items())
