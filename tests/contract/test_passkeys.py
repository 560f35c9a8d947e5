"""Passkeys on both engines, with a software authenticator: a second factor for the portal, guessed at no cheaper."""

import asyncio
import json

import pytest

from gateway.auth.house import House
from gateway.auth.passkeys import BadPasskey
from gateway.auth.proofs import Claim, Denied
from gateway.auth.signin import Entered, Level
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.proof import Factor
from gateway.policy.roles import Act
from gateway.policy.rules import LockoutRules, Policy, TotpRules
from gateway.store.errors import Conflict, NotFound
from tests.contract.authenticator import Authenticator, b64
from tests.contract.staff import PASSWORD, Staff
from tests.contract.test_links import asked
from tests.contract.test_websessions import enter, is_over, signed_in
from tests.contract.world import ADMIN

RIGHT, WRONG = Secret(PASSWORD), Secret("not the Horse 1")


async def registered(
    staff: Staff, name: str = "tom", key: Authenticator | None = None
) -> tuple[Entered, Authenticator]:
    """Sign in with a code and add a passkey."""
    passkeys, by, key = staff.office.passkeys, staff.by(name), key or Authenticator()
    token = (await signed_in(staff, name)).token
    options = await passkeys.begin(token, RIGHT, by)
    return await passkeys.add(token, key.create(options), "my laptop", by), key


async def asked_for(staff: Staff, name: str = "tom") -> tuple[Secret, str]:
    """Give the password alone and be asked for the passkey."""
    entered = await enter(staff, name)
    assert entered.session.level is Level.PASSWORD
    return entered.token, await staff.office.passkeys.ask(entered.token, staff.by(name))


async def answers(staff: Staff, token: Secret, answer: Secret, name: str = "tom") -> Entered:
    return await staff.office.passkeys.answer(token, answer, staff.by(name))


@pytest.mark.req("TW-2", "M7-16")
async def test_a_passkey_stands_in_for_the_code_at_the_portal(staff: Staff):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    halfway = await staff.office.signin.resume(token, staff.by("tom"))
    entered = await answers(staff, token, key.get(options))

    assert (halfway.level, entered.session.level, entered.session.todo) == (Level.PASSWORD, Level.FULL, frozenset())
    with pytest.raises(NotFound):
        await staff.office.signin.resume(token, staff.by("tom"))
    (mine,) = await staff.office.passkeys.mine(staff.by("tom"))
    assert (mine.name, mine.last_used) == ("my laptop", staff.clock.wall)
    assert (await staff.events())[-2:] == ["proof.given", "web.signed_in"]


@pytest.mark.req("M7-4")
async def test_a_password_vouches_for_a_new_passkey_for_ten_minutes(staff: Staff):
    """Or a screen that was left alone would take somebody else's hours later."""
    passkeys, signin = staff.office.passkeys, staff.office.signin
    token = (await signed_in(staff)).token
    options = await passkeys.begin(token, RIGHT, staff.by("tom"))
    for _ in range(2):
        staff.clock.move(300)
        await signin.resume(token, staff.by("tom"))
    with pytest.raises(BadPasskey):
        await passkeys.add(token, Authenticator().create(options), "thief's", staff.by("tom"))
    assert await passkeys.mine(staff.by("tom")) == ()


@pytest.mark.req("TW-2", "SF-5")
async def test_a_passkey_alone_and_a_password_alone_are_not_enough(staff: Staff):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    for act in (
        staff.office.passkeys.begin(token, RIGHT, staff.by("tom")),
        staff.office.passkeys.remove(token, RIGHT, "any", staff.by("tom")),
    ):
        with pytest.raises(Conflict):
            await act
    with pytest.raises(Denied):
        await enter(staff, password=WRONG)
    with pytest.raises(NotFound):
        await answers(staff, Secret("no token"), key.get(options))


@pytest.mark.req("SF-8", "TW-8", "M7-11")
async def test_wrong_answers_count_as_wrong_codes_and_lock_the_account(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=3)))
    await staff.hire("tom")
    await registered(staff)
    for _ in range(3):
        token, options = await asked_for(staff)
        with pytest.raises(Denied) as no:
            await answers(staff, token, Authenticator().get(options))
        assert no.value.reason is Reason.BAD_CODE
    with pytest.raises(Denied) as no:
        await signed_in(staff)
    assert no.value.reason is Reason.LOCKED


