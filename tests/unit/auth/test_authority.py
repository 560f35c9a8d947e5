"""The authority's record of sessions over a real SQLite store: engine answers, ends, reports, orders."""

import pytest

from gateway.core.authority import Ended, Report, Seen, Started
from gateway.core.login import Admitted, Origin, Refused
from gateway.core.reason import Reason
from gateway.policy.rules import Counted, LockoutRules, Policy
from gateway.policy.snapshot import Method
from gateway.store.errors import StoreUnavailable
from gateway.store.ports import Actor
from tests.unit.auth.rig import NOW, Rig, code_at

STEP = 30


async def admitted(rig: Rig, **changes: object) -> Admitted:
    verdict = await rig.login(**changes)
    assert isinstance(verdict, Admitted), verdict
    return verdict


async def over(rig: Rig, reason: Reason, **changes: object) -> None:
    """Log in, have it end for `reason` before it was live, and move on to the next code."""
    grant = await admitted(rig, **changes)
    await rig.authority.ended(Ended(grant.session, reason, rig.clock.now.wall, b""))
    rig.clock.move(STEP)


# ── ADR 0004 ──


async def test_a_good_code_is_given_back_when_the_engine_is_unreachable_and_nothing_is_counted(rig: Rig):
    first = await admitted(rig)
    await rig.authority.ended(Ended(first.session, Reason.UPSTREAM_UNREACHABLE, NOW, b""))
    again = await admitted(rig, code=code_at(NOW))
    assert again.session != first.session
    assert await rig.failures() == 0


@pytest.mark.parametrize("reason", [Reason.CLIENT_LEFT, Reason.UPSTREAM_SILENT, Reason.UPSTREAM_CLOSED])
async def test_a_code_that_went_upstream_or_whose_client_left_stays_used(rig: Rig, reason: Reason):
    grant = await admitted(rig)
    await rig.authority.ended(Ended(grant.session, reason, NOW, b""))
    assert (await rig.login(code=code_at(NOW))).reason is Reason.REPLAYED_CODE


async def test_the_place_of_a_session_is_free_again_after_its_end(rig: Rig):
    grant = await admitted(rig)
    await rig.authority.ended(Ended(grant.session, Reason.LOGOUT, NOW, b"7"))
    assert await rig.store.sessions.live(NOW) == ()
    rig.clock.move(STEP)
    assert (await admitted(rig)).memory.value == b"7"


# ── where the engine checks the password ──


@pytest.mark.req("CQ-4", "M7-11")
async def test_an_engine_that_refuses_counts_as_a_wrong_password(make_rig):
    rig = await make_rig(Policy(lockout=LockoutRules(threshold=3)), Method.UPSTREAM_TOTP)
    for failures in (1, 2, 3):
        await over(rig, Reason.UPSTREAM_REFUSED)
        assert await rig.failures() == failures
    assert (await rig.login()).reason is Reason.LOCKED


@pytest.mark.req("M7-11")
async def test_an_engine_that_accepts_ends_the_row(make_rig):
    rig = await make_rig(Policy(lockout=LockoutRules(threshold=3)), Method.UPSTREAM_TOTP)
    await over(rig, Reason.UPSTREAM_REFUSED)
    grant = await admitted(rig)
    assert await rig.failures() == 1
    await rig.authority.started(Started(grant.session, "127.0.0.1:9", rig.clock.now.wall))
    assert await rig.failures() == 0


@pytest.mark.req("BY-3")
async def test_a_refused_external_password_is_not_sent_to_the_engine_twice(make_rig):
    rig = await make_rig(Policy(), Method.EXTERNAL, device=False)
    await over(rig, Reason.UPSTREAM_REFUSED, password="wrong", code="")
    assert (await rig.login(password="wrong", code="")).reason is Reason.REPEATED
    assert await rig.failures() == 1


async def test_where_passwords_do_not_count_the_engines_no_spends_the_address_only(make_rig):
    rules = LockoutRules(counts=frozenset({Counted.CODE}), address_budget=1)
    rig = await make_rig(Policy(lockout=rules), Method.UPSTREAM_TOTP)
    await over(rig, Reason.UPSTREAM_REFUSED)
    assert await rig.failures() == 0
    assert (await rig.login()).reason is Reason.ADDRESS_BLOCKED


async def test_an_engine_that_refuses_a_local_user_counts_nothing(rig: Rig):
    await over(rig, Reason.UPSTREAM_REFUSED)
    assert await rig.failures() == 0


@pytest.mark.parametrize("reason", [Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_SILENT, Reason.CLIENT_LEFT])
async def test_an_engine_that_did_not_answer_judged_nothing(make_rig, reason: Reason):
    rig = await make_rig(Policy(), Method.UPSTREAM_TOTP)
    await over(rig, reason)
    assert await rig.failures() == 0


# ── the record ──


class Flaky:
    """A login store that is away for so many ends."""

    def __init__(self, inner, times: int) -> None:
        self._inner, self.left = inner, times

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    async def ended(self, ended: Ended) -> None:
        if self.left:
            self.left -= 1
            raise StoreUnavailable("away")
        await self._inner.ended(ended)


@pytest.mark.parametrize(("times", "lost"), [(3, False), (4, True)])
async def test_an_end_is_recorded_when_the_store_comes_back_and_raised_when_it_does_not(rig: Rig, times, lost):
    grant = await admitted(rig)
    rig.authority._store = Flaky(rig.logins, times)
    ended = Ended(grant.session, Reason.LOGOUT, NOW)
    if lost:
        with pytest.raises(StoreUnavailable):
            await rig.authority.ended(ended)
    else:
        await rig.authority.ended(ended)
        assert await rig.store.sessions.live(NOW) == ()


async def test_a_lease_is_renewed_by_a_sign_of_life(rig: Rig):
    grant = await admitted(rig)
    rig.clock.move(20)
    await rig.authority.seen([Seen(grant.session, NOW)])
    assert len(await rig.store.sessions.live(NOW + 40)) == 1


@pytest.mark.req("SF-8")
async def test_contacts_from_one_address_are_recorded_once_a_minute_with_their_count(rig: Rig):
    report = Report(Origin("c", "fix", "2001:db8::1", 1), Reason.GARBLED, NOW)
    neighbour = Report(Origin("c", "fix", "2001:db8::2", 1), Reason.GARBLED, NOW)
    for _ in range(3):
        await rig.authority.report(report)
        await rig.authority.report(neighbour)
    rig.clock.move(61)
    await rig.authority.report(report)
    rows = [row for row in await rig.store.audit.rows() if row.event == "contact.refused"]
    assert ['"count":1' in rows[0].details, '"count":6' in rows[1].details, len(rows)] == [True, True, 2]


async def test_readiness_is_the_stores(rig: Rig):
    assert await rig.authority.ready()
    await rig.store.close()
    assert not await rig.authority.ready()


@pytest.mark.req("TW-5")
async def test_an_unlocked_user_gets_in_again(make_rig):
    rig = await make_rig(Policy(lockout=LockoutRules(threshold=1, duration=0)))
    assert isinstance(await rig.login(password="wrong"), Refused)
    assert (await rig.login()).reason is Reason.LOCKED
    await rig.store.users.unlock("alice", Actor("ops", NOW))
    assert isinstance(await rig.login(), Admitted)
