"""Codes sent by e-mail or text message on both engines: for the portal and for venues, good once and for five minutes."""

import asyncio
from dataclasses import replace
from itertools import product

import pytest

from gateway.auth.authority import LocalAuthority
from gateway.auth.links import Given
from gateway.auth.proofs import Claim, Denied
from gateway.auth.sentcodes import NoMessenger, SentCodes
from gateway.auth.signin import Entered, Level
from gateway.auth.turns import Turns
from gateway.compliance.survey import survey
from gateway.core.authority import Ended
from gateway.core.login import Admitted, Attempt, Login, Moment, Origin, Verdict
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.channels import has_second_factor
from gateway.policy.decide import code_demanded
from gateway.policy.links import Purpose
from gateway.policy.organisations import Policies
from gateway.policy.proof import Factor
from gateway.policy.roles import Act, Grant, Role
from gateway.policy.rules import Channel, LockoutRules, Policy, SecondFactor
from gateway.policy.snapshot import Device, Method, User
from gateway.store.errors import Conflict
from gateway.store.ports import Actor
from gateway.store.schema import sent_codes
from tests.contract.conftest import PATIENCE
from tests.contract.staff import DAY, PASSWORD, Staff, token_of
from tests.contract.test_websessions import enter, is_over, resume
from tests.contract.world import ADMIN

RIGHT, WRONG, NEW = Secret(PASSWORD), Secret("not the Horse 1"), Secret("another Horse 9")
PHONE = "+85212345678"
SFC = Policy(channels=frozenset({Channel.APP, Channel.SMS}), exemptions=False)


@pytest.fixture
async def mailed(staff: Staff) -> Staff:
    """The staff, and `mia`, whose codes come by e-mail, and `sam`, whose come by text message."""
    await hire(staff)
    return staff


async def hire(staff: Staff, **user) -> None:
    await staff.hire("mia", device=False, channel=Channel.EMAIL, **user)
    await staff.hire("sam", device=False, channel=Channel.SMS, phone=PHONE, **user)


async def sent(staff: Staff, name: str = "mia") -> Secret:
    """Have a code sent, and read it in the letter box."""
    await staff.office.sentcodes.send(staff.by(name))
    return staff.tray.codes[-1][3]


async def step_up(staff: Staff, entered: Entered, code: Secret, name: str = "mia") -> Entered:
    return await staff.office.signin.step_up(entered.token, Claim("", code=code), staff.by(name))


def other(code: Secret) -> Secret:
    """Another code than that."""
    return Secret(f"{(int(code.reveal()) + 1) % 10**6:06}")


# ── the portal ──


@pytest.mark.req("HK-2", "HK-3", "SF-1")
@pytest.mark.parametrize(
    ("name", "channel", "address"), [("mia", Channel.EMAIL, "mia@example.com"), ("sam", Channel.SMS, PHONE)]
)
async def test_password_then_the_code_that_was_sent_open_a_session(mailed: Staff, name, channel, address):
    entered = await enter(mailed, name)
    told = await mailed.office.sentcodes.send(mailed.by(name))
    user, by, to, code, expires = mailed.tray.codes[-1]
    done = await step_up(mailed, entered, code, name)

    assert (entered.session.level, done.session.level, done.session.todo) == (Level.PASSWORD, Level.FULL, frozenset())
    assert (user, by, to, expires - mailed.clock.wall) == (name, channel, address, 300.0)
    assert (told.channel, told.hint) == (channel, {"mia": "m…@example.com", "sam": "…5678"}[name])
    assert len(code.reveal()) == 6
    assert code.reveal().isdigit()


@pytest.mark.req("HK-2")
async def test_a_sent_code_is_good_once_and_for_five_minutes(mailed: Staff):
    code = await sent(mailed)
    await mailed.proves("mia", code=code)
    with pytest.raises(Denied) as again:
        await mailed.proves("mia", code=code)
    late = await sent(mailed)
    mailed.clock.move(300)
    with pytest.raises(Denied) as over:
        await mailed.proves("mia", code=late)
    assert (again.value.reason, over.value.reason) == (Reason.REPLAYED_CODE, Reason.STALE_CODE)


@pytest.mark.req("HK-2", "TW-8")
async def test_the_last_code_is_the_one_that_counts_and_three_are_sent_in_ten_minutes(mailed: Staff):
    first, second, third = [await sent(mailed) for _ in range(3)]
    for voided in {first.reveal(), second.reveal()} - {third.reveal()}:
        with pytest.raises(Denied):
            await mailed.proves("mia", code=Secret(voided))
    with pytest.raises(Conflict, match="lately"):
        await sent(mailed)
    await mailed.proves("mia", code=third)
    mailed.clock.move(600)
    await mailed.proves("mia", code=await sent(mailed))