@pytest.mark.req("SF-8")
async def test_a_good_answer_ends_a_row_of_failures(staff: Staff):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    with pytest.raises(Denied):
        await answers(staff, token, Secret("{}"))
    options = await staff.office.passkeys.ask(token, staff.by("tom"))
    await answers(staff, token, key.get(options))
    assert (await staff.store.users.show("tom")).failures.count == 0


@pytest.mark.parametrize(
    "forged",
    [
        {"challenge": b64(bytes(64))}, {"origin": "https://portal.example.evil"}, {"type": "webauthn.create"},
        {"origin": "http://portal.example"},
    ],
)  # fmt: skip
@pytest.mark.req("TW-2")
async def test_an_answer_to_another_question_site_or_kind_is_refused(staff: Staff, forged: dict):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    with pytest.raises(Denied):
        await answers(staff, token, key.get(options, **forged))


@pytest.mark.parametrize("answer", ["", "{}", "[]", "null", '{"rawId": 3}', "{" * 50_000, "x" * 100_000])
async def test_garbage_is_a_wrong_answer(staff: Staff, answer: str):
    await registered(staff)
    token, _ = await asked_for(staff)
    with pytest.raises(Denied):
        await answers(staff, token, Secret(answer))


@pytest.mark.req("BY-8", "TW-2")
async def test_what_was_asked_is_good_for_one_answer(staff: Staff):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    with pytest.raises(Denied):
        await answers(staff, token, Secret("{}"))
    with pytest.raises(NotFound):
        await answers(staff, token, key.get(options))


