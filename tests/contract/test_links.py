"""One-time links on both engines: used once, in time, for one thing, and never in place of a factor that is there."""

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.auth.house import House
from gateway.auth.links import Given, Letter, Missing
from gateway.auth.passwords import WeakPassword
from gateway.auth.proofs import Denied
from gateway.auth.users import WrongCode
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.links import Purpose
from gateway.policy.organisations import Policies
from gateway.policy.proof import Factor
from gateway.policy.rules import LockoutRules, Policy
from gateway.policy.snapshot import Method
from gateway.store.errors import Conflict, NotFound
from gateway.store.finding import Condition, Which
from gateway.store.ports import Actor
from gateway.store.schema import links
from tests.contract.staff import DAY, NOW, PASSWORD, Staff, token_of
from tests.contract.world import ADMIN

NEW = Secret("another Horse 9")
LINKS = {"password", "code"}


async def asked(staff: Staff, purpose: Purpose, name: str = "tom") -> Letter:
    await staff.office.links.ask(purpose, name, staff.by("visitor"))
    return staff.tray.letters[-1]


async def set_up(staff: Staff, letter: Letter, name: str, password: Secret = NEW) -> None:
    made = await staff.office.links.enrol(token_of(letter), staff.by(name))
    given = Given(new_password=password, new_code=await staff.first_code(made, name))
    assert await staff.office.links.finish(token_of(letter), given, staff.by(name)) == name


@pytest.mark.req("HK-3", "CQ-5", "TW-3", "TW-2")
async def test_a_setup_link_sets_password_and_authenticator_and_then_both_prove_the_person(staff: Staff):
    await staff.hire("new", firm="ACME", device=False, password_hash="", email="new@example.com")
    letter = await staff.office.desk.setup_link("new", staff.by("acme1"))
    assert staff.tray.letters == [letter]
    opened = await staff.office.links.open(token_of(letter), staff.clock.wall)
    assert (opened.user, opened.plan.asks, {one.value for one in opened.plan.sets}) == ("new", frozenset(), LINKS)

    await set_up(staff, letter, "new")
    await staff.proves("new", password=NEW)
    with pytest.raises(NotFound, match="not good"):
        await staff.office.links.open(token_of(letter), staff.clock.wall)


@pytest.mark.req("TW-2")
async def test_the_first_administrator_acts_once_its_link_is_finished(store, passwords):
    staff = Staff.make(store, passwords)
    letter = await staff.office.links.bootstrap("root1", NOW + 30 * DAY, ADMIN)
    await set_up(staff, letter, "root1")
    assert [one.user.name for one in await staff.office.desk.everybody(staff.by("root1"))] == ["root1"]


@pytest.mark.req("M7-7", "HK-5")
async def test_a_forgotten_password_is_reset_with_the_link_and_a_code(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    with pytest.raises(Denied):
        await staff.office.links.finish(token_of(letter), Given(new_password=NEW), staff.by("tom"))
    given = Given(code=staff.code("tom"), new_password=NEW)
    await staff.office.links.finish(token_of(letter), given, staff.by("tom"))
    await staff.proves("tom", password=NEW)
    assert "link.used" in await staff.events()


@pytest.mark.req("M7-7", "TW-9")
async def test_a_link_that_lies_in_the_letter_box_is_void_once_its_owner_has_changed_the_password(staff: Staff):
    letters = [await asked(staff, purpose) for purpose in (Purpose.RESET_PASSWORD, Purpose.RESET_AUTHENTICATOR)]
    await staff.office.myself.change_password(Secret(PASSWORD), NEW, staff.by("tom"))
    for letter in letters:
        with pytest.raises(NotFound, match="not good"):
            await staff.office.links.open(token_of(letter), staff.clock.wall)


@pytest.mark.req("M7-7", "M7-6", "CQ-6")
async def test_a_lost_authenticator_is_replaced_with_the_link_and_the_current_password(staff: Staff):
    letter = await asked(staff, Purpose.RESET_AUTHENTICATOR)
    old = staff.keys["tom"]
    made = await staff.office.links.enrol(token_of(letter), staff.by("tom"))
    new_code = await staff.first_code(made, "tom")
    wrong = Given(password=Secret("guessed Horse 1"), new_code=new_code)
    with pytest.raises(Denied):
        await staff.office.links.finish(token_of(letter), wrong, staff.by("tom"))
    await staff.office.links.finish(
        token_of(letter), Given(password=Secret(PASSWORD), new_code=new_code), staff.by("tom")
    )

    assert [one.id for one in (await staff.store.users.show("tom")).devices] == [made.device]
    await staff.proves("tom")
    staff.keys["tom"] = old
    with pytest.raises(Denied):
        await staff.proves("tom")


@pytest.mark.req("M7-7", "TW-9")
async def test_mail_alone_never_takes_an_account_over(staff: Staff):
    """Password gone, authenticator there: the link that would replace the authenticator is not sent (nor the other way)."""
    await staff.hire("half", password_hash="", email="half@example.com")
    await staff.hire("bare", device=False, email="bare@example.com")
    await staff.office.links.ask(Purpose.RESET_AUTHENTICATOR, "half", staff.by("visitor"))
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "bare", staff.by("visitor"))
    assert staff.tray.letters == []


