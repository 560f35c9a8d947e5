"""Who sees alerts, and who may say that they were looked at (HK-6)."""

import pytest

from gateway.auth.desk import Forbidden
from gateway.auth.proofs import Denied
from gateway.policy.roles import Ruling
from gateway.policy.rules import Action, CrowdRules, DetectionRules, Policy
from gateway.store.errors import Conflict, NotFound
from tests.contract.staff import Staff

WATCHING = Policy(detection=DetectionRules(CrowdRules(Action.ALARM, accounts=2)))


@pytest.fixture
async def alerted(staff: Staff, store, passwords) -> Staff:
    """A user of each firm and the exchange's own administrator gave a code twice, all from one address."""
    watching = Staff.make(store, passwords, WATCHING)
    watching.keys = staff.keys
    for name in ("tom", "zoe", "root2"):
        code = watching.code(name)
        await watching.proves(name, code=code)
        with pytest.raises(Denied):
            await watching.proves(name, code=code)
    return watching


async def about(staff: Staff, name: str) -> set[str]:
    return {alert.subject for alert in await staff.office.desk.alerts(staff.by(name))}


async def alert_of(staff: Staff, subject: str) -> str:
    (found,) = [one for one in await staff.store.alerts.list() if one.subject == subject]
    return found.id


@pytest.mark.req("HK-6", "SF-20")
@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("root1", {"tom", "zoe", "root2", "192.0.2.7"}),
        ("eye", {"tom", "zoe", "root2", "192.0.2.7"}),
        ("acme1", {"tom"}),
        ("zen1", {"zoe"}),
    ],
)
async def test_the_exchange_and_the_auditor_see_everything_and_a_firm_what_concerns_its_own(alerted, name, subjects):
    assert await about(alerted, name) == subjects


@pytest.mark.req("HK-6")
async def test_a_user_sees_no_alerts(alerted: Staff):
    with pytest.raises(Forbidden):
        await alerted.office.desk.alerts(alerted.by("tom"))


@pytest.mark.req("HK-6")
async def test_only_the_exchange_acknowledges_and_nobody_an_alert_about_himself(alerted: Staff):
    tom, root2, desk = await alert_of(alerted, "tom"), await alert_of(alerted, "root2"), alerted.office.desk
    for name, alert, ruling in (
        ("eye", tom, Ruling.NO_ROLE), ("acme1", tom, Ruling.NO_ROLE), ("tom", tom, Ruling.NO_ROLE),
        ("root2", root2, Ruling.ONESELF),
    ):  # fmt: skip
        with pytest.raises(Forbidden) as no:
            await desk.acknowledge(alert, alerted.by(name))
        assert no.value.ruling is ruling

    assert (await desk.acknowledge(tom, alerted.by("root1"))).acknowledged_by == "root1"
    assert (await desk.acknowledge(root2, alerted.by("root1"))).acknowledged_by == "root1"
    left = await desk.alerts(alerted.by("root1"), open_only=True)
    assert {alert.subject for alert in left} == {"zoe", "192.0.2.7"}
    with pytest.raises(Conflict):
        await desk.acknowledge(tom, alerted.by("root2"))
    with pytest.raises(NotFound):
        await desk.acknowledge("none", alerted.by("root1"))
