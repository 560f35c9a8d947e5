"""The seven profiles, row by row, and what happens to a configuration that is weaker than the one it names."""

import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy import profile
from gateway.policy.profile import BadSetting, Profile, WeakerThanProfile, load, resolve, settings
from gateway.policy.rules import Counted, LockScope, Policy, Reuse, SecondFactor

FOLDER = Path(__file__).parents[3] / "config" / "profiles"
NAMES = {"default", "m7-6.15", "m7-6.16", "cqg", "hkex", "tw-securities", "sfc-vatp"}
BOTH = frozenset(Counted)


def shipped(name: str) -> Profile:
    return load(name, tomllib.loads((FOLDER / f"{name}.toml").read_text()))


def test_the_seven_profiles_ship_and_keep_their_own_bounds():
    assert {file.stem for file in FOLDER.glob("*.toml")} == NAMES
    for name in NAMES:
        assert shipped(name).name == name


def test_the_default_profile_is_what_the_code_has_by_itself():
    assert shipped("default").policy == Policy()


@pytest.mark.req("M7-3", "M7-8", "M7-9", "M7-11")
def test_m7_615_has_an_optional_code_of_one_interval_and_counts_passwords_only():
    policy = shipped("m7-6.15").policy
    assert policy.second_factor is SecondFactor.OPTIONAL
    assert (policy.totp.window, policy.totp.reuse) == (0, Reuse.WITHIN_STEP)
    assert (policy.lockout.threshold, policy.lockout.duration) == (5, 0)
    assert policy.lockout.counts == {Counted.PASSWORD}


@pytest.mark.req("M7-3", "M7-11")
def test_m7_616_demands_the_code_of_everybody_and_counts_it():
    policy = shipped("m7-6.16").policy
    assert (policy.second_factor, policy.exemptions) == (SecondFactor.MANDATORY, False)
    assert policy.lockout.counts == BOTH
    assert policy.lockout.threshold == 5


@pytest.mark.req("CQ-2", "CQ-4")
def test_cqg_demands_an_authenticator_unless_the_firm_chose_another_method():
    policy = shipped("cqg").policy
    assert (policy.second_factor, policy.exemptions) == (SecondFactor.MANDATORY, True)


@pytest.mark.req("HK-4", "HK-8")
def test_hkex_passwords_expire_after_ninety_days_and_old_methods_may_stay():
    policy = shipped("hkex").policy
    assert policy.password.max_age == 90 * 86400
    assert policy.exemptions


@pytest.mark.req("TW-1", "TW-5", "TW-7")
def test_taiwan_locks_after_three_for_fifteen_minutes():
    policy = shipped("tw-securities").policy
    assert (policy.lockout.threshold, policy.lockout.duration, policy.lockout.scope) == (3, 900, LockScope.ACCOUNT)
    assert (policy.password.history, policy.sessions.max_per_user) == (3, 1)


@pytest.mark.req("SF-4", "SF-6", "SF-8", "SF-10")
def test_the_sfc_profile_is_idle_at_thirty_minutes_with_three_devices_and_back_off():
    policy = shipped("sfc-vatp").policy
    assert policy.sessions.idle == 1800
    assert policy.totp.max_devices == 3
    assert policy.lockout.backoff_base > 0
    assert not policy.exemptions