@pytest.mark.req("TW-3")
async def test_an_initial_password_is_no_factor(staff: Staff):
    await staff.hire("new", device=False, must_change=True)
    letter = await staff.office.links.setup("new", ADMIN)
    assert (await staff.office.links.open(token_of(letter), NOW)).plan.asks == frozenset()
    await set_up(staff, letter, "new")
    assert (await staff.store.users.show("new")).user.must_change is False


@pytest.mark.req("CQ-6", "HK-5")
async def test_after_an_authenticator_reset_the_setup_link_asks_for_the_password(staff: Staff):
    await staff.office.people.reset("tom", ADMIN)
    letter = await staff.office.desk.setup_link("tom", staff.by("acme1"))
    opened = await staff.office.links.open(token_of(letter), staff.clock.wall)
    assert (opened.plan.asks, opened.plan.sets) == (frozenset({Factor.PASSWORD}), frozenset({Factor.CODE}))


@pytest.mark.req("CQ-6")
async def test_who_has_everything_gets_no_setup_link(staff: Staff):
    with pytest.raises(Conflict, match="all it needs"):
        await staff.office.desk.setup_link("tom", staff.by("acme1"))
    await staff.hire("new", firm="ACME", device=False)
    assert [
        one.user.name for one in await staff.office.desk.find(Which(condition=Condition.UNFINISHED), staff.by("acme1"))
    ] == ["new"]


@pytest.mark.req("TW-9", "M7-7")
async def test_a_link_works_once_even_for_two_browsers_at_once(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    codes = [staff.code("tom"), staff.code("tom")]
    givens = [Given(code=code, new_password=Secret(f"another Horse {i}")) for i, code in enumerate(codes)]
    staff.clock.move(-30)
    done = await asyncio.gather(
        *(staff.office.links.finish(token_of(letter), one, staff.by("tom")) for one in givens), return_exceptions=True
    )
    assert sum(one == "tom" for one in done) == 1
    with pytest.raises(NotFound):
        await staff.office.links.open(token_of(letter), staff.clock.wall)


@pytest.mark.req("M7-7", "TW-9")
async def test_a_link_is_good_for_one_hour(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    assert letter.expires == pytest.approx(staff.clock.wall + 3600, abs=60)
    staff.clock.move(3600)
    for use in (
        staff.office.links.open(token_of(letter), staff.clock.wall),
        staff.office.links.finish(token_of(letter), Given(new_password=NEW), staff.by("tom")),
    ):
        with pytest.raises(NotFound):
            await use


@pytest.mark.req("CQ-5", "CQ-8")
async def test_how_long_a_setup_link_is_good_is_the_firms_own(store, passwords):
    staff = Staff.make(store, passwords, house=House(setup_links={"ACME": 600.0}))
    for name, firm in (("a", "ACME"), ("z", "ZEN")):
        await staff.hire(name, firm=firm, device=False, password_hash="")
    assert [(await staff.office.links.setup(name, ADMIN)).expires - NOW for name in "az"] == [600.0, 3 * DAY]


@pytest.mark.req("M7-7", "TW-9", "CQ-5")
async def test_asking_says_the_same_whether_or_not_there_is_such_a_user(staff: Staff):
    await staff.hire("silent", email="")
    for name in ("tom", "nobody", "silent"):
        staff.slept.clear()
        assert await staff.office.links.ask(Purpose.RESET_PASSWORD, name, staff.by(name)) is None
        assert len(staff.slept) == 1
    assert [letter.user for letter in staff.tray.letters] == ["tom"]
    assert (await staff.events())[-4:] == ["link.asked", "link.issued", "link.asked", "link.asked"]


@pytest.mark.req("TW-8", "TW-9")
async def test_who_asks_without_end_fills_neither_letter_boxes_nor_the_record_and_learns_nothing(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(address_budget=5)))
    for number in range(4):
        await staff.hire(f"t{number}")
    for name in ("t0", "who", "t1", "else", "t2", "t3", "nobody"):
        staff.slept.clear()
        await staff.office.links.ask(Purpose.RESET_PASSWORD, name, Actor(name, staff.clock.wall, "198.51.100.9"))
        assert staff.slept == [staff.policy.refusal_floor]
    assert [letter.user for letter in staff.tray.letters] == ["t0", "t1", "t2"]
    assert (await staff.events()).count("link.asked") == 5
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "t3", staff.by("t3"))
    assert staff.tray.letters[-1].user == "t3"


