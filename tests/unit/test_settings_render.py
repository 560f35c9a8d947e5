import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from gateway.policy.rules import (
    CrowdRules,
    DetectionRules,
    LockoutRules,
    PasswordRules,
    Policy,
    ReplayRules,
    SessionRules,
    SprayRules,
    TotpRules,
    TravelRules,
)
from gateway.settings import Settings, load_settings
from gateway.settings.detection import (
    CrowdOverrides,
    DetectionOverrides,
    ReplayOverrides,
    SprayOverrides,
    TravelOverrides,
)
from gateway.settings.options import tables
from gateway.settings.policy import (
    FirmPolicyOverrides,
    HouseLockoutOverrides,
    LockoutOverrides,
    PasswordOverrides,
    PolicyOverrides,
    SessionOverrides,
    TotpOverrides,
)
from gateway.settings.render import toml_text


@pytest.fixture(autouse=True)
def _somewhere_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_printed_file_loads_and_sets_nothing():
    Path("gateway.toml").write_text(toml_text())

    assert Settings() == load_settings()


def as_fix(text: str) -> str:
    return re.sub(r"^\[route\.service\]$.*?(?=^# ──)", "", text, flags=re.MULTILINE | re.DOTALL)


def as_amqp(text: str) -> str:
    fix_only = "versions|refusal|password_key|sending_time_tolerance|max_login_size"
    return re.sub(rf"^({fix_only}) = .*$", "", text.replace('"fix"', '"amqp"'), flags=re.MULTILINE)


@pytest.mark.parametrize("protocol", [as_fix, as_amqp])
def test_the_printed_file_loads_with_every_option_set_as_printed(protocol: Callable[[str], str]):
    text = protocol(re.sub(r"^#(?=[a-z\[])", "", toml_text(), flags=re.MULTILINE))
    other_halves = "url_file|master_key|password_file|secret_file|pem|pin_file|user_dn"
    text = re.sub(rf"^({other_halves}) = .*$", "", text, flags=re.MULTILINE)
    for name in re.findall(r'"((?:tls|words)/[^"]+)"', text):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path("gateway.toml").write_text(text)

    settings = load_settings()

    assert settings.listener[0].tls is not None
    assert settings.route[0].tls is not None
    assert Settings().argon2 == settings.argon2
    assert settings.policy.sessions.idle == SessionRules().idle


def test_every_option_says_why_it_is_there():
    silent = [
        f"{table.path}.{option.name}" for table in tables(Settings) for option in table.options if not option.reason
    ]

    assert silent == []


@pytest.mark.parametrize(
    ("overrides", "rules"),
    [
        (PolicyOverrides, Policy),
        (TotpOverrides, TotpRules),
        (HouseLockoutOverrides, LockoutRules),
        (PasswordOverrides, PasswordRules),
        (SessionOverrides, SessionRules),
        (DetectionOverrides, DetectionRules),
        (CrowdOverrides, CrowdRules),
        (TravelOverrides, TravelRules),
        (SprayOverrides, SprayRules),
        (ReplayOverrides, ReplayRules),
    ],
)
def test_every_rule_of_the_policy_can_be_overridden_and_nothing_else(overrides: type, rules: type):
    beside = {"detection"} if rules is Policy else set()  # a table of its own
    assert {field.name for field in fields(rules)} == set(overrides.model_fields) | beside


@pytest.mark.req("CQ-8")
def test_a_firm_overrides_all_of_it_but_what_is_the_houses():
    assert PolicyOverrides.model_fields.keys() - FirmPolicyOverrides.model_fields.keys() == {"refusal_floor"}
    lost = HouseLockoutOverrides.model_fields.keys() - LockoutOverrides.model_fields.keys()
    assert lost == {"address_budget", "address_window"}


def test_overrides_are_only_what_was_set():
    Path("gateway.toml").write_text(
        '[policy]\nrefusal_floor = 1\n[policy.totp]\nwindow = 0\n[policy.sessions]\nidle = "10 min"'
    )

    assert load_settings().policy.as_overrides() == {
        "refusal_floor": 1.0,
        "totp": {"window": 0},
        "sessions": {"idle": 600.0},
    }
