"""The alert rules that are shipped: promtool takes them, plays them, and they ask for metrics and commands that there are."""

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

ALERTS = Path(__file__).resolve().parents[2] / "deploy/prometheus/alerts.yaml"
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
