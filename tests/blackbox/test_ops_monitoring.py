"""The alert rules and the dashboard that are shipped: promtool takes them, and they ask for metrics and commands that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from gateway.cli.main import app
from gateway.core.reason import Reason
from gateway.observe.metrics import TABLE

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS, BOARD = DEPLOY / "prometheus/alerts.yaml", DEPLOY / "grafana/gateway.json"
PLAYED = Path(__file__).with_name("ops_alerts.yaml")
LABELS = {name: {*labels, "job"} for _, name, _, labels in TABLE}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def promtool(*arguments: str) -> None:
    assert shutil.which("promtool"), "promtool is needed: apt-get install prometheus"
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_no_fault_in_them():
    promtool("check", "rules", str(ALERTS))


def test_each_fires_when_it_should_and_none_on_a_quiet_day(tmp_path: Path):
    played = tmp_path / "alerts.yaml"
    played.write_text(PLAYED.read_text().replace("rule_files: [ALERTS]", f"rule_files: [{ALERTS}]"))

    promtool("test", "rules", str(played))


def test_what_is_played_names_every_alert_in_both_scenes():
    quiet, wrong = yaml.safe_load(PLAYED.read_text())["tests"]
    names = {rule["alert"] for rule in rules()}

    assert names == {test["alertname"] for test in quiet["alert_rule_test"]}
    fired = wrong["promql_expr_test"][0]["exp_samples"]
    assert names == {re.findall(r'"(.*)"', sample["labels"])[0] for sample in fired}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_they_ask_for_metrics_labels_and_reasons_that_there_are(rule: dict[str, Any]):
    for name, matched in re.findall(r"(gateway_\w+|\bup)\{([^}]*)\}", rule["expr"]):
        labels = dict(re.findall(r'(\w+)="(\w+)"', matched))
        assert labels["job"] == "gateway"
        assert name == "up" or set(labels) <= LABELS[name]
        assert "reason" not in labels or labels["reason"] in {reason.key for reason in Reason}
    assert re.search(r"(gateway_\w+|up)\{", rule["expr"])


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_they_say_what_to_do_with_commands_that_there_are(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in {"page", "ticket"}
    words = rule["annotations"]["action"]
    for command in re.findall(r"gateway ((?:[a-z]+ ?){1,2})", re.sub(r"[Tt]he gateway|of the gateway", "", words)):
        assert known(command.split()), command


def known(words: list[str]) -> bool:
    """Whether these words begin a command."""
    commands: Any = get_command(app)
    first = commands.commands.get(words[0])
    return first is not None and (not hasattr(first, "commands") or words[1] in first.commands)


# ── the dashboard ──


def panels() -> list[dict[str, Any]]:
    return json.loads(BOARD.read_text())["panels"]


def asked(panel: dict[str, Any]) -> list[str]:
    """What a panel asks for, with Grafana's own words filled in."""
    filled = {"$__rate_interval": "1m", "$job": "gateway", "$instance": ".*"}
    texts = [target["expr"] for target in panel["targets"]]
    return [re.sub(r"\$\w+", lambda found: filled[found[0]], text) for text in texts]


def test_prometheus_understands_every_question_of_the_dashboard(tmp_path: Path):
    questions = [expr for panel in panels() for expr in asked(panel)]
    recorded = [{"record": f"asked:{number}", "expr": expr} for number, expr in enumerate(questions)]
    file = tmp_path / "asked.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "asked", "rules": recorded}]}))

    promtool("check", "rules", str(file))
    assert len(questions) >= len(panels())


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_the_dashboard_asks_for_metrics_and_labels_that_there_are(panel: dict[str, Any]):
    for question in asked(panel):
        for name, matched in re.findall(r"(gateway_\w+)\{([^}]*)\}", question):
            metric = name.removesuffix("_bucket")
            assert set(re.findall(r"(\w+)=", matched)) <= {*LABELS[metric], "instance"}
            by = {label for found in re.findall(r"by \(([^)]*)\)", question) for label in found.split(", ")}
            assert by <= {*LABELS[metric], "instance", "le"}


def test_no_two_panels_of_the_dashboard_lie_on_one_another():
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        place = {(column, row) for column in range(x, x + w) for row in range(y, y + h)}
        assert x + w <= 24
        assert not taken & place, panel["title"]
        taken |= place
