"""Sessions of the portal on both engines: opened by proof, ended by time and by every change of what opened them."""

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from gateway.auth.proofs import Claim, Denied
from gateway.auth.signin import Entered, Level, WebSession
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.proof import Factor
from gateway.policy.roles import Grant, Role
from gateway.policy.rules import Channel, LockoutRules, PasswordRules, Policy, SecondFactor, SessionRules
from gateway.policy.snapshot import Device, Method
from gateway.store.errors import NotFound
from gateway.store.schema import web_sessions
from tests.contract.staff import DAY, PASSWORD, Staff
from tests.contract.world import ADMIN

RIGHT, WRONG, NEW = Secret(PASSWORD), Secret("not the Horse 1"), Secret("another Horse 9")
NOTHING = frozenset[Factor]()
BLANK = Device("", Secret(b""))
IDLE, LIFETIME = 900.0, 8 * 3600.0


async def enter(staff: Staff, name: str = "tom", **claim: Secret | None) -> Entered:
    given = {"password": RIGHT, **claim}
    return await staff.office.signin.enter(Claim(name, **given), staff.by(name))


async def signed_in(staff: Staff, name: str = "tom") -> Entered:
    return await enter(staff, name, code=staff.code(name))


async def resume(staff: Staff, entered: Entered) -> WebSession:
    return await staff.office.signin.resume(entered.token, staff.by("browser"))


async def is_over(staff: Staff, entered: Entered) -> bool:
    try:
        await resume(staff, entered)
    except NotFound:
        return True
    return False


@pytest.mark.req("SF-10")
async def test_a_clock_that_is_set_back_far_prolongs_no_session(staff: Staff):
    near, far = await signed_in(staff), await signed_in(staff)
    staff.clock.wall -= 60
    assert not await is_over(staff, near)
    staff.clock.wall -= DAY
    assert await is_over(staff, far)


# ── signing in ──


@pytest.mark.req("M7-16", "TW-2")
async def test_password_and_code_open_a_session_that_the_token_resumes(staff: Staff):
    entered = await signed_in(staff)
    now = staff.clock.wall
    assert entered.session == WebSession("tom", Level.FULL, NOTHING, now, now + LIFETIME, "192.0.2.7")
    assert await resume(staff, entered) == entered.session
    assert (await staff.events())[-2:] == ["proof.given", "web.signed_in"]


@pytest.mark.req("TW-10", "TW-11")
async def test_the_store_has_the_tokens_digest_and_not_the_token(staff: Staff):
    entered = await signed_in(staff)
    (row,) = await staff.store.survey(lambda connection: connection.execute(web_sessions.select()).all())
    token = entered.token.reveal()
    assert (len(token), bytes(row.digest)) == (43, sha256(token).digest())
    assert token not in repr(row).encode()
    assert token.decode() not in repr(entered)


@pytest.mark.req("SF-4", "TW-2")
@pytest.mark.parametrize("password", [RIGHT, WRONG])
async def test_without_its_code_a_right_password_is_refused_as_a_wrong_one_is(staff: Staff, password: Secret):
    with pytest.raises(Denied) as no:
        await enter(staff, password=password)
    assert (no.value.reason, (await staff.store.users.show("tom")).failures.count) == (Reason.MISSING_CODE, 1)


@pytest.mark.req("TW-8", "TW-9")
async def test_the_answer_and_its_time_are_the_same_whatever_was_wrong(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=2, duration=0)))
    for name, user in {"tom": {}, "bare": {"device": False}, "locked": {}, "gone": {"enabled": False}}.items():
        await staff.hire(name, **user)
    for number in range(2):
        with pytest.raises(Denied):
            await enter(staff, "locked", password=Secret(f"guess {number}"))
    answers = set()
    for name, claim in (
        ("nobody", {}), ("tom", {}), ("tom", {"code": Secret("000000")}), ("bare", {"password": WRONG}),
        ("bare", {"code": Secret("000000")}), ("locked", {}), ("gone", {"code": staff.code("gone")}),
    ):  # fmt: skip
        staff.slept.clear()
        began = staff.clock.wall
        with pytest.raises(Denied) as no:
            await enter(staff, name, **claim)
        answers.add((str(no.value).partition(";")[0], round(staff.clock.wall - began, 6)))
    assert len(answers) == 1


@pytest.mark.req("HK-5")
async def test_a_recovery_code_stands_in_for_the_code(staff: Staff):
    codes = await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    assert (await enter(staff, recovery=codes[0])).session.level is Level.FULL
    with pytest.raises(Denied):
        await enter(staff, recovery=codes[0])


