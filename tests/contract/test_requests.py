"""Maker and checker on both engines (HK-6): who asks can't approve, the checker proves itself, a request expires."""

import asyncio

import pytest

from gateway.auth.desk import Forbidden
from gateway.auth.proofs import Denied
from gateway.auth.requests import Wish
from gateway.core.authority import Order
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.links import Purpose
from gateway.policy.organisations import Policies
from gateway.policy.roles import Act, Grant, Role, Ruling
from gateway.policy.snapshot import Method
from gateway.store.errors import Conflict, NotFound
from gateway.store.people import Request
from tests.contract.staff import DAY, NOW, Staff, token_of
from tests.contract.world import ADMIN, World, opened

WHY = "called back at the number on file"


async def asked(
    staff: Staff, act: Act = Act.RESET_AUTHENTICATOR, user: str = "tom", by: str = "acme1", **more
) -> Request:
    return await staff.office.requests.ask(Wish(act, user, WHY, **more), staff.by(by))


async def approve(staff: Staff, request: Request, by: str):
    code = staff.code(by)
    return await staff.office.requests.approve(request.id, code, staff.by(by))


@pytest.mark.req("HK-6", "HK-5", "CQ-6")
async def test_a_second_administrator_resets_an_authenticator_and_a_setup_link_goes_out(staff: Staff):
    outcome = await approve(staff, await asked(staff), "acme2")

    assert (await staff.store.users.show("tom")).devices == ()
    assert staff.tray.letters == [outcome.letter]
    with pytest.raises(Denied):
        await staff.proves("tom")
    events = await staff.events()
    assert [one for one in events if one.startswith("request")] == ["request.made", "request.approved"]
    approved = next(row for row in await staff.store.audit.rows() if row.event == "request.approved")
    assert ('"actor":"acme2"' in approved.details, '"source":"acme1"' in approved.details) == (True, True)


@pytest.mark.req("HK-6", "HK-5")
async def test_a_password_reset_leaves_the_authenticator_which_the_link_then_asks_for(staff: Staff):
    outcome = await approve(staff, await asked(staff, Act.RESET_PASSWORD), "root1")
    with pytest.raises(Denied):
        await staff.proves("tom")
    opened = await staff.office.links.open(token_of(outcome.letter), staff.clock.wall)
    assert ([one.value for one in opened.plan.asks], [one.value for one in opened.plan.sets]) == (
        ["code"],
        ["password"],
    )


@pytest.mark.req("HK-6")
@pytest.mark.parametrize(
    ("method", "act"),
    [(Method.PASSWORD, Act.RESET_AUTHENTICATOR), (Method.UPSTREAM_TOTP, Act.RESET_PASSWORD)],
)
async def test_a_reset_that_leaves_nothing_to_set_up_is_done_and_sends_no_link(staff: Staff, method: Method, act: Act):
    await staff.hire("pat", firm="ACME", method=method)
    outcome = await approve(staff, await asked(staff, act, "pat"), "acme2")

    assert (outcome.letter, staff.tray.letters) == (None, [])
    assert (await staff.store.requests.show(outcome.request.id)).decided_by == "acme2"


@pytest.mark.req("HK-6")
async def test_who_asks_cannot_approve(staff: Staff):
    request = await asked(staff)
    with pytest.raises(Forbidden) as no:
        await approve(staff, request, "acme1")
    assert no.value.ruling is Ruling.ONESELF
    with pytest.raises(Conflict, match="your own"):
        await staff.store.requests.approve(request.id, staff.by("acme1"))
    assert len((await staff.store.users.show("tom")).devices) == 1


@pytest.mark.req("HK-6", "TW-2")
async def test_the_checker_proves_itself_with_a_fresh_code(staff: Staff):
    request = await asked(staff)
    with pytest.raises(Denied):
        await staff.office.requests.approve(request.id, Secret("000000"), staff.by("acme2"))
    code = staff.code("acme2")
    await staff.proves("acme2", code=code)
    with pytest.raises(Denied) as no:
        await staff.office.requests.approve(request.id, code, staff.by("acme2"))
    assert no.value.reason is Reason.REPLAYED_CODE
    assert len((await staff.store.users.show("tom")).devices) == 1


@pytest.mark.req("HK-6")
async def test_a_request_expires(staff: Staff):
    request = await asked(staff)
    staff.clock.move(DAY + 1)
    with pytest.raises(Conflict, match="expired"):
        await approve(staff, request, "acme2")
    assert await staff.office.requests.waiting(staff.by("acme2")) == []
    await asked(staff)