@pytest.mark.req("TW-9")
async def test_a_post_that_fails_is_not_told(staff: Staff, monkeypatch):
    async def full(_letter) -> None:
        raise ConnectionError("mail server away")

    monkeypatch.setattr(staff.tray, "send", full)
    assert await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("tom")) is None


@pytest.mark.req("TW-8")
async def test_nobodys_letter_box_is_filled(staff: Staff):
    for _ in range(6):
        await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("stranger"))
    assert len(staff.tray.letters) == 3
    staff.clock.move(3601)
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("stranger"))
    assert len(staff.tray.letters) == 4


async def test_a_newer_link_makes_the_older_one_void(staff: Staff):
    older, newer = [await asked(staff, Purpose.RESET_PASSWORD) for _ in range(2)]
    with pytest.raises(NotFound):
        await staff.office.links.open(token_of(older), staff.clock.wall)
    await staff.office.links.open(token_of(newer), staff.clock.wall)


async def test_a_link_that_begins_anew_takes_no_authenticator_that_counts_by_now(staff: Staff):
    """Or who reads the letters could destroy an authenticator without a password."""
    letter, me = await asked(staff, Purpose.RESET_AUTHENTICATOR), staff.office.myself
    made = await staff.office.links.enrol(token_of(letter), staff.by("tom"))
    await me.confirm(made.device, await staff.first_code(made, "tom"), staff.by("tom"))
    await staff.office.links.enrol(token_of(letter), staff.by("eve"))
    assert made.device in {one.id for one in await me.devices(staff.by("tom")) if one.confirmed}


async def test_nobody_asks_for_a_setup_link(staff: Staff):
    with pytest.raises(ValueError, match="setup"):
        await staff.office.links.ask(Purpose.SETUP, "tom", staff.by("tom"))