@pytest.mark.req("HK-3", "CQ-2", "TW-3")
async def test_who_has_no_authenticator_yet_sets_everything_up_in_the_same_session(staff: Staff):
    await staff.hire("new", device=False, must_change=True)
    first = await enter(staff, "new")
    assert (first.session.level, first.session.todo) == (Level.SETUP, frozenset(Factor))

    await staff.office.myself.change_password(RIGHT, NEW, staff.by("new"))
    second = await staff.office.signin.renew(first.token, staff.by("new"))
    assert (second.session.level, second.session.todo) == (Level.SETUP, {Factor.CODE})

    made = await staff.office.myself.add(NEW, BLANK, "phone", staff.by("new"))
    await staff.office.myself.confirm(made.device, await staff.first_code(made, "new"), staff.by("new"))
    third = await staff.office.signin.renew(second.token, staff.by("new"))
    assert (third.session.level, third.session.todo) == (Level.FULL, NOTHING)
    assert [await is_over(staff, one) for one in (first, second, third)] == [True, True, False]


@pytest.mark.req("CQ-4", "M7-3")
async def test_who_needs_no_code_is_in_with_the_password(store, passwords):
    staff = Staff.make(store, passwords, Policy(second_factor=SecondFactor.OPTIONAL))
    await staff.hire("old", device=False, method=Method.PASSWORD)
    await staff.hire("m7", device=False)
    assert [(await enter(staff, name)).session.level for name in ("old", "m7")] == [Level.FULL] * 2


@pytest.mark.req("TW-2")
async def test_an_administrator_needs_a_second_factor_whatever_its_method(staff: Staff):
    await staff.hire("root3", Role.EXCHANGE_ADMIN, device=False, method=Method.PASSWORD)
    assert (await enter(staff, "root3")).session.todo == {Factor.CODE}


@pytest.mark.req("HK-4", "TW-3")
async def test_an_expired_password_must_be_changed_first_also_when_it_expires_meanwhile(store, passwords):
    staff = Staff.make(store, passwords, Policy(password=PasswordRules(max_age=DAY)))
    await staff.hire("tom", password_changed=staff.clock.wall)
    staff.clock.move(DAY - 300)
    entered = await signed_in(staff)
    assert entered.session.level is Level.FULL
    staff.clock.move(600)
    session = await resume(staff, entered)
    assert (session.level, session.todo) == (Level.SETUP, {Factor.PASSWORD})
    assert (await signed_in(staff)).session.todo == {Factor.PASSWORD}


# ── ends ──


@pytest.mark.req("SF-9", "SF-10")
async def test_a_session_ends_when_it_idles_and_when_it_is_old_however_busy(staff: Staff):
    idle, busy = await signed_in(staff), await signed_in(staff, "zoe")
    steps = int(LIFETIME / (IDLE - 60))
    for _ in range(steps):
        staff.clock.move(IDLE - 60)
        assert not await is_over(staff, busy)
    assert await is_over(staff, idle)
    staff.clock.move(LIFETIME - steps * (IDLE - 60))
    assert await is_over(staff, busy)


async def test_signing_out_ends_the_session_once(staff: Staff):
    entered = await signed_in(staff)
    for _ in range(2):
        await staff.office.signin.leave(entered.token, staff.by("tom"))
    assert await is_over(staff, entered)
    assert (await staff.events()).count("web.signed_out") == 1


async def test_nobody_resumes_with_a_token_that_was_never_given(staff: Staff):
    with pytest.raises(NotFound):
        await staff.office.signin.resume(Secret("guessed"), staff.by("browser"))


async def changed_password(staff: Staff) -> None:
    await staff.office.people.set_password("tom", NEW, ADMIN, must_change=False)


async def changed_devices(staff: Staff) -> None:
    await staff.office.people.reset("tom", ADMIN)


async def disabled(staff: Staff) -> None:
    await staff.office.people.set_enabled("tom", ADMIN, enabled=False)


async def given_a_role(staff: Staff) -> None:
    await staff.store.users.grant("tom", Grant(Role.AUDITOR, staff.clock.wall + DAY), ADMIN)


async def moved_to_another_firm(staff: Staff) -> None:
    account = await staff.store.users.show("tom")
    await staff.store.users.change(replace(account.user, organisation="ZEN"), account.revision, ADMIN)


