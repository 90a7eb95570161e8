"""What `deploy/` and the compose file say must be true of the code: schemas, settings, commands, metrics, runbooks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.local.packages import find_program
from stream.local.settings import LocalSettings
from stream.settings import Settings, load_settings
from tests.support.commands import ROOT, subcommands
from tests.support.promql import as_prometheus_sees_it, grouped_labels, matched_labels, metric_names
from tests.support.worker_metrics import declared as declared_by_worker
from tests.support.worker_metrics import declared_by_audit, declared_by_ingest, declared_by_server

TOP = Path(__file__).parents[2]
PROMETHEUS = TOP / "deploy" / "prometheus"
DASHBOARDS = sorted((TOP / "deploy" / "grafana" / "dashboards").glob("*.json"))
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "snapup"]
RULES = [
    rule for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
DECLARED = [*declared_by_worker(), *declared_by_server(), *declared_by_ingest(), *declared_by_audit()]
ADDRESSES = {"SNAPUP_BOOTSTRAP_SERVERS", "SNAPUP_REDIS_URL"}
# Prometheus itself adds these to what it scrapes.
PROMETHEUS_NAMES = {"up", "ALERTS"}
PROMETHEUS_LABELS = {"job", "instance", "le", "alertname", "alertstate"}


def run(*command: str | Path, cwd: Path = TOP) -> None:
    """Run a checker; what it says is the failure."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> Path:
    """A program that came with the development libraries."""
    return Path(sys.executable).with_name(name)


@pytest.fixture
def promtool() -> Path:
    program = find_program("promtool", LocalSettings().cache_dir)
    if program is None:
        pytest.skip("promtool is missing: ALERT RULES AND DASHBOARDS ARE NOT CHECKED. `snapup doctor --install`")
    return program.path


# -- Docker ------------------------------------------------------------------------------------------------------------
def test_compose_file_is_of_the_schema() -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_dockerfile_is_clean() -> None:
    run(tool("hadolint"), "--failure-threshold", "info", "deploy/Dockerfile")