@pytest.mark.parametrize(
    ("name", "setting", "value", "row"),
    [
        pytest.param("sfc-vatp", "sessions.idle", 1801, "SF-10", marks=pytest.mark.req("SF-10")),
        pytest.param("sfc-vatp", "second_factor", "optional", "SF-4", marks=pytest.mark.req("SF-4")),
        pytest.param("sfc-vatp", "exemptions", True, "SF-4", marks=pytest.mark.req("SF-4", "SF-5")),
        pytest.param("sfc-vatp", "totp.max_devices", 4, "SF-6", marks=pytest.mark.req("SF-6")),
        pytest.param("sfc-vatp", "lockout.backoff_base", 0, "SF-8", marks=pytest.mark.req("SF-8")),
        pytest.param("tw-securities", "lockout.threshold", 4, "TW-5", marks=pytest.mark.req("TW-5")),
        pytest.param("tw-securities", "lockout.duration", 899, "TW-5", marks=pytest.mark.req("TW-5")),
        pytest.param("tw-securities", "lockout.scope", "account+source", "TW-5", marks=pytest.mark.req("TW-5")),
        pytest.param("tw-securities", "password.history", 2, "TW-7", marks=pytest.mark.req("TW-7")),
        pytest.param("tw-securities", "password.max_age", 0, "TW-6", marks=pytest.mark.req("TW-6")),
        pytest.param("m7-6.15", "totp.window", 1, "M7-8", marks=pytest.mark.req("M7-8")),
        pytest.param("m7-6.15", "lockout.threshold", 6, "M7-11", marks=pytest.mark.req("M7-11")),
        pytest.param("m7-6.16", "lockout.counts", ["password"], "M7-11", marks=pytest.mark.req("M7-11")),
        pytest.param("m7-6.16", "second_factor", "optional", "M7-3", marks=pytest.mark.req("M7-3")),
        pytest.param("hkex", "password.max_age", 91 * 86400, "HK-4", marks=pytest.mark.req("HK-4")),
        pytest.param("hkex", "password.max_age", 0, "HK-4", marks=pytest.mark.req("HK-4")),
        pytest.param("cqg", "second_factor", "optional", "CQ-2", marks=pytest.mark.req("CQ-2")),
        pytest.param("default", "sessions.idle", 0, "SF-9", marks=pytest.mark.req("SF-9")),
        pytest.param("default", "sessions.lifetime", 1e9, "SF-9", marks=pytest.mark.req("SF-9")),
    ],
)
def test_a_weaker_setting_is_refused_and_the_message_names_setting_value_and_row(name, setting, value, row):
    with pytest.raises(WeakerThanProfile) as refused:
        resolve(shipped(name), {setting: value})
    (violation,) = refused.value.violations
    assert (setting, row) == (violation.bound.setting, violation.bound.row)
    assert setting in str(refused.value)
    assert row in str(refused.value)


@pytest.mark.req("SF-9")
@pytest.mark.parametrize("never", [float("inf"), float("nan")])
def test_there_is_no_never(never):
    with pytest.raises(BadSetting, match=r"sessions\.idle"):
        resolve(shipped("default"), {"sessions": {"idle": never}})


def test_all_violations_are_listed_at_once():
    weaker = {"sessions": {"idle": 3600}, "exemptions": True, "totp.max_devices": 9}
    with pytest.raises(WeakerThanProfile) as refused:
        resolve(shipped("sfc-vatp"), weaker)
    assert {"SF-4", "SF-6", "SF-10"} == {violation.bound.row for violation in refused.value.violations}


def test_stricter_settings_are_taken_nested_or_dotted():
    policy = resolve(shipped("sfc-vatp"), {"sessions": {"idle": 60}, "lockout.threshold": 2})
    assert (policy.sessions.idle, policy.lockout.threshold) == (60.0, 2)


def test_the_enums_of_a_configuration_that_is_parsed_already_are_taken_too():
    policy = resolve(shipped("default"), {"lockout": {"counts": frozenset({Counted.CODE}), "scope": LockScope.ACCOUNT}})
    assert policy.lockout.counts == {Counted.CODE}


@pytest.mark.req("TW-5")
def test_a_lock_until_somebody_unlocks_is_longer_than_fifteen_minutes():
    assert resolve(shipped("tw-securities"), {"lockout.duration": 0}).lockout.duration == 0