@pytest.mark.req("TW-2")
async def test_of_many_at_once_with_one_answer_one_is_in(staff: Staff):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    answer = key.get(options)
    done = await asyncio.gather(*(answers(staff, token, answer) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(one, Entered) for one in done) == 1


@pytest.mark.req("TW-2")
async def test_a_copied_authenticator_is_found_by_its_counter(staff: Staff):
    _, key = await registered(staff)
    copy = Authenticator(id=key.id, key=key.key, count=key.count)
    token, options = await asked_for(staff)
    await answers(staff, token, key.get(options))
    token, options = await asked_for(staff)
    with pytest.raises(Denied):
        await answers(staff, token, copy.get(options))


async def test_an_authenticator_without_a_counter_is_good_more_than_once(staff: Staff):
    _, key = await registered(staff, key=Authenticator(counts=False))
    for _ in range(2):
        token, options = await asked_for(staff)
        await answers(staff, token, key.get(options))


async def test_another_ones_passkey_is_nobodys(staff: Staff):
    await registered(staff)
    _, hers = await registered(staff, "zoe")
    token, options = await asked_for(staff)
    with pytest.raises(Denied):
        await answers(staff, token, hers.get(options))


@pytest.mark.req("M7-16")
async def test_who_has_a_passkey_may_still_give_a_code_or_a_recovery_code(staff: Staff):
    await registered(staff)
    assert (await signed_in(staff)).session.level is Level.FULL
    codes = await staff.office.myself.recovery_codes(RIGHT, staff.by("tom"))
    token, _ = await asked_for(staff)
    entered = await staff.office.signin.step_up(token, Claim("", recovery=codes[0]), staff.by("tom"))
    assert entered.session.level is Level.FULL


async def test_half_a_session_does_not_last(staff: Staff):
    _, key = await registered(staff)
    token, options = await asked_for(staff)
    staff.clock.move(600)
    with pytest.raises(NotFound):
        await answers(staff, token, key.get(options))


# ── keeping them ──


@pytest.mark.req("M7-4", "HK-5")
async def test_adding_and_removing_ask_for_the_password_and_end_the_users_other_sessions(staff: Staff):
    other = await signed_in(staff)
    entered, _ = await registered(staff)
    assert await is_over(staff, other)
    other, (mine,) = await signed_in(staff), await staff.office.passkeys.mine(staff.by("tom"))
    passkeys, by = staff.office.passkeys, staff.by("tom")
    for act in (passkeys.begin(entered.token, WRONG, by), passkeys.remove(entered.token, WRONG, mine.id, by)):
        with pytest.raises(Denied):
            await act
    left = await passkeys.remove(entered.token, RIGHT, mine.id, by)
    assert [await is_over(staff, one) for one in (entered, other, left)] == [True, True, False]
    assert await passkeys.mine(by) == ()


async def test_what_was_not_asked_for_is_not_kept(staff: Staff):
    passkeys, by = staff.office.passkeys, staff.by("tom")
    token = (await signed_in(staff)).token
    with pytest.raises(NotFound):
        await passkeys.add(token, "{}", "mine", by)
    for forged in ({"challenge": b64(bytes(64))}, {"origin": "https://evil.example"}, {"type": "webauthn.get"}):
        options = await passkeys.begin(token, RIGHT, by)
        with pytest.raises(BadPasskey):
            await passkeys.add(token, Authenticator().create(options, **forged), "mine", by)
    assert await passkeys.mine(by) == ()


async def test_a_passkey_is_one_accounts(staff: Staff):
    _, key = await registered(staff)
    token = (await signed_in(staff, "zoe")).token
    options = await staff.office.passkeys.begin(token, RIGHT, staff.by("zoe"))
    with pytest.raises(Conflict):
        await staff.office.passkeys.add(token, key.create(options), "mine, too", staff.by("zoe"))


@pytest.mark.req("SF-6")
async def test_there_are_no_more_passkeys_than_devices_may_be(store, passwords):
    house = House(portal="https://portal.example")
    staff = Staff.make(store, passwords, Policy(totp=TotpRules(max_devices=1)), house)
    await staff.hire("tom")
    entered, _ = await registered(staff)
    with pytest.raises(Conflict):
        await staff.office.passkeys.begin(entered.token, RIGHT, staff.by("tom"))


async def test_a_passkey_is_renamed_by_its_owner_alone(staff: Staff):
    await registered(staff)
    (mine,) = await staff.office.passkeys.mine(staff.by("tom"))
    await staff.office.passkeys.rename(mine.id, "old laptop", staff.by("tom"))
    with pytest.raises(NotFound):
        await staff.office.passkeys.rename(mine.id, "mine", staff.by("zoe"))
    assert [one.name for one in await staff.office.passkeys.mine(staff.by("tom"))] == ["old laptop"]


async def test_the_browser_is_told_what_it_has_already(staff: Staff):
    entered, key = await registered(staff)
    options = json.loads(await staff.office.passkeys.begin(entered.token, RIGHT, staff.by("tom")))
    assert [one["id"] for one in options["excludeCredentials"]] == [b64(key.id)]
    assert (options["rp"]["id"], options["authenticatorSelection"]["userVerification"]) == (
        "portal.example",
        "preferred",
    )


@pytest.mark.req("M7-6", "HK-6", "M7-7")
@pytest.mark.parametrize("how", ["by an administrator", "by two administrators", "by a link"])
async def test_who_resets_the_authenticator_resets_the_passkeys(staff: Staff, how: str):
    await registered(staff)
    if how == "by an administrator":
        await staff.office.people.reset("tom", ADMIN)
    elif how == "by two administrators":
        await approved(staff)
    else:
        await relinked(staff)
    assert await staff.office.passkeys.mine(staff.by("tom")) == ()


async def approved(staff: Staff) -> None:
    from gateway.auth.requests import Wish

    requests = staff.office.requests
    made = await requests.ask(Wish(Act.RESET_AUTHENTICATOR, "tom", "lost"), staff.by("acme1"))
    await requests.approve(made.id, staff.code("acme2"), staff.by("acme2"))


async def relinked(staff: Staff) -> None:
    from gateway.auth.links import Given
    from gateway.policy.links import Purpose
    from tests.contract.staff import token_of

    letter = await asked(staff, Purpose.RESET_AUTHENTICATOR)
    made = await staff.office.links.enrol(token_of(letter), staff.by("tom"))
    given = Given(password=RIGHT, new_code=await staff.first_code(made, "tom"))
    await staff.office.links.finish(token_of(letter), given, staff.by("tom"))


@pytest.mark.req("CQ-6", "TW-2")
async def test_who_has_only_a_passkey_left_enrols_an_authenticator_first(staff: Staff):
    _, key = await registered(staff)
    (device,) = await staff.office.myself.devices(staff.by("tom"))
    await staff.store.devices.remove("tom", device.id, ADMIN)
    token, options = await asked_for(staff)
    entered = await answers(staff, token, key.get(options))
    assert (entered.session.level, entered.session.todo) == (Level.SETUP, {Factor.CODE})


async def test_without_a_portal_there_are_no_passkeys(store, passwords):
    staff = Staff.make(store, passwords, house=House(portal=""))
    await staff.hire("tom")
    with pytest.raises(Conflict, match=r"portal\.url"):
        await staff.office.passkeys.begin((await signed_in(staff)).token, RIGHT, staff.by("tom"))