def test_image_copies_nothing_that_dockerignore_keeps_out() -> None:
    allowed = {line[1:] for line in (TOP / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {
        word
        for line in (TOP / "deploy" / "Dockerfile").read_text("utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((TOP / name).exists() for name in allowed)


def test_compose_publishes_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert [port for port in published if not str(port).startswith("127.0.0.1:")] == []


def test_compose_bounds_the_memory_of_what_stays() -> None:
    assert [name for name, service in SERVICES.items() if name != "topic-init" and "mem_limit" not in service] == []


@pytest.mark.parametrize("name", OURS)
def test_compose_environment_is_valid_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = SERVICES[name]["environment"]
    known = {f"SNAPUP_{field.upper()}" for field in Settings.model_fields}
    assert set(environment) <= known
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    load_settings()
    hosts = [re.sub(r"^redis://", "", environment[name]).split(":")[0] for name in ADDRESSES & set(environment)]
    assert hosts
    assert set(hosts) <= set(SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_compose_runs_commands_that_exist(name: str) -> None:
    command = ROOT
    words = list(SERVICES[name]["command"])
    while below := subcommands(command):
        command = below[words.pop(0)]
    command.make_context(name, words)  # parses, runs nothing


@pytest.mark.parametrize("name", ["worker", "server", "gateway"])
def test_compose_waits_longer_than_a_process_takes_to_stop(name: str) -> None:
    grace_s = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s * 1000 > Settings.model_fields["stop_timeout_ms"].default


def test_compose_worker_has_a_static_name_and_cannot_be_scaled() -> None:
    worker = SERVICES["worker"]
    assert worker["environment"]["SNAPUP_MEMBER_NAME"]
    assert worker["container_name"]


def test_compose_kafka_version_is_that_of_the_local_stack() -> None:
    jars = (TOP / "deploy" / "kafka" / "jars.sha256").read_text("ascii")
    version = re.search(r"kafka_2\.13-([0-9.]+)\.jar", jars)
    assert version
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version[1]}"


def test_java_health_checks_are_at_least_ten_seconds_apart() -> None:
    assert int(SERVICES["kafka"]["healthcheck"]["interval"].removesuffix("s")) >= 10


# -- Prometheus --------------------------------------------------------------------------------------------------------
def test_prometheus_configuration_and_rules_are_valid(promtool: Path) -> None:
    run(promtool, "check", "config", "prometheus.yml", cwd=PROMETHEUS)
    run(promtool, "check", "rules", "rules.yml", cwd=PROMETHEUS)


def test_alerts_fire_when_they_must_and_only_then(promtool: Path) -> None:
    run(promtool, "test", "rules", "rules_test.yml", cwd=PROMETHEUS)


@pytest.mark.parametrize("name", sorted({rule["alert"] for rule in ALERTS}))
def test_each_alert_is_tested(name: str) -> None:
    cases = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text("utf-8"))["tests"]
    expected = [
        alert["exp_alerts"] for case in cases for alert in case.get("alert_rule_test", []) if alert["alertname"] == name
    ]
    assert any(expected)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_has_a_severity_a_summary_and_its_own_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    runbook = rule["annotations"]["runbook"]
    assert runbook == f"docs/runbooks/{rule['alert']}.md"
    page = (TOP / runbook).read_text("utf-8")
    assert page.startswith(f"# {rule['alert']}\n")
    assert "snapup rooms" in page, f"{runbook} does not say how to find the rooms"
    base = "{{ with $externalLabels.snapup_runbooks }}{{ . }}{{ else }}docs/runbooks{{ end }}"
    wanted = f"{base}/{rule['alert']}.md"
    assert rule["annotations"].get("runbook_url") == wanted, f"runbook_url: '{wanted}'"


def test_runbooks_are_absolute_where_prometheus_says_where_they_are_served() -> None:
    """What the label does to the annotation is in rules_test.yml."""
    labels = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["global"]["external_labels"]
    assert re.fullmatch(r"https://[\w./-]*[^/]", labels["snapup_runbooks"])
    cases = yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text("utf-8"))["tests"]
    urls = [
        alert["exp_annotations"]["runbook_url"]
        for case in cases
        if "snapup_runbooks" in case.get("external_labels", {})
        for test in case["alert_rule_test"]
        for alert in test["exp_alerts"]
    ]
    assert urls
    assert all(url.startswith("https://") for url in urls)


def test_each_runbook_belongs_to_an_alert() -> None:
    pages = {page.stem for page in (TOP / "docs" / "runbooks").glob("*.md")}
    assert pages == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("service", ["worker", "audit"])
def test_jobs_are_scraped_where_compose_puts_them(service: str) -> None:
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    (job,) = [job for job in jobs if job["job_name"] == f"snapup-{service}"]
    port = SERVICES[service]["environment"]["SNAPUP_METRICS_PORT"]
    assert job["static_configs"] == [{"targets": [f"{service}:{port}"]}]


@pytest.mark.parametrize(
    ("job_name", "service", "setting"),
    [
        ("snapup-server", "server", "SNAPUP_SERVE_METRICS_PORT"),
        ("snapup-ingest", "gateway", "SNAPUP_INGEST_METRICS_PORT"),
    ],
)
def test_what_may_be_several_is_found_by_name_at_a_port_that_nobody_outside_reaches(
    job_name: str, service: str, setting: str
) -> None:
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    (job,) = [job for job in jobs if job["job_name"] == job_name]
    (found,) = job["dns_sd_configs"]
    port = int(SERVICES[service]["environment"][setting])
    assert (found["names"], found["port"]) == ([service], port)
    # It asks for no token.
    assert not any(str(port) in published for published in SERVICES[service]["ports"])


# -- expressions: of alerts and dashboards -----------------------------------------------------------------------------
def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[str]:
    found = []
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text("utf-8"))
        found += [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
        found += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    return [as_prometheus_sees_it(expr) for expr in found]


EXPRESSIONS = dashboard_expressions() + [rule["expr"] for rule in RULES]


def test_dashboard_expressions_are_valid(promtool: Path, tmp_path: Path) -> None:
    rules = [{"record": f"dashboard:expression_{n}", "expr": expr} for n, expr in enumerate(dashboard_expressions())]
    assert rules
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(promtool, "check", "rules", file)


def test_expressions_name_only_metrics_that_are_declared() -> None:
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    known = {name for family in DECLARED for name in family.series()} | recorded | PROMETHEUS_NAMES
    unknown = {name for expr in EXPRESSIONS for name in metric_names(expr)} - known
    assert unknown == set()


def test_expressions_use_only_labels_that_the_metric_has() -> None:
    labels_of = {name: set(family.labels) for family in DECLARED for name in family.series()}
    wrong = [
        (metric, label)
        for expr in EXPRESSIONS
        for metric, labels in matched_labels(expr).items()
        for label in labels - labels_of.get(metric, set()) - PROMETHEUS_LABELS
    ]
    assert wrong == []
    grouped = {
        (expr, label)
        for expr in EXPRESSIONS
        for label in grouped_labels(expr) - PROMETHEUS_LABELS
        if not any(label in labels_of.get(metric, set()) for metric in metric_names(expr))
    }
    assert grouped == set()


def test_whatever_an_alert_looks_at_can_be_seen_on_a_dashboard() -> None:
    family_of = {name: family.name for family in DECLARED for name in family.series()}
    shown = {family_of.get(name, name) for expr in dashboard_expressions() for name in metric_names(expr)}
    alarmed = {family_of.get(name, name) for rule in ALERTS for name in metric_names(rule["expr"])} - PROMETHEUS_NAMES
    # A start is no figure to look at, and what is recorded is of metrics that are shown.
    assert {name for name in alarmed - shown if ":" not in name} == {"process_start_time_seconds"}


def test_the_panels_of_a_dashboard_do_not_lie_on_each_other() -> None:
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text("utf-8"))
        taken = Counter(
            (x, y)
            for place in (panel["gridPos"] for panel in dashboard["panels"])
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        )
        assert max(taken.values()) == 1
        assert max(x for x, _ in taken) < 24
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))


def test_no_metric_has_a_label_without_bounds() -> None:
    unbounded = {"room", "room_id", "user", "user_id", "sale_id", "sku_id", "order_id", "event_id"}
    assert [family.name for family in DECLARED if unbounded & set(family.labels)] == []


def test_dashboard_is_provisioned_where_compose_mounts_it() -> None:
    provisioning = TOP / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "snapup.yml").read_text("utf-8"))["providers"]
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))["datasources"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    assert source["url"] == "http://prometheus:9090"
    for path in DASHBOARDS:
        for panel in panels(json.loads(path.read_text("utf-8"))):
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}
