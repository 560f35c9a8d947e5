"""Firms with terms of their own: each user is judged by its firm's policy, at one gateway over one store (CQ-8)."""

import base64
from dataclasses import replace

import pyotp
import pytest

from gateway.auth.authority import LocalAuthority
from gateway.auth.house import House
from gateway.auth.intake.intake import Intake
from gateway.auth.intake.rows import read_csv
from gateway.auth.parts import Parts
from gateway.auth.passwords import WeakPassword
from gateway.auth.reminders import reminders
from gateway.core.login import Admitted, Attempt, Login, Origin, Verdict
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.links import Purpose
from gateway.policy.organisations import Policies
from gateway.policy.roles import Role
from gateway.policy.rules import (
    LockoutRules,
    LockScope,
    PasswordRules,
    Policy,
    Reuse,
    SecondFactor,
    SessionRules,
    TotpRules,
)
from gateway.policy.snapshot import Device
from gateway.store.errors import Conflict
from tests.contract.staff import DAY, PASSWORD, Staff
from tests.contract.world import ADMIN

pytestmark = pytest.mark.req("CQ-8")

HERE, THERE = "192.0.2.7", "198.51.100.9"
HOUSE = Policy(totp=TotpRules(reuse=Reuse.WITHIN_STEP), lockout=LockoutRules(threshold=5, address_budget=12))
ACME = replace(
    HOUSE,
    sessions=SessionRules(idle=300.0, lifetime=3600.0),
    lockout=replace(HOUSE.lockout, threshold=2, duration=0.0),
    password=PasswordRules(min_length=20, max_age=30 * DAY),
    totp=TotpRules(reuse=Reuse.WITHIN_STEP, max_devices=1),
)
ZEN = replace(
    HOUSE,
    second_factor=SecondFactor.OPTIONAL,
    lockout=replace(HOUSE.lockout, threshold=3, scope=LockScope.ACCOUNT_AND_SOURCE),
)
FIRMS = {"ACME": ACME, "ZEN": ZEN}


@pytest.fixture
async def staff(store, passwords) -> Staff:
    staff = Staff.make(store, passwords, HOUSE, firms=FIRMS)
    for name, firm in (("ann", "ACME"), ("zoe", "ZEN"), ("tom", ""), ("pat", "PLAIN")):
        await staff.hire(name, firm=firm)
    return staff


@pytest.fixture
def authority(staff: Staff, passwords) -> LocalAuthority:
    async def sleep(seconds: float) -> None:
        staff.slept.append(seconds)
        staff.clock.move(seconds)

    policies = Policies(HOUSE, FIRMS)
    logins = staff.store.logins(node="n1", policy_of=policies, clock=staff.clock)
    digest = staff.store.vault.credential_digest
    return LocalAuthority(Parts(logins, passwords, policies, digest, staff.clock, sleep=sleep), staff.store.audit)


async def login(
    authority: LocalAuthority, staff: Staff, name: str, *, wrong: int | None = None, address: str = HERE
) -> Verdict:
    """Log in with the code of now, or with a wrong password of that number."""
    now = staff.clock()
    code = pyotp.TOTP(base64.b32encode(staff.keys[name]).decode()).at(int(now.wall)) if name in staff.keys else ""
    password = PASSWORD if wrong is None else f"wrong {wrong}"
    found = Login("fix", name, name, "EXCH", "FIX.4.4", Secret(password), code and Secret(code), f"{name}>EXCH")
    return await authority.verify(Attempt(found, Origin("c1", "fix", address, 1), "main", now))


async def reasons(authority: LocalAuthority, staff: Staff, name: str, times: int, **where: str) -> list[Reason | None]:
    return [
        getattr(await login(authority, staff, name, wrong=number, **where), "reason", None) for number in range(times)
    ]


async def moves(staff: Staff, name: str, firm: str) -> None:
    account = await staff.store.users.show(name)
    await staff.store.users.change(replace(account.user, organisation=firm), account.revision, ADMIN)


# ── logins ──


@pytest.mark.parametrize(
    ("name", "idle", "lifetime"),
    [("ann", 300, 3600), ("zoe", 1800, 86400), ("tom", 1800, 86400), ("pat", 1800, 86400)],
)
async def test_a_session_lives_as_its_users_firm_says(authority, staff: Staff, name: str, idle: int, lifetime: int):
    verdict = await login(authority, staff, name)

    assert isinstance(verdict, Admitted), verdict
    assert (verdict.idle, verdict.lifetime) == (idle, lifetime)


async def test_a_change_of_the_organisation_is_felt_by_the_next_login(authority, staff: Staff):
    before = await login(authority, staff, "ann")
    await moves(staff, "ann", "ZEN")

    after = await login(authority, staff, "ann")

    assert [one.idle for one in (before, after) if isinstance(one, Admitted)] == [300, 1800]


@pytest.mark.req("M7-11", "TW-5")
async def test_each_firm_locks_after_its_own_number_of_failures(authority, staff: Staff):
    wrong = [await reasons(authority, staff, name, 4) for name in ("ann", "zoe", "tom")]

    bad, locked = Reason.BAD_PASSWORD, Reason.LOCKED
    assert wrong == [[bad, bad, locked, locked], [bad, bad, bad, locked], [bad] * 4]
    assert (await staff.store.users.show("ann")).failures.revoked
    assert isinstance(await login(authority, staff, "tom"), Admitted)