@pytest.mark.req("TW-10", "TW-11")
async def test_a_token_stands_nowhere(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    token = token_of(letter).reveal()
    rows = await staff.store.survey(lambda connection: connection.execute(sa.select(links)).all())
    audit = " ".join(row.details for row in await staff.store.audit.rows())
    assert token not in repr(rows).encode() + audit.encode() + repr(letter).encode()


@pytest.mark.req("TW-6")
async def test_a_link_sets_no_weak_password_and_stays_good(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    with pytest.raises(WeakPassword):
        await staff.office.links.finish(token_of(letter), Given(new_password=Secret("short")), staff.by("tom"))
    with pytest.raises(Missing):
        await staff.office.links.finish(token_of(letter), Given(), staff.by("tom"))
    await staff.office.links.open(token_of(letter), staff.clock.wall)


@pytest.mark.req("M7-4")
async def test_an_authenticator_that_was_begun_counts_only_with_its_first_code(staff: Staff):
    await staff.hire("new", device=False, password_hash="")
    letter = await staff.office.links.setup("new", ADMIN)
    first = await staff.office.links.enrol(token_of(letter), staff.by("new"))
    second = await staff.office.links.enrol(token_of(letter), staff.by("new"))
    given = Given(new_password=NEW, new_code=await staff.first_code(first, "new"))
    with pytest.raises(WrongCode):
        await staff.office.links.finish(token_of(letter), given, staff.by("new"))
    assert [one.id for one in (await staff.store.users.show("new")).devices] == [second.device]


@pytest.mark.req("SF-6")
async def test_who_has_as_many_devices_as_allowed_can_still_replace_them_all(staff: Staff):
    for name in ("tablet", "watch"):
        made = await staff.office.people.enroll("tom", _blank(), name, ADMIN)
        await staff.office.people.confirm("tom", made.device, await staff.first_code(made, "tom"), staff.by("tom"))
    letter = await asked(staff, Purpose.RESET_AUTHENTICATOR)
    made = await staff.office.links.enrol(token_of(letter), staff.by("tom"))
    given = Given(password=Secret(PASSWORD), new_code=await staff.first_code(made, "tom"))
    await staff.office.links.finish(token_of(letter), given, staff.by("tom"))
    assert len((await staff.store.users.show("tom")).devices) == 1


def _blank():
    from gateway.policy.snapshot import Device

    return Device("", Secret(b""), confirmed=False)


@pytest.mark.req("HK-7")
async def test_a_disabled_user_neither_gets_nor_uses_a_link(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    tom = await staff.store.users.show("tom")
    await staff.store.users.change(replace(tom.user, enabled=False), tom.revision, ADMIN)
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("tom"))
    assert staff.tray.letters == [letter]
    with pytest.raises(NotFound):
        await staff.office.links.open(token_of(letter), staff.clock.wall)


@pytest.mark.req("CQ-4")
async def test_a_password_that_is_kept_elsewhere_is_not_reset_here(staff: Staff):
    await staff.hire("algo", method=Method.UPSTREAM_TOTP)
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "algo", staff.by("algo"))
    assert staff.tray.letters == []


@pytest.mark.req("M7-7")
async def test_a_link_that_changed_a_credential_ends_the_sessions(staff: Staff):
    from tests.contract.world import World, opened

    await staff.hire("trader")
    world = World(staff.store, staff.store.logins(node="node-1", policy_of=Policies(staff.policy)), "")
    await world.apply(opened("s1"))
    letter = await asked(staff, Purpose.RESET_PASSWORD, "trader")
    given = Given(code=staff.code("trader"), new_password=NEW)
    await staff.office.links.finish(token_of(letter), given, staff.by("trader"))
    assert (await staff.store.sessions.show("s1")).end_reason is Reason.RIGHT_REMOVED


class Elsewhere:
    """Passwords that are kept somewhere else: tom's is the one that everybody has here."""

    async def check(self, user, password: Secret) -> bool:
        return password.reveal() == PASSWORD.encode()

    def close(self) -> None:
        pass


@pytest.mark.req("M7-18", "CQ-4")
async def test_where_a_directory_keeps_the_passwords_links_ask_for_them_and_never_set_one(store, passwords):
    staff = Staff.make(store, passwords, house=House(own_passwords=False), check=Elsewhere())
    await staff.hire("new", device=False, password_hash="")
    letter = await staff.office.links.setup("new", ADMIN)
    opened = await staff.office.links.open(token_of(letter), NOW)
    assert (opened.plan.asks, opened.plan.sets) == (frozenset({Factor.PASSWORD}), frozenset({Factor.CODE}))
    made = await staff.office.links.enrol(token_of(letter), staff.by("new"))
    code = await staff.first_code(made, "new")
    with pytest.raises(Denied):
        await staff.office.links.finish(token_of(letter), Given(password=NEW, new_code=code), staff.by("new"))
    await staff.office.links.finish(token_of(letter), Given(password=Secret(PASSWORD), new_code=code), staff.by("new"))
    await staff.proves("new")

    await staff.office.links.ask(Purpose.RESET_PASSWORD, "new", staff.by("new"))
    assert [one.purpose for one in staff.tray.letters] == [Purpose.SETUP]
    with pytest.raises(Conflict, match="directory"):
        await staff.office.myself.change_password(Secret(PASSWORD), NEW, staff.by("new"))


@pytest.mark.req("M7-7")
async def test_a_new_address_makes_links_to_the_old_one_void(staff: Staff):
    letter = await asked(staff, Purpose.RESET_PASSWORD)
    tom = await staff.store.users.show("tom")
    await staff.store.users.change(replace(tom.user, email="new@example.com"), tom.revision, ADMIN)
    with pytest.raises(NotFound):
        await staff.office.links.open(token_of(letter), staff.clock.wall)
