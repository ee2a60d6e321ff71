"""Alerts come when people would wait and at no other time; what they and the dashboard name exists, and each has its guide."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.topology import SERVICES
from services.intake.access import FIGURES as OF_INTAKE
from services.referral.access import FIGURES as OF_REFERRAL
from shared.metrics import Figure, Metrics
from tests.harness import House
from tests.requirements import require
from tests.system.commands import ROOT

FOLDER = ROOT / "deploy" / "observability"
GUIDE = (ROOT / "docs" / "guides" / "operations.md").read_text(encoding="utf-8")
METRIC = re.compile(r"\bbaoho_[a-z_]+")
PARTS = re.compile(r"_(bucket|count|sum|created)$")


def loaded(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text(encoding="utf-8"))


RULES = {rule["alert"]: rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]}
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def promtool(*arguments: str | Path, told: str | None = None) -> str:
    """Run promtool where the files are; return what it says, which begins with nothing wrong."""
    tool = require("promtool", "apt install prometheus")
    done = subprocess.run([tool, *arguments], cwd=FOLDER, input=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def measured() -> set[str]:
    """Return the names of all that is measured, of each service and of some alone."""
    metrics = Metrics()
    for figure in (*OF_INTAKE, *OF_REFERRAL):
        metrics.tell(figure, 0)
    families = {family.name for family in metrics.registry.collect()}
    return families | {f"{family}_total" for family in families}


def test_the_rules_and_the_scrape_configuration_are_valid() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "config", "prometheus.yml")


def test_each_alert_comes_in_time_and_no_blip_wakes_anybody() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("broken", [{"for": "0s"}, {"expr": "vector(0) > 1"}], ids=["impatient", "silent"])
def test_an_alert_that_came_at_once_or_never_would_break_its_scenario(broken: dict[str, str], tmp_path: Path) -> None:
    tool = require("promtool", "apt install prometheus")
    rules = [{**rule, **broken} for rule in RULES.values()]
    (tmp_path / "alerts.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}), encoding="utf-8")
    (tmp_path / "alerts_test.yml").write_bytes((FOLDER / "alerts_test.yml").read_bytes())

    done = subprocess.run(
        [tool, "test", "rules", "alerts_test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert {name for name in RULES if name not in done.stdout + done.stderr} == set()


def test_every_metric_that_is_named_is_measured() -> None:
    named = {name for path in FOLDER.iterdir() for name in METRIC.findall(path.read_text(encoding="utf-8"))}

    assert {name for name in named if PARTS.sub("", name) not in measured()} == set()


def test_every_figure_of_the_house_is_on_the_dashboard() -> None:
    shown = {PARTS.sub("", name).removesuffix("_total") for name in METRIC.findall(json.dumps(DASHBOARD))}

    assert {name for name in measured() if not name.endswith("_total")} - shown == set()


def test_every_alert_has_its_section_in_the_guide_and_every_section_its_alert() -> None:
    sections = re.findall(r"^## (.+)$", GUIDE, re.MULTILINE)

    assert sections == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on(name: str) -> None:
    section = GUIDE.split(f"## {name}\n")[1].split("\n## ")[0]

    assert RULES[name]["labels"]["severity"] in {"critical", "warning"}
    assert RULES[name]["annotations"]["summary"].endswith(".")
    assert RULES[name]["annotations"]["runbook_url"] == f"docs/guides/operations.md#{name.lower()}"
    assert re.findall(r"^\*(\w+)", section, re.MULTILINE) == ["People", "Look", "Do", "Wake"]


def test_each_process_is_asked_where_it_answers() -> None:
    [job] = loaded("prometheus.yml")["scrape_configs"]
    asked = [(config["targets"], config["labels"]) for config in job["static_configs"]]

    assert asked == [
        (
            [f"{process.name}:{process.port}"],
            {
                "service": service.name,
                "process": process.name,
                "__metrics_path__": process.ready.replace("readyz", "metrics"),
            },
        )
        for service in SERVICES
        for process in service.processes()
    ]


def test_every_expression_of_the_dashboard_can_be_read_by_prometheus(tmp_path: Path) -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$service", ".*")} for number, text in enumerate(expressions)
    ]
    file = tmp_path / "expressions.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")

    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_the_dashboard_brings_no_address_and_its_panels_lie_side_by_side() -> None:
    sources = [panel["datasource"]["uid"] for panel in PANELS]
    sources += [target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert set(sources) == {"${datasource}"}
    assert len(ids) == len(set(ids))
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert all(panel["title"] and panel["description"] for panel in PANELS)


@pytest.mark.parametrize("service", [service.name for service in SERVICES])
def test_what_a_service_tells_is_written_as_prometheus_wants_it(house: House, service: str) -> None:
    figures: tuple[Figure, ...] = tuple(house.runtime(service).figures)

    told = house.client(service).get(f"/{service}/metrics").text

    promtool("check", "metrics", told=told)
    assert "\nbaoho_ready 1.0\n" in told
    assert all(f"\n{figure.name} 0.0\n" in told for figure in figures)