@pytest.mark.req("HK-6")
async def test_a_request_is_decided_once_even_by_two_at_once(staff: Staff):
    request = await asked(staff)
    done = await asyncio.gather(
        *(staff.store.requests.approve(request.id, staff.by(name)) for name in ("acme2", "root1", "root2")),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["Conflict", "Conflict", "Request"]


@pytest.mark.req("HK-6")
@pytest.mark.parametrize(
    ("act", "user", "by"),
    [
        (Act.RESET_PASSWORD, "zoe", "acme1"),
        (Act.RESET_PASSWORD, "acme2", "acme1"),
        (Act.RESET_PASSWORD, "acme1", "acme1"),
        (Act.CHANGE_ROLE, "tom", "acme1"),
        (Act.RESET_PASSWORD, "tom", "eye"),
        (Act.RESET_PASSWORD, "tom", "zoe"),
        (Act.UNLOCK, "tom", "root1"),
    ],
)
async def test_nobody_asks_for_what_is_not_his_to_ask(staff: Staff, act: Act, user: str, by: str):
    with pytest.raises((Forbidden, NotFound)):
        await asked(staff, act, user, by)


@pytest.mark.req("HK-6")
@pytest.mark.parametrize("by", ["zen1", "eye", "tom"])
async def test_nobody_approves_who_could_not_have_asked(staff: Staff, by: str):
    request = await asked(staff)
    with pytest.raises((Forbidden, NotFound)):
        await approve(staff, request, by)
    if by == "zen1":
        assert await staff.office.requests.waiting(staff.by(by)) == []


@pytest.mark.req("HK-6", "SF-13")
async def test_a_role_is_given_until_a_day_by_two_of_the_exchange(staff: Staff):
    grant = Grant(Role.DELEGATED_ADMIN, NOW + 20 * DAY)
    request = await asked(staff, Act.CHANGE_ROLE, "tom", "root1", grant=grant)
    with pytest.raises(Forbidden):
        await approve(staff, request, "acme1")
    await approve(staff, request, "root2")
    assert (await staff.store.users.show("tom")).user.grant == grant
    assert len(await staff.office.desk.everybody(staff.by("tom"))) == 3
    await approve(staff, await asked(staff, Act.CHANGE_ROLE, "tom", "root1"), "root2")
    assert (await staff.store.users.show("tom")).user.grant is None


@pytest.mark.req("SF-13", "TW-2")
async def test_a_role_that_may_not_be_is_not_asked_for(staff: Staff):
    await staff.hire("algo", method=Method.UPSTREAM_TOTP, firm="ACME")
    await staff.hire("lone")
    fits = Grant(Role.DELEGATED_ADMIN, NOW + DAY)
    for user, grant in (("tom", Grant(Role.AUDITOR, NOW + 400 * DAY)), ("algo", fits), ("lone", fits)):
        with pytest.raises(ValueError, match=r"ends in|checked here|organisation"):
            await asked(staff, Act.CHANGE_ROLE, user, "root1", grant=grant)


@pytest.mark.req("HK-6", "SF-13")
async def test_a_request_dies_with_its_askers_role(staff: Staff):
    request = await asked(staff)
    await staff.store.users.grant("acme1", None, ADMIN)
    with pytest.raises(Conflict, match="hold"):
        await approve(staff, request, "acme2")


@pytest.mark.req("HK-6")
async def test_a_request_is_refused_by_another_or_taken_back(staff: Staff):
    first = await asked(staff)
    with pytest.raises(Conflict, match=first.id):
        await asked(staff, by="acme2")
    await staff.office.requests.refuse(first.id, "not known to me", staff.by("acme2"))
    with pytest.raises(Conflict):
        await approve(staff, first, "root1")
    second = await asked(staff)
    await staff.office.requests.refuse(second.id, "mistaken", staff.by("acme1"))
    with pytest.raises(Forbidden):
        await staff.office.requests.refuse((await asked(staff)).id, "no", staff.by("tom"))


@pytest.mark.req("HK-6", "M7-7")
async def test_links_that_went_to_the_old_address_are_void(staff: Staff):
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("tom"))
    old = token_of(staff.tray.letters[-1])
    await approve(staff, await asked(staff, Act.CHANGE_EMAIL, email="tom@new.example"), "acme2")
    assert (await staff.store.users.show("tom")).user.email == "tom@new.example"
    with pytest.raises(NotFound):
        await staff.office.links.open(old, staff.clock.wall)


@pytest.mark.req("HK-6")
async def test_a_request_says_why(staff: Staff):
    with pytest.raises(ValueError, match="identified"):
        await staff.office.requests.ask(Wish(Act.RESET_PASSWORD, "tom", " "), staff.by("acme1"))


@pytest.mark.req("HK-6", "M7-10")
@pytest.mark.parametrize("act", [Act.RESET_PASSWORD, Act.RESET_AUTHENTICATOR])
async def test_a_reset_ends_the_live_session_within_a_second(staff: Staff, act: Act):
    await staff.hire("trader", firm="ACME")
    world = World(
        staff.store, staff.store.logins(node="node-1", policy_of=Policies(staff.policy), clock=staff.clock), ""
    )
    await world.apply(opened("s1"))
    orders = world.logins.orders()
    waiting = asyncio.create_task(anext(orders))
    await approve(staff, await asked(staff, act, "trader"), "acme2")
    async with asyncio.timeout(10):
        assert await waiting == Order("s1", Reason.RIGHT_REMOVED)
    await orders.aclose()
