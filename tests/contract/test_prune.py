"""What people's links and requests leave behind is not kept for ever; the audit chain is."""

import pytest
import sqlalchemy as sa

from gateway.auth.proofs import Denied
from gateway.policy.links import Purpose
from gateway.policy.roles import Act, Role
from gateway.store.people import Link, Request
from gateway.store.schema import alerts, links, requests
from tests.contract.staff import DAY, Staff
from tests.contract.world import NOW


@pytest.fixture
async def staff(store, passwords) -> Staff:
    staff = Staff.make(store, passwords)
    await staff.hire("tom")
    for name in ("root1", "root2"):
        await staff.hire(name, Role.EXCHANGE_ADMIN, days=366)
    return staff


async def kept(staff: Staff, column: sa.Column) -> set[object]:
    return set(await staff.store.survey(lambda connection: connection.execute(sa.select(column)).scalars().all()))


@pytest.mark.req("CQ-5")
@pytest.mark.parametrize(("days", "left"), [(29, {b"used", b"over", b"open"}), (32, {b"open"})])
async def test_a_link_goes_a_month_after_it_was_used_or_had_expired(staff: Staff, days: float, left: set[bytes]):
    staff.clock.move(-DAY)
    await staff.store.links.issue(Link(b"used", "tom", Purpose.SETUP, NOW + 90 * DAY), staff.by("root1"))
    staff.clock.move(DAY)
    await staff.store.links.issue(
        Link(b"open", "tom", Purpose.SETUP, NOW + 90 * DAY), staff.by("root1")
    )  # voids the first
    await staff.store.links.issue(Link(b"over", "root2", Purpose.SETUP, NOW + DAY), staff.by("root1"))

    await staff.store.prune(NOW + days * DAY)

    assert await kept(staff, links.c.digest) == left
    assert (await staff.store.audit.verify()).intact


@pytest.mark.req("BY-8")
@pytest.mark.parametrize(("days", "left"), [(360, {"tom"}), (368, set())])
async def test_an_alert_goes_a_year_after_it_was_raised_though_nobody_looked_at_it(
    staff: Staff, days: float, left: set
):
    """Who has many addresses raises as many alerts: they must not fill the store."""
    code = staff.code("tom")
    await staff.proves("tom", code=code)
    with pytest.raises(Denied):
        await staff.proves("tom", code=code)

    await staff.store.prune(NOW + days * DAY)

    assert await kept(staff, alerts.c.subject) == left


@pytest.mark.req("HK-6")
@pytest.mark.parametrize(("days", "left"), [(360, {"over", "done"}), (368, set())])
async def test_a_request_goes_a_year_after_it_was_decided_or_had_expired(staff: Staff, days: float, left: set[str]):
    for id_, act in (("over", Act.RESET_PASSWORD), ("done", Act.RESET_AUTHENTICATOR)):
        made = Request(id_, act, "tom", "root1", NOW, NOW + DAY, "lost")
        await staff.store.requests.make(made, staff.by("root1"))
    await staff.store.requests.refuse("done", "no", staff.by("root2"))

    await staff.store.prune(NOW + days * DAY)

    assert await kept(staff, requests.c.id) == left