@pytest.mark.req("SF-8", "M7-11", "TW-8")
async def test_guessing_at_a_sent_code_locks_the_account(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=3)))
    await hire(staff)
    entered = await enter(staff, "mia")
    code = await sent(staff)
    guess = code
    for _ in range(3):
        guess = other(guess)
        with pytest.raises(Denied) as no:
            await step_up(staff, entered, guess)
        assert no.value.reason is Reason.BAD_CODE
    with pytest.raises(Denied) as no:
        await step_up(staff, entered, code)
    assert no.value.reason is Reason.LOCKED


async def test_of_many_at_once_with_one_code_one_is_proved(mailed: Staff):
    code = await sent(mailed)
    done = await asyncio.gather(*(mailed.proves("mia", code=code) for _ in range(4)), return_exceptions=True)
    assert sum(one is None for one in done) == 1


@pytest.mark.req("TW-10", "TW-11")
async def test_a_code_stands_nowhere(mailed: Staff):
    code = await sent(mailed)
    (row,) = await mailed.store.survey(lambda connection: connection.execute(sent_codes.select()).all())
    audited = [row.details for row in await mailed.store.audit.rows()]
    assert code.reveal() not in bytes(row.digest)
    assert f'"{code.reveal().decode()}"' not in repr(audited)
    assert (await mailed.events())[-1] == "code.sent"


async def test_another_ones_code_is_no_code(mailed: Staff):
    await sent(mailed)
    with pytest.raises(Denied):
        await mailed.proves("mia", code=await sent(mailed, "sam"))


async def test_who_has_an_authenticator_is_sent_nothing(staff: Staff):
    with pytest.raises(Conflict, match="authenticator"):
        await sent(staff, "tom")


async def test_where_nothing_is_set_up_for_it_no_code_is_sent(mailed: Staff):
    nowhere = SentCodes(mailed.store, mailed.office.proofs._parts, NoMessenger())
    with pytest.raises(Conflict, match="set up"):
        await nowhere.send(mailed.by("mia"))


async def test_used_and_old_codes_are_pruned(mailed: Staff):
    await sent(mailed)
    for later, left in ((DAY, 1), (DAY + 301, 0)):
        await mailed.store.prune(mailed.clock.wall + later)
        rows = await mailed.store.survey(lambda connection: connection.execute(sent_codes.select()).all())
        assert len(rows) == left


# ── what the policy allows ──


@pytest.mark.req("SF-2", "SF-3", "SF-4")
async def test_under_the_sfc_s_rules_a_mailed_code_is_nothing(store, passwords):
    staff = Staff.make(store, passwords, SFC)
    await hire(staff)
    with pytest.raises(Conflict):
        await sent(staff, "mia")
    entered = await enter(staff, "mia")
    assert (entered.session.level, entered.session.todo) == (Level.SETUP, {Factor.CODE})
    await staff.proves("sam", code=await sent(staff, "sam"))


@pytest.mark.req("TW-2")
async def test_an_administrator_needs_an_authenticator_whatever_its_channel(staff: Staff):
    await staff.hire("root3", Role.EXCHANGE_ADMIN, device=False, channel=Channel.EMAIL)
    with pytest.raises(Conflict):
        await sent(staff, "root3")
    assert (await enter(staff, "root3")).session.todo == {Factor.CODE}


@pytest.mark.req("HK-2", "HK-5", "SF-4")
async def test_one_chooses_the_channel_with_the_password_and_within_the_rules(mailed: Staff):
    me, tom = mailed.office.myself, mailed.by("tom")
    with pytest.raises(Denied):
        await me.choose_channel(WRONG, Channel.EMAIL, tom)
    with pytest.raises(Conflict, match="registered"):
        await me.choose_channel(RIGHT, Channel.SMS, tom)
    with pytest.raises(Conflict, match="SF-4"):
        await me.choose_channel(RIGHT, Channel.APP, mailed.by("mia"))
    with pytest.raises(Conflict, match="authenticator"):
        await me.choose_channel(RIGHT, Channel.EMAIL, mailed.by("root1"))
    await me.choose_channel(RIGHT, Channel.EMAIL, tom)
    await mailed.proves("tom", code=await sent(mailed, "tom"))


@pytest.mark.req("SF-2")
async def test_what_the_policy_forbids_cannot_be_chosen(store, passwords):
    staff = Staff.make(store, passwords, SFC)
    await staff.hire("tom")
    with pytest.raises(Conflict, match="not allowed"):
        await staff.office.myself.choose_channel(RIGHT, Channel.EMAIL, staff.by("tom"))


