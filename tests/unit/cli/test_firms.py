"""What the commands say of firms with terms of their own (CQ-8)."""

from pathlib import Path

import pytest

FIRMS = """
[[organisation]]
name = "ACME"
[organisation.policy]
sessions.idle = "5 min"
password.max_age = "30 d"
totp.max_devices = 1
[[organisation]]
name = "ZEN"
[organisation.policy]
second_factor = "optional"
"""


@pytest.fixture
def firms(gateway) -> None:
    with Path("gateway.toml").open("a") as file:
        file.write(FIRMS)


@pytest.mark.req("CQ-8")
@pytest.mark.usefixtures("firms")
def test_check_config_prints_what_holds_for_each_firm(gateway):
    said = gateway("check-config").out.partition("organisation ACME, where it differs:\n")[2]

    assert [line.split() for line in said.splitlines()] == [
        ["totp.max_devices", "1"], ["password.max_age", "2592000.0"], ["sessions.idle", "300.0"],
        ["organisation", "ZEN,", "where", "it", "differs:"], ["second_factor", "optional"],
        ["The", "configuration", "is", "good."],
    ]  # fmt: skip
    found = gateway("check-config", "--json").data
    assert found["organisations"]["ACME"] == found["policy"] | {
        "sessions.idle": 300.0, "password.max_age": 2592000.0, "totp.max_devices": 1
    }  # fmt: skip


@pytest.mark.req("CQ-8", "BY-9")
@pytest.mark.usefixtures("firms")
def test_a_firm_that_is_weaker_than_a_profile_makes_its_row_deviate_and_is_named(gateway):
    report = gateway("compliance", "--profile", "sfc-vatp").out

    assert "organisation ZEN: second_factor = optional: must be mandatory" in " ".join(report.split())
    assert "organisation ACME: second_factor" not in report


@pytest.mark.req("CQ-8", "SF-6")
@pytest.mark.usefixtures("firms")
def test_the_operators_commands_keep_to_the_users_firm(gateway):
    for name, firm in (("ann", "ACME"), ("zoe", "ZEN")):
        gateway("user", "add", name, "--organisation", firm, "--password-stdin", stdin="Correct-Horse-9\n")
        assert gateway("totp", "enroll", name, "--confirmed").code == 0

    second = [gateway("totp", "enroll", name, "--confirmed").code for name in ("ann", "zoe")]

    assert second == [1, 0]