async def test_one_firms_lock_shuts_the_account_and_the_others_only_for_the_address(authority, staff: Staff):
    for name in ("ann", "zoe"):
        await reasons(authority, staff, name, 3)

    elsewhere = [await login(authority, staff, name, address=THERE) for name in ("ann", "zoe")]

    assert getattr(elsewhere[0], "reason", None) is Reason.LOCKED
    assert isinstance(elsewhere[1], Admitted)
    assert await reasons(authority, staff, "zoe", 1) == [Reason.LOCKED]


async def test_two_records_of_failures_stand_beside_each_other_and_the_firm_says_which_counts(authority, staff: Staff):
    await reasons(authority, staff, "zoe", 2)
    await moves(staff, "zoe", "PLAIN")
    await reasons(authority, staff, "zoe", 4)
    await moves(staff, "zoe", "ZEN")

    assert await reasons(authority, staff, "zoe", 2) == [Reason.REPEATED, Reason.REPEATED], "two of this address's"
    assert getattr(await login(authority, staff, "zoe", wrong=9), "reason", None) is Reason.BAD_PASSWORD
    assert getattr(await login(authority, staff, "zoe"), "reason", None) is Reason.LOCKED, "that was the third"


@pytest.mark.req("SF-8", "TW-8")
async def test_an_address_spends_one_budget_whatever_firm_it_tries(authority, staff: Staff):
    for round_ in range(5):
        for name in ("ann", "zoe", "tom", "pat"):
            await login(authority, staff, name, wrong=round_, address=THERE)

    seen = [getattr(await login(authority, staff, name, address=THERE), "reason", None) for name in ("pat", "zoe")]

    assert seen == [Reason.ADDRESS_BLOCKED] * 2


@pytest.mark.req("BY-3")
async def test_a_refusal_leaves_at_the_same_time_whose_user_it_is(authority, staff: Staff):
    for name in ("ann", "zoe", "tom", "nobody"):
        staff.keys.setdefault(name, b"k" * 20)
        await login(authority, staff, name, wrong=1)

    assert staff.slept == pytest.approx([HOUSE.refusal_floor] * 4)


# ── people ──


@pytest.mark.req("TW-6")
async def test_a_password_keeps_its_firms_rules(staff: Staff):
    new = Secret("Sixteen-letters1")
    await staff.office.people.set_password("zoe", new, ADMIN, must_change=False)
    with pytest.raises(WeakPassword, match="20"):
        await staff.office.people.set_password("ann", new, ADMIN, must_change=False)


@pytest.mark.req("SF-6")
async def test_a_person_has_as_many_authenticators_as_its_firm_allows(staff: Staff):
    blank = Device("", Secret(b""))
    await staff.office.people.enroll("zoe", blank, "second", ADMIN)
    with pytest.raises(Conflict):
        await staff.office.people.enroll("ann", blank, "second", ADMIN)


@pytest.mark.req("SF-6", "HK-8")
async def test_an_import_gives_nobody_more_authenticators_than_its_firm_allows(staff: Staff):
    key = base64.b32encode(b"k" * 20).decode()
    rows = [f"{name},{firm},{key}" for name, firm in (("new1", "ACME"), ("new2", "ZEN"), ("ann", ""), ("zoe", ""))]
    again = [f"{name},,{key}" for name in ("new1", "new2")]
    reading = read_csv("\n".join(["user,organisation,totp_key", *rows, *again]).encode())

    intake = Intake(staff.store, Policies(HOUSE, FIRMS), House())
    checked = await intake.check(reading, strangers=True)

    assert [fault.text for fault in checked.faults] == [
        "user 'ann' would have more than 1 authenticators", "user 'new1' would have more than 1 authenticators"
    ]  # fmt: skip


@pytest.mark.req("SF-6", "HK-8", "HK-6")
async def test_what_a_firm_imports_is_judged_by_its_own_policy_though_the_file_names_no_firm(staff: Staff):
    await staff.hire("acme1", Role.DELEGATED_ADMIN, "ACME")
    key = base64.b32encode(b"k" * 20).decode()
    reading = read_csv(f"user,totp_key\nnew,{key}\nnew,{key}\n".encode())

    checked = await staff.office.desk.import_people(reading, staff.by("acme1"), partial=True)

    assert ([fault.line for fault in checked.faults], checked.devices) == ([3], 1)
    assert (await staff.store.users.show("new")).user.organisation == "ACME"


@pytest.mark.req("SF-7", "HK-4")
async def test_a_password_expires_when_its_firm_says(staff: Staff):
    accounts = await staff.store.users.list()
    at = staff.clock.wall + 20 * DAY

    found = reminders(accounts, Policies(HOUSE, FIRMS), House(), at)

    assert [one.user for one in found] == ["ann"]


@pytest.mark.req("M7-3", "CQ-4")
async def test_whether_a_code_is_demanded_is_the_firms_to_say(authority, staff: Staff):
    for name, firm in (("bare1", "ACME"), ("bare2", "ZEN")):
        await staff.hire(name, firm=firm, device=False)

    verdicts = [await login(authority, staff, name) for name in ("bare1", "bare2")]
    for name in ("bare1", "bare2"):
        await staff.office.links.ask(Purpose.RESET_PASSWORD, name, staff.by(name))

    assert getattr(verdicts[0], "reason", None) is Reason.NOT_ENROLLED
    assert isinstance(verdicts[1], Admitted)
    assert [letter.user for letter in staff.tray.letters] == ["bare2"], "nothing would be left to prove for the other"