@pytest.mark.req("SF-4")
async def test_the_last_authenticator_may_go_where_codes_are_sent(mailed: Staff):
    me, tom = mailed.office.myself, mailed.by("tom")
    (phone,) = await me.devices(tom)
    await me.choose_channel(RIGHT, Channel.EMAIL, tom)
    await me.remove(RIGHT, phone.id, mailed.by("tom"))
    await mailed.proves("tom", code=await sent(mailed, "tom"))


@pytest.mark.req("HK-7")
@pytest.mark.parametrize("change", [{"email": "new@example.com"}, {"channel": Channel.APP}, {"phone": "+1"}])
async def test_a_change_of_where_codes_go_voids_the_one_that_is_out_and_ends_the_session(mailed: Staff, change: dict):
    entered = await step_up(mailed, await enter(mailed, "mia"), await sent(mailed))
    code = await sent(mailed)
    account = await mailed.store.users.show("mia")
    await mailed.store.users.change(replace(account.user, **change), account.revision, ADMIN)
    with pytest.raises(Denied):
        await mailed.proves("mia", code=code)
    assert await is_over(mailed, entered)


@pytest.mark.req("HK-6", "HK-7")
@pytest.mark.parametrize("change", [{"phone": "+1"}, {"channel": Channel.APP}, {"email": "new@example.com"}])
async def test_no_administrator_changes_alone_where_anothers_codes_go(mailed: Staff, change: dict):
    from gateway.auth.desk import Forbidden

    account = await mailed.store.users.show("mia")
    with pytest.raises(Forbidden):
        await mailed.office.desk.change(replace(account.user, **change), account.revision, mailed.by("root1"))


@pytest.mark.req("HK-3")
async def test_at_the_first_login_the_mailed_code_comes_with_the_password_that_is_set(staff: Staff):
    await staff.hire("new", firm="ACME", device=False, password_hash="", channel=Channel.EMAIL)
    letter = await staff.office.desk.setup_link("new", staff.by("acme1"))
    with pytest.raises(Denied):
        await staff.office.links.finish(token_of(letter), Given(new_password=NEW), staff.by("new"))
    given = Given(code=await sent(staff, "new"), new_password=NEW)
    await staff.office.links.finish(token_of(letter), given, staff.by("new"))
    await staff.proves("new", password=NEW, code=await sent(staff, "new"))


@pytest.mark.req("HK-6", "CQ-6")
async def test_who_resets_the_registration_resets_where_codes_go(staff: Staff):
    from gateway.auth.requests import Wish

    await staff.hire("mia", firm="ACME", device=False, channel=Channel.EMAIL)
    code, requests = await sent(staff), staff.office.requests
    made = await requests.ask(Wish(Act.RESET_AUTHENTICATOR, "mia", "her mail is read by others"), staff.by("acme1"))
    outcome = await requests.approve(made.id, staff.code("acme2"), staff.by("acme2"))

    assert outcome.letter is not None
    opened = await staff.office.links.open(token_of(outcome.letter), staff.clock.wall)
    assert opened.plan.sets == {Factor.CODE}
    refused = await Venue(staff).login(code)
    assert getattr(refused, "reason", None) is Reason.NOT_ENROLLED


@pytest.mark.req("SF-3", "M7-7", "TW-9")
async def test_one_letter_box_resets_no_password(mailed: Staff):
    await mailed.office.links.ask(Purpose.RESET_PASSWORD, "mia", mailed.by("visitor"))
    assert mailed.tray.letters == []
    await mailed.office.links.ask(Purpose.RESET_PASSWORD, "sam", mailed.by("visitor"))
    given = Given(code=await sent(mailed, "sam"), new_password=NEW)
    await mailed.office.links.finish(token_of(mailed.tray.letters[-1]), given, mailed.by("sam"))


@pytest.mark.req("CQ-8", "SF-2")
async def test_a_firms_own_policy_says_which_channels_its_users_have(store, passwords):
    staff = Staff.make(store, passwords, firms={"ZEN": SFC})
    await hire(staff, organisation="ZEN")
    with pytest.raises(Conflict):
        await sent(staff, "mia")


