"""Administering users over a real SQLite store: each act, its rules and its audit row."""

import asyncio
import base64

import pyotp
import pytest

from gateway.auth.passwords import WeakPassword
from gateway.auth.users import People, WrongCode, WrongPassword
from gateway.core.login import Admitted
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import PasswordRules, Policy, TotpRules
from gateway.policy.snapshot import Device, Method, User
from gateway.store.errors import Conflict, NotFound
from gateway.store.ports import Actor
from tests.unit.auth.rig import NOW, PASSWORD, Rig

OPS = Actor("ops", NOW)
BLANK = Device("", Secret(b""), confirmed=False)
POLICY = Policy(password=PasswordRules(min_age=3600, history=3), totp=TotpRules(max_devices=1))


@pytest.fixture
def people(rig: Rig) -> People:
    return People(rig.store, Policies(POLICY), rig.passwords)


async def test_a_user_without_a_process_may_present_its_own_name_as_one(people: People):
    added = await people.add(User("", "bob", method=Method.PASSWORD), Secret("correct Horse 8"), OPS)
    assert added.user.processes == {"bob"}


@pytest.mark.req("TW-6")
async def test_a_new_users_password_keeps_the_rules(people: People):
    with pytest.raises(WeakPassword, match="fewer than 12"):
        await people.add(User("", "bob"), Secret("short"), OPS)
    with pytest.raises(NotFound):
        await people._store.users.show("bob")


@pytest.mark.req("TW-7")
async def test_the_present_password_is_not_chosen_again(people: People):
    with pytest.raises(WeakPassword, match="last ones"):
        await people.set_password("alice", Secret(PASSWORD), OPS, must_change=False)


@pytest.mark.req("TW-3")
async def test_an_initial_password_opens_no_session(rig: Rig, people: People):
    await people.set_password("alice", Secret("initial Pass 1"), OPS, must_change=True)
    assert (await rig.login(password="initial Pass 1")).reason is Reason.MUST_CHANGE_PASSWORD


@pytest.mark.req("M7-4", "TW-6")
async def test_ones_own_password_is_changed_with_the_current_one_and_not_too_soon(people: People):
    new = Secret("another Horse 9")
    with pytest.raises(WrongPassword):
        await people.change_password("alice", Secret("wrong"), new, OPS)
    with pytest.raises(WeakPassword, match="too soon"):
        await people.change_password("alice", Secret(PASSWORD), new, OPS)
    await people.change_password("alice", Secret(PASSWORD), new, Actor("alice", NOW + 7200))


@pytest.mark.req("HK-7")
async def test_disabling_a_user_ends_its_live_sessions(rig: Rig, people: People):
    grant = await rig.login()
    assert isinstance(grant, Admitted)
    await people.set_enabled("alice", OPS, enabled=False)
    async with asyncio.timeout(10):
        order = await anext(aiter(rig.authority.orders()))
    assert (order.session, order.reason) == (grant.session, Reason.RIGHT_REMOVED)


@pytest.mark.req("SF-6")
async def test_a_user_has_no_more_devices_than_the_policy_allows(people: People):
    with pytest.raises(Conflict):
        await people.enroll("alice", BLANK, "second", OPS)


@pytest.mark.req("M7-4", "M7-6")
async def test_a_new_authenticator_counts_once_a_code_of_it_was_seen(rig: Rig, people: People):
    assert await people.reset("alice", OPS) == 1
    made = await people.enroll("alice", BLANK, "phone", OPS)
    assert (await rig.login(code="")).reason is Reason.NOT_ENROLLED
    key = made.secret.reveal().decode()
    with pytest.raises(WrongCode):
        await people.confirm("alice", made.device, Secret("000000"), OPS)
    await people.confirm("alice", made.device, Secret(pyotp.TOTP(key).at(int(NOW))), OPS)
    rig.clock.move(20)
    assert isinstance(await rig.login(code=pyotp.TOTP(key).at(int(NOW + 20))), Admitted)
    assert len(base64.b32decode(key)) == 20


@pytest.mark.req("TW-12")
async def test_a_session_is_listed_and_kicked(rig: Rig, people: People):
    grant = await rig.login()
    assert [row.id for row in await people.sessions(NOW, "alice")] == [grant.session]
    await people.kick(grant.session, OPS)
    assert await people.sessions(NOW) == ()
    with pytest.raises(NotFound):
        await people.kick(grant.session, OPS)


@pytest.mark.req("TW-5")
async def test_every_act_is_audited_with_its_actor(rig: Rig, people: People):
    before = len(await rig.store.audit.rows())
    await people.unlock("alice", OPS)
    await people.reset("alice", OPS)
    rows = (await rig.store.audit.rows())[before:]
    assert [row.event for row in rows] == ["user.unlocked", "device.removed"]
    assert all('"actor":"ops"' in row.details for row in rows)