async def past_its_last_day(staff: Staff) -> None:
    account = await staff.store.users.show("tom")
    await staff.store.users.change(replace(account.user, valid_until=staff.clock.wall), account.revision, ADMIN)


async def told_to_change(staff: Staff) -> None:
    account = await staff.store.users.show("tom")
    await staff.store.users.change(replace(account.user, must_change=True), account.revision, ADMIN)


async def left_everywhere(staff: Staff) -> None:
    await staff.office.signin.leave_all("tom", ADMIN)


@pytest.mark.req("HK-7", "M7-6", "HK-6")
@pytest.mark.parametrize(
    "change",
    [changed_password, changed_devices, disabled, given_a_role, moved_to_another_firm, past_its_last_day,
     told_to_change, left_everywhere],
)  # fmt: skip
async def test_what_takes_a_right_away_ends_all_sessions_of_that_user_at_their_next_request(staff: Staff, change):
    mine, also, other = await signed_in(staff), await signed_in(staff), await signed_in(staff, "zoe")
    await change(staff)
    assert [await is_over(staff, one) for one in (mine, also, other)] == [True, True, False]


@pytest.mark.req("SF-13")
async def test_a_role_that_ends_ends_the_session_it_was_opened_with(staff: Staff):
    await staff.hire("temp", Role.AUDITOR, days=0.2)
    entered = await signed_in(staff, "temp")
    staff.clock.move(0.2 * DAY - 120)
    await staff.store.web_sessions.seen(sha256(entered.token.reveal()).digest(), staff.clock.wall)
    assert not await is_over(staff, entered)
    staff.clock.move(120)
    assert await is_over(staff, entered)


async def test_a_failed_login_elsewhere_does_not_end_a_session(staff: Staff):
    entered = await signed_in(staff)
    with pytest.raises(Denied):
        await enter(staff, password=WRONG, code=Secret("000000"))
    assert not await is_over(staff, entered)


# ── two browsers ──


async def test_who_changes_its_password_stays_and_the_other_browser_is_out(staff: Staff):
    here, there = await signed_in(staff), await signed_in(staff)
    await staff.office.myself.change_password(RIGHT, NEW, staff.by("tom"))
    renewed = await staff.office.signin.renew(here.token, staff.by("tom"))
    assert [await is_over(staff, one) for one in (here, there, renewed)] == [True, True, False]
    assert renewed.session.expires == here.session.expires


async def test_of_two_renewals_at_once_one_wins_and_one_session_is_left(staff: Staff):
    entered = await signed_in(staff)
    renewals = (staff.office.signin.renew(entered.token, staff.by("tom")) for _ in range(4))
    done = await asyncio.gather(*renewals, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Entered"] + ["NotFound"] * 3
    rows = await staff.store.survey(lambda connection: connection.execute(web_sessions.select()).all())
    assert len(rows) == 1


@pytest.mark.req("TW-1", "SF-6")
async def test_one_has_as_many_sessions_as_at_a_venue_and_the_oldest_gives_way(store, passwords):
    staff = Staff.make(store, passwords, Policy(sessions=SessionRules(max_per_user=2)))
    await staff.hire("tom")
    entered = [await signed_in(staff) for _ in range(3)]
    assert [await is_over(staff, one) for one in entered] == [True, False, False]
    assert (await staff.events())[-2:] == ["web.signed_out", "web.signed_in"]


@pytest.mark.req("SF-5")
async def test_half_sessions_push_no_whole_one_out(store, passwords):
    staff = Staff.make(store, passwords, Policy(sessions=SessionRules(max_per_user=2)))
    await staff.hire("tom", channel=Channel.EMAIL)
    whole = [await signed_in(staff) for _ in range(2)]
    half = []
    for _ in range(3):
        staff.clock.move(1)
        half.append(await enter(staff))
    assert [await is_over(staff, one) for one in whole + half] == [False, False, True, False, False]


async def test_a_session_that_is_over_is_not_renewed(staff: Staff):
    entered = await signed_in(staff)
    await disabled(staff)
    with pytest.raises(NotFound):
        await staff.office.signin.renew(entered.token, staff.by("tom"))


async def test_sessions_that_are_over_are_pruned_and_others_not(staff: Staff):
    await signed_in(staff)
    staff.clock.move(LIFETIME - 1000)
    live = await signed_in(staff, "zoe")
    await staff.store.prune(staff.clock.wall + 1000)
    rows = await staff.store.survey(lambda connection: connection.execute(web_sessions.select()).all())
    assert [bytes(row.digest) for row in rows] == [sha256(live.token.reveal()).digest()]
