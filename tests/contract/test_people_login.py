"""What people and administrators change is what the next login on the trading line is judged by."""

import pytest

from gateway.auth.authority import LocalAuthority
from gateway.auth.links import Given
from gateway.auth.parts import Parts
from gateway.core.login import Admitted, Attempt, Login, Origin, Verdict
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.roles import Act, Grant, Role
from gateway.policy.snapshot import Method
from tests.contract.staff import DAY, NOW, PASSWORD, Staff, token_of
from tests.contract.test_requests import approve, asked
from tests.contract.world import ADMIN

NEW = Secret("another Horse 9")


async def login(staff: Staff, name: str, password: Secret, code: Secret | None) -> Verdict:
    """Log in over FIX, as the gateway's own process judges it."""
    logins = staff.store.logins(node="edge", policy_of=Policies(staff.policy), clock=staff.clock)
    digest = staff.store.vault.credential_digest
    parts = Parts(logins, staff.passwords, lambda _: staff.policy, digest, staff.clock)
    found = Login("fix", name, name, "EXCH", "FIX.4.4", password, code, f"{name}-{staff.clock.wall}")
    origin = Origin("c1", "fix", "192.0.2.7", 1)
    return await LocalAuthority(parts, staff.store.audit).verify(Attempt(found, origin, "main", staff.clock()))


@pytest.mark.req("HK-3", "CQ-5")
async def test_who_was_set_up_by_a_link_logs_in_with_the_key_shown_there(staff: Staff):
    await staff.hire("new", device=False, password_hash="")
    letter = await staff.office.links.setup("new", ADMIN)
    made = await staff.office.links.enrol(token_of(letter), staff.by("new"))
    given = Given(new_password=NEW, new_code=await staff.first_code(made, "new"))
    await staff.office.links.finish(token_of(letter), given, staff.by("new"))
    assert isinstance(await login(staff, "new", NEW, staff.code("new")), Admitted)


@pytest.mark.req("HK-6", "M7-6")
async def test_an_approved_reset_is_felt_by_the_next_login(staff: Staff):
    assert isinstance(await login(staff, "tom", Secret(PASSWORD), staff.code("tom")), Admitted)
    await approve(staff, await asked(staff, Act.RESET_AUTHENTICATOR), "acme2")
    assert (await login(staff, "tom", Secret(PASSWORD), staff.code("tom"))).reason is Reason.NOT_ENROLLED


@pytest.mark.req("TW-8", "BY-8")
async def test_a_code_spent_at_a_form_is_spent_for_logins(staff: Staff):
    code = staff.code("tom")
    await staff.proves("tom", code=code)
    assert (await login(staff, "tom", Secret(PASSWORD), code)).reason is Reason.REPLAYED_CODE


@pytest.mark.req("TW-2")
async def test_an_administrator_needs_a_code_whatever_its_method(staff: Staff):
    grant = Grant(Role.AUDITOR, NOW + DAY)
    await staff.hire("plain", method=Method.PASSWORD)
    assert isinstance(await login(staff, "plain", Secret(PASSWORD), None), Admitted)
    await staff.store.users.grant("plain", grant, ADMIN)
    assert (await login(staff, "plain", Secret(PASSWORD), None)).reason is Reason.MISSING_CODE


@pytest.mark.req("HK-7")
async def test_a_session_does_not_outlive_its_users_last_day(staff: Staff):
    await staff.hire("temp", valid_until=NOW + 600)
    verdict = await login(staff, "temp", Secret(PASSWORD), staff.code("temp"))
    assert isinstance(verdict, Admitted)
    assert verdict.lifetime == NOW + 600 - staff.clock.wall
    staff.clock.move(600)
    assert (await login(staff, "temp", Secret(PASSWORD), staff.code("temp"))).reason is Reason.DISABLED