@pytest.mark.parametrize(("demand", "allowed"), list(product(SecondFactor, [frozenset(Channel), SFC.channels])))
async def test_whoever_logs_in_without_a_code_is_counted_as_the_login_itself_judges(store, demand, allowed):
    policy, actor = Policy(second_factor=demand, channels=allowed), Actor("test", 0.0)
    kinds = list(product(Method, Channel, ["", "a@b"], ["", "+1"]))
    for number, (method, channel, email, phone) in enumerate(kinds):
        user = User("", f"u{number:02}", method=method, channel=channel, email=email, phone=phone)
        await store.users.add(replace(user, processes=frozenset({user.name})), actor)
    users = [account.user for account in await store.users.list("", 100)]
    found = await store.survey(lambda connection: survey(connection, Policies(policy), 1.0))

    coded = {Method.PASSWORD_TOTP, Method.UPSTREAM_TOTP}
    loose = [one for one in users if one.method is not Method.EXTERNAL and not code_demanded(policy, one, ())]
    without = [one for one in users if one.method in coded and not has_second_factor(policy, one, ())]
    assert (found.without_code, found.without_authenticator) == (len(loose), len(without))


# ── a venue ──


class Venue:
    """A gateway's authority over the staff's store, under the staff's clock."""

    def __init__(self, staff: Staff) -> None:
        self.staff = staff
        logins = staff.store.logins(node="node-1", policy_of=staff.policies, clock=staff.clock, lease=3600.0)
        parts = replace(staff.office.proofs._parts, store=logins)
        self.authority = LocalAuthority(parts, staff.store.audit, turns=Turns(patience=PATIENCE))

    async def login(self, code: Secret, protocol: str = "fix", name: str = "mia", stream: str = "") -> Verdict:
        login = Login(protocol, name, name, "EXCH", "1", RIGHT, code, stream)
        now = self.staff.clock()
        return await self.authority.verify(
            Attempt(login, Origin("c1", protocol, "192.0.2.7", 1), "main", Moment(now.mono, now.wall))
        )


@pytest.mark.req("HK-2", "SF-1")
async def test_a_sent_code_logs_in_at_a_venue_once_over_both_protocols(mailed: Staff):
    venue, code = Venue(mailed), await sent(mailed)
    wrong, right = await venue.login(other(code)), await venue.login(code)
    again = await venue.login(code, "amqp")

    assert (getattr(wrong, "reason", None), getattr(again, "reason", None)) == (Reason.BAD_CODE, Reason.REPLAYED_CODE)
    assert isinstance(right, Admitted)
    rows = await mailed.store.audit.rows()
    assert '"source":"sent"' in next(row.details for row in rows if row.event == "login.admitted")
    assert isinstance(await venue.login(await sent(mailed), "amqp"), Admitted)


async def test_of_many_logins_at_once_with_one_code_one_is_admitted(mailed: Staff):
    venue, code = Venue(mailed), await sent(mailed)
    done = await asyncio.gather(*(venue.login(code, stream=f"s{number}") for number in range(4)))
    assert sum(isinstance(one, Admitted) for one in done) == 1


async def test_an_authenticators_code_is_as_good(mailed: Staff):
    await mailed.office.myself.choose_channel(RIGHT, Channel.EMAIL, mailed.by("tom"))
    assert isinstance(await Venue(mailed).login(mailed.code("tom"), name="tom"), Admitted)


async def test_an_engine_that_was_not_reached_gives_the_code_back(mailed: Staff):
    venue, code = Venue(mailed), await sent(mailed)
    admitted = await venue.login(code)
    assert isinstance(admitted, Admitted)
    over = Ended(admitted.session, Reason.UPSTREAM_UNREACHABLE, mailed.clock.wall, b"")
    await venue.authority.ended(over)
    assert isinstance(await venue.login(code), Admitted)


@pytest.mark.req("SF-2", "SF-4")
async def test_where_mail_is_not_allowed_the_login_says_that_nobody_has_enrolled(store, passwords):
    staff = Staff.make(store, passwords, SFC)
    await hire(staff)
    refused = await Venue(staff).login(Secret("123456"))
    assert getattr(refused, "reason", None) is Reason.NOT_ENROLLED


@pytest.mark.req("SF-13", "TW-2")
async def test_who_becomes_an_administrator_is_sent_no_more_codes(mailed: Staff):
    code = await sent(mailed)
    await mailed.store.users.grant("mia", Grant(Role.AUDITOR, mailed.clock.wall + DAY), ADMIN)
    refused = await Venue(mailed).login(code)
    assert getattr(refused, "reason", None) is Reason.NOT_ENROLLED


async def test_half_a_session_is_resumed_as_half_a_one(mailed: Staff):
    entered = await enter(mailed, "mia")
    assert (await resume(mailed, entered)).level is Level.PASSWORD


async def test_a_device_that_was_only_begun_is_no_second_factor(staff: Staff):
    await staff.hire("new", device=False)
    await staff.store.devices.add("new", Device("", Secret(bytes(20)), confirmed=False), "phone", ADMIN)
    assert (await enter(staff, "new")).session.todo == {Factor.CODE}
