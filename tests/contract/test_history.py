"""A person's logins as the audit chain has them: all of them, newest first, for whom it concerns."""

import pytest

from gateway.auth.desk import Forbidden
from gateway.auth.proofs import Denied
from gateway.core.authority import Ended, Started
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.roles import Role
from gateway.store.audit import AuditEntry, Event
from gateway.store.errors import NotFound
from tests.contract.staff import Staff
from tests.contract.world import ADMIN, NOW, World, opened


@pytest.fixture
async def staff(store, passwords) -> Staff:
    staff = Staff.make(store, passwords)
    await staff.hire("tom", firm="ACME")
    await staff.hire("tina", firm="ZEN")
    await staff.hire("acme1", Role.DELEGATED_ADMIN, "ACME")
    await staff.hire("root1", Role.EXCHANGE_ADMIN)
    await staff.hire("eye", Role.AUDITOR)
    return staff


async def happens(staff: Staff, event: Event, reason: Reason | None = None, user: str = "tom", **details) -> None:
    entry = AuditEntry(staff.clock.wall, event, reason, user, "s1", "192.0.2.9", details)
    await staff.store.audit.append(entry)


@pytest.mark.req("TW-12", "HK-7")
async def test_a_login_is_shown_with_its_true_reason_its_address_and_where_it_led(staff: Staff):
    login = {"protocol": "fix", "process": "ALGO", "route": "main"}
    await happens(staff, Event.LOGIN_REFUSED, Reason.STALE_CODE, **login)
    await happens(staff, Event.PASSWORD_SET)
    await happens(staff, Event.LOGIN_ADMITTED, user="tina")
    staff.clock.move(30)
    await happens(staff, Event.LOGIN_ADMITTED, **login)

    good, bad = await staff.office.myself.history(staff.by("tom"))

    assert (good.event, good.reason, good.why, good.wall) == ("login.admitted", "", "", NOW + 30)
    assert (bad.event, bad.reason, bad.why) == ("login.refused", "stale_code", "the code of an interval that is over")
    assert (bad.protocol, bad.process, bad.address, bad.route, bad.session) == (
        "fix",
        "ALGO",
        "192.0.2.9",
        "main",
        "s1",
    )


@pytest.mark.req("TW-12")
async def test_what_really_happens_at_a_login_is_shown(world: World, passwords):
    staff = Staff.make(world.store, passwords)
    await world.apply(opened("s1"))
    await world.logins.started(Started("s1", "engine:1", NOW + 1))
    await world.logins.ended(Ended("s1", Reason.IDLE, NOW + 2, b""))
    with pytest.raises(Denied):
        await staff.proves("trader", password=Secret("wrong"), code=Secret("1"))

    found = await staff.office.myself.history(staff.by("trader"))

    assert [(one.event, one.reason) for one in found] == [
        ("proof.refused", "bad_code"), ("session.ended", "idle"), ("login.admitted", "")
    ]  # fmt: skip


@pytest.mark.req("TW-12")
async def test_the_pages_hold_everything_once(staff: Staff):
    for number in range(7):
        await happens(staff, Event.LOGIN_REFUSED, Reason.BAD_CODE, port=number)
        await happens(staff, Event.LOGIN_REFUSED, Reason.BAD_CODE, user="tina")

    pages = [await staff.office.myself.history(staff.by("tom"), limit=3)]
    while pages[-1]:
        pages.append(await staff.office.myself.history(staff.by("tom"), pages[-1][-1].seq, 3))

    numbers = [one.seq for page in pages for one in page]
    assert ([len(page) for page in pages], len(set(numbers))) == ([3, 3, 1, 0], 7)
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.req("HK-7", "HK-6")
async def test_a_firm_looks_at_its_own_users_logins_and_at_no_others(staff: Staff):
    await happens(staff, Event.LOGIN_ADMITTED)
    await happens(staff, Event.LOGIN_ADMITTED, user="tina")
    desk = staff.office.desk

    for name in ("acme1", "root1", "eye"):
        assert len(await desk.history("tom", staff.by(name))) == 1
    with pytest.raises(NotFound):
        await desk.history("tina", staff.by("acme1"))
    with pytest.raises(Forbidden):
        await desk.history("tom", staff.by("tom"))
    with pytest.raises(NotFound):
        await desk.history("nobody", staff.by("root1"))


@pytest.mark.req("TW-12", "HK-6")
async def test_a_firm_sees_its_own_users_live_sessions(world: World, passwords):
    staff = Staff.make(world.store, passwords)
    await staff.hire("acme1", Role.DELEGATED_ADMIN, "ACME")
    await staff.hire("root1", Role.EXCHANGE_ADMIN)
    await world.apply(opened("s1"))
    desk = staff.office.desk

    assert [row.id for row in await desk.live(staff.by("root1"))] == ["s1"]
    assert await desk.live(staff.by("acme1")) == ()
    with pytest.raises(Forbidden):
        await desk.live(ADMIN)
