"""[detection] in the configuration: what it may say, and what a profile demands of it."""

from pathlib import Path

import pytest

from gateway.policy.rules import Action, CrowdRules, DetectionRules
from gateway.settings import ConfigError, load


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def read(text: str):
        Path("gateway.toml").write_text(text)
        return load()

    return read


def problems(loaded, text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(text)
    return str(refused.value)


def test_nothing_but_the_alarm_about_replays_is_on_by_itself(loaded):
    rules = loaded("").policies.house.detection
    assert rules == DetectionRules()
    assert (rules.replay.action, rules.looks_back) == (Action.ALARM, False)


def test_what_is_set_is_what_holds_for_firms_too(loaded):
    text = '[detection]\nexempt = ["192.0.2.0/24", "2001:db8::/32"]\n[detection.crowd]\naction = "block"\nwindow = "2 min"\n'
    configuration = loaded(text + '[[organisation]]\nname = "ACME"\npolicy = {sessions = {idle = 60}}')
    expected = DetectionRules(
        CrowdRules(Action.BLOCK, window=120.0), exempt=frozenset({"192.0.2.0/24", "2001:db8::/32"})
    )
    assert configuration.policies.house.detection == expected
    assert configuration.policies.firms["ACME"].detection == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('exempt = ["192.0.2.1/24"]', "exempt"),
        ('exempt = ["0.0.0.0/0"]', "that is no office"),
        ('exempt = ["office"]', "is no network"),
        ('crowd = {action = "loud"}', "detection.crowd.action"),
        ("crowd = {accounts = 1}", "detection.crowd.accounts"),
        ('spray = {window = "2 d"}', "detection.spray.window"),
        ("travel = {accounts = 2}", "detection.travel.accounts"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(loaded, text: str, words: str):
    assert words in problems(loaded, f"[detection]\n{text}")


@pytest.mark.req("SF-18", "SF-19", "SF-20")
def test_the_sfc_profile_notices_crowds_travel_and_sprays(loaded):
    rules = loaded('profile = "sfc-vatp"').policies.house.detection
    assert [rule.action for rule in (rules.crowd, rules.travel, rules.spray, rules.replay)] == [Action.ALARM] * 4


@pytest.mark.parametrize(
    ("rule", "setting", "row"),
    [
        pytest.param("crowd", 'action = "off"', "SF-18", marks=pytest.mark.req("SF-18")),
        pytest.param("crowd", "accounts = 21", "SF-18", marks=pytest.mark.req("SF-18")),
        pytest.param("crowd", "window = 299", "SF-18", marks=pytest.mark.req("SF-18")),
        pytest.param("travel", 'action = "off"', "SF-19", marks=pytest.mark.req("SF-19")),
        pytest.param("travel", "window = 3599", "SF-19", marks=pytest.mark.req("SF-19")),
        pytest.param("spray", 'action = "off"', "SF-20", marks=pytest.mark.req("SF-20")),
        pytest.param("spray", "accounts = 51", "SF-20", marks=pytest.mark.req("SF-20")),
        pytest.param("spray", "window = 299", "SF-20", marks=pytest.mark.req("SF-20")),
    ],
)
def test_a_weaker_rule_than_the_profiles_is_refused_and_the_message_names_the_row(loaded, rule, setting, row):
    said = problems(loaded, f'profile = "sfc-vatp"\n[detection.{rule}]\n{setting}')
    assert f"detection.{rule}.{setting.split(' ')[0]}: " in said
    assert f"[{row}: " in said


def test_blocking_is_stronger_than_the_profile_asks(loaded):
    rules = loaded('profile = "sfc-vatp"\n[detection.travel]\naction = "block"').policies.house.detection
    assert rules.travel.action is Action.BLOCK