@pytest.mark.parametrize(
    "overrides",
    [
        {"sessions": {"idel": 1}},
        {"sesions": {"idle": 1}},
        {"totp": 3},
        {"totp.window.deep": 3},
        {"totp.window": True},
        {"totp.window": 1.5},
        {"exemptions": 1},
        {"sessions.idle": "1800"},
        {"lockout.counts": "code"},
        {"lockout.counts": ["coed"]},
        {"second_factor": "maybe"},
    ],
)
def test_a_setting_that_does_not_exist_or_has_the_wrong_kind_is_named(overrides):
    with pytest.raises(BadSetting):
        resolve(shipped("default"), overrides)


def test_every_unknown_setting_is_listed_at_once():
    with pytest.raises(BadSetting) as refused:
        resolve(shipped("default"), {"a": 1, "totp": {"b": 2}})
    assert len(str(refused.value).splitlines()) == 2


@pytest.mark.parametrize(
    "data",
    [
        {"setings": {}},
        {"bounds": [{"setting": "sessions.idle", "at_most": 1, "why": "no row"}]},
        {"bounds": [{"setting": "sessions.idle", "row": "SF-10", "why": "no limit"}]},
        {"bounds": [{"setting": "sessions.ilde", "at_most": 1, "row": "SF-10", "why": "misspelt"}]},
        {"bounds": [{"setting": "sessions.idle", "at_mots": 1, "row": "SF-10", "why": "misspelt"}]},
    ],
)
def test_a_profile_file_with_a_mistake_is_refused(data):
    with pytest.raises(BadSetting):
        load("broken", data)


def test_a_profile_that_breaks_its_own_bound_is_refused():
    bound = {"setting": "sessions.idle", "at_most": 60, "row": "SF-10", "why": "test"}
    with pytest.raises(WeakerThanProfile):
        load("broken", {"settings": {"sessions": {"idle": 61}}, "bounds": [bound]})


def test_every_setting_has_a_dotted_name_and_reads_back_the_same():
    for name in NAMES:
        policy = shipped(name).policy
        assert policy == resolve(Profile("any", "", Policy(), ()), settings(policy))
    assert "lockout.address_budget" in settings(Policy())


@given(
    st.dictionaries(
        st.sampled_from([bound.setting for bound in profile.ALWAYS if not bound.contains]), st.integers(-10, 10**7)
    )
)
def test_what_is_accepted_keeps_every_bound(overrides):
    sfc = shipped("sfc-vatp")
    try:
        policy = resolve(sfc, overrides)
    except WeakerThanProfile as weaker:
        assert weaker.violations  # noqa: PT017 - either outcome is right, each with its proof
    else:
        assert not list(profile.violations(sfc, policy))
        assert policy.sessions.idle <= 1800


@pytest.mark.req("HK-2", "SF-1")
def test_the_profile_says_where_codes_may_come_from():
    allowed = {name: {one.value for one in shipped(name).policy.channels} for name in NAMES}
    assert allowed["hkex"] == {"app", "email"}
    assert allowed["sfc-vatp"] == {"app", "sms"}
    assert allowed["default"] == allowed["tw-securities"] == {"app", "email", "sms"}
    assert allowed["m7-6.15"] == allowed["m7-6.16"] == allowed["cqg"] == {"app"}


@pytest.mark.req("SF-2", "SF-3")
def test_no_configuration_lets_the_sfc_s_clients_have_their_codes_by_e_mail():
    with pytest.raises(WeakerThanProfile, match="SF-2"):
        resolve(shipped("sfc-vatp"), {"channels": ["app", "email"]})
    assert {one.value for one in resolve(shipped("sfc-vatp"), {"channels": ["app"]}).channels} == {"app"}


@pytest.mark.req("HK-2")
def test_no_configuration_takes_the_authenticator_away():
    with pytest.raises(WeakerThanProfile, match="app"):
        resolve(shipped("default"), {"channels": ["sms"]})


def test_a_policy_is_a_plain_value():
    assert asdict(replace(Policy(), refusal_floor=1.0))["refusal_floor"] == 1.0
