"""The verifier over a real SQLite store: races, an unreachable store, the floor, takeovers and what is written down."""

import asyncio
from dataclasses import replace

import pytest

from gateway.auth.passwords import Passwords
from gateway.auth.verify import until_floor
from gateway.core.authority import Ended, Started
from gateway.core.login import Admitted, Note, Refused
from gateway.core.reason import Reason
from gateway.policy.rules import LockoutRules, OnDuplicate, Policy, Reuse, SessionRules, TotpRules
from gateway.policy.snapshot import Method
from gateway.store.errors import Conflict, StoreUnavailable
from tests.unit.auth.rig import NOW, PASSWORD, Rig, attempt_at, code_at

WITHIN_STEP = Policy(totp=TotpRules(window=0, reuse=Reuse.WITHIN_STEP), sessions=SessionRules(max_per_user=64))


def reason_of(verdict) -> Reason | None:
    return getattr(verdict, "reason", None)


# ── yes and no ──


@pytest.mark.req("M7-1")
async def test_the_right_user_password_and_code_open_a_session(rig: Rig):
    verdict = await rig.login()
    assert isinstance(verdict, Admitted)
    assert (verdict.user, verdict.idle, verdict.lifetime) == ("alice", 1800.0, 86400.0)
    assert [row.id for row in await rig.store.sessions.live(NOW)] == [verdict.session]


async def test_the_memory_of_an_admission_is_as_it_was_before_with_the_version_it_has_now(rig: Rig):
    verdict = await rig.login()
    assert isinstance(verdict, Admitted)
    assert not verdict.memory.open
    assert await rig.authority.remember(Note(verdict.memory.key, verdict.memory.version, b"hole"))


async def test_a_refused_users_memory_is_known_and_a_strangers_is_not(rig: Rig):
    known, stranger = await rig.login(password="wrong"), await rig.login(user="mallory")
    assert isinstance(known, Refused)
    assert isinstance(stranger, Refused)
    assert (known.reason, stranger.reason) == (Reason.BAD_PASSWORD, Reason.UNKNOWN_USER)
    assert known.memory is not None
    assert (stranger.memory, stranger.text) == (None, "")


@pytest.mark.req("M7-8")
async def test_wrong_password_wrong_code_and_locked_read_the_same(rig: Rig):
    texts = {
        (await rig.login(password="wrong")).text,
        (await rig.login(code="000000")).text,
        (await rig.login(code="")).text,
    }
    assert len(texts) == 1


@pytest.mark.req("CQ-2")
async def test_a_user_without_an_authenticator_is_told_where_to_register_one(make_rig):
    rig = await make_rig(device=False)
    verdict = await rig.login(code="")
    assert reason_of(verdict) is Reason.NOT_ENROLLED
    assert "https://portal.example" in verdict.text


@pytest.mark.req("BY-3")
async def test_the_same_stale_code_on_every_reconnect_counts_once_and_is_told_to_wait(rig: Rig):
    stale = code_at(NOW - 300)
    assert await rig.reasons(4, code=stale) == [Reason.STALE_CODE] + [Reason.REPEATED] * 3
    assert await rig.failures() == 1
    assert "retry with a new code in" in (await rig.login(code=stale)).text
    assert isinstance(await rig.login(), Admitted)


@pytest.mark.req("BY-3")
async def test_credentials_that_an_administrator_made_right_are_looked_at_again(make_rig):
    rig = await make_rig(method=Method.PASSWORD)
    assert await rig.reasons(2, password="new Secret 99") == [Reason.BAD_PASSWORD, Reason.REPEATED]
    from gateway.core.secret import Secret
    from gateway.store.ports import Actor

    hashed = await rig.passwords.hash(Secret("new Secret 99"))
    await rig.store.users.set_password("alice", hashed, Actor("ops", NOW))
    assert isinstance(await rig.login(password="new Secret 99"), Admitted)


@pytest.mark.req("TW-5", "M7-11")
async def test_failures_in_a_row_lock_and_the_right_login_is_refused_until_the_lock_is_over(make_rig):
    rig = await make_rig(Policy(lockout=LockoutRules(threshold=3, duration=900)))
    wrong = [reason_of(await rig.login(password=f"wrong {n}")) for n in range(3)]
    assert wrong == [Reason.BAD_PASSWORD] * 3
    assert reason_of(await rig.login()) is Reason.LOCKED
    rig.clock.move(901)
    assert isinstance(await rig.login(), Admitted)


@pytest.mark.req("M7-9")
async def test_under_m7_one_code_opens_two_sessions_within_its_interval(make_rig):
    rig = await make_rig(WITHIN_STEP)
    assert await rig.reasons(1, stream="ALGO1") == [None]
    assert await rig.reasons(1, stream="ALGO2") == [None]


@pytest.mark.req("BY-8")
async def test_a_used_code_is_a_replay_and_is_written_down_as_one(rig: Rig):
    same = code_at(NOW)
    assert await rig.reasons(2, code=same) == [None, Reason.REPLAYED_CODE]
    assert "code.replayed" in await rig.audited()


@pytest.mark.req("BY-4")
async def test_a_code_that_waited_for_a_minute_is_judged_by_its_arrival(rig: Rig):
    attempt = attempt_at(rig.clock.now)
    rig.clock.move(60)
    assert isinstance(await rig.authority.verify(attempt), Admitted)


# ── races ──


@pytest.mark.req("M7-9")
async def test_of_two_hundred_parallel_logins_with_one_code_exactly_one_wins(rig: Rig):
    attempts = [attempt_at(rig.clock.now, stream=f"S{n}") for n in range(200)]
    verdicts = await asyncio.gather(*(rig.authority.verify(attempt) for attempt in attempts))
    assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 1
    assert {reason_of(verdict) for verdict in verdicts} == {None, Reason.REPLAYED_CODE, Reason.REPEATED}
    assert await rig.failures() == 1


async def test_of_parallel_logins_at_two_nodes_exactly_one_wins(rig: Rig):
    other = Rig(rig.store, rig.passwords, rig.policy)
    attempts = [attempt_at(rig.clock.now, stream=f"S{n}") for n in range(20)]
    verdicts = await asyncio.gather(*(node.authority.verify(attempt) for attempt in attempts for node in (rig, other)))
    assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 1
    assert not any(reason_of(verdict) is Reason.UNAVAILABLE for verdict in verdicts)


class Rival:
    """A login store on which somebody else is faster, so many times."""

    def __init__(self, inner, times: int) -> None:
        self._inner = inner
        self.left = times

    def __getattr__(self, name: str):
        return getattr(self._inner, name)

    async def apply(self, *arguments) -> None:
        if self.left:
            self.left -= 1
            raise Conflict("somebody else was faster")
        await self._inner.apply(*arguments)


def over(rig: Rig, store) -> Rig:
    """The rig with another login store under its authority."""
    from gateway.auth.authority import LocalAuthority

    rig.parts = replace(rig.parts, store=store)
    rig.authority = LocalAuthority(rig.parts, rig.store.audit)
    return rig


async def test_a_lost_race_is_decided_again(rig: Rig):
    rival = Rival(rig.logins, 3)
    assert isinstance(await over(rig, rival).login(), Admitted)
    assert rival.left == 0


async def test_a_race_that_is_always_lost_is_a_no(rig: Rig):
    verdict = await over(rig, Rival(rig.logins, 1000)).login()
    assert reason_of(verdict) is Reason.UNAVAILABLE
    assert await rig.store.sessions.live(NOW) == ()


# ── fail closed ──


class Away:
    """A login store that is not there."""

    async def snapshot(self, *_: object) -> None:
        raise StoreUnavailable("gone")


class Broken:
    async def snapshot(self, *_: object) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize("kind", [Away, Broken])
async def test_a_store_that_is_away_or_broken_is_a_no_and_never_an_exception(rig: Rig, kind):
    verdict = await over(rig, kind()).login()
    assert isinstance(verdict, Refused)
    assert (verdict.reason, verdict.memory) == (Reason.UNAVAILABLE, None)
    assert [call for call, _ in rig.ears.failures] == ["verify"]


async def test_a_closed_database_is_a_no(rig: Rig):
    await rig.store.close()
    assert reason_of(await rig.login()) is Reason.UNAVAILABLE


async def test_more_passwords_than_may_wait_are_a_no(rig: Rig):
    full = Passwords(time_cost=1, memory_cost=64, workers=1, queue=0)
    full._pool._places.acquire(blocking=False)
    try:
        over(rig, rig.logins)
        rig.parts = replace(rig.parts, passwords=full)
        verdict = await over(rig, rig.logins).login()
        assert reason_of(verdict) is Reason.UNAVAILABLE
        assert await rig.failures() == 0
    finally:
        full._pool._places.release()
        full.close()


async def test_a_policy_that_cannot_be_found_is_a_no(rig: Rig):
    def lost(_user) -> Policy:
        raise KeyError("organisation")

    rig.parts = replace(rig.parts, policy_of=lost)
    assert reason_of(await over(rig, rig.logins).login()) is Reason.UNAVAILABLE


# ── the floor ──


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0.0, 0.4), (0.1, 0.3), (0.4, 0.0), (0.5, 0.3), (0.81, 0.39), (-1.0, 1.4)]
)
def test_a_refusal_leaves_at_the_floor_or_at_its_next_multiple(elapsed, wait):
    assert until_floor(elapsed, 0.4) == pytest.approx(wait)


def test_without_a_floor_nothing_waits():
    assert until_floor(0.1, 0.0) == 0.0


async def test_every_refusal_is_released_at_the_same_moment_after_arrival(rig: Rig):
    for changes in ({"password": "wrong"}, {"code": "000000"}, {"user": "mallory"}, {"process": "OTHER"}):
        begun = rig.clock.now.mono
        assert isinstance(await rig.login(**changes), Refused)
        assert rig.clock.now.mono - begun == pytest.approx(rig.policy.refusal_floor)


async def test_an_unavailable_store_answers_at_the_floor_too(rig: Rig):
    over(rig, Away())
    begun = rig.clock.now.mono
    await rig.login()
    assert rig.clock.now.mono - begun == pytest.approx(rig.policy.refusal_floor)


async def test_an_admission_does_not_wait(rig: Rig):
    assert isinstance(await rig.login(), Admitted)
    assert rig.clock.slept == []


# ── takeover ──


@pytest.mark.req("TW-1", "BY-5")
async def test_a_newer_login_waits_until_the_older_one_has_left_its_numbers_behind(rig: Rig):
    first = await rig.login()
    assert isinstance(first, Admitted)
    await rig.authority.started(Started(first.session, "127.0.0.1:9", NOW))
    rig.clock.move(20)
    rig.clock.passes.clear()

    async def older() -> None:
        async for order in rig.authority.orders():
            assert (order.session, order.reason) == (first.session, Reason.REPLACED)
            await rig.authority.ended(Ended(order.session, order.reason, rig.clock.now.wall, b"42"))
            rig.clock.passes.set()
            return

    _, second = await asyncio.gather(older(), rig.login())
    assert isinstance(second, Admitted)
    assert (second.memory.value, second.memory.open) == (b"42", False)
    assert [row.id for row in await rig.store.sessions.live(rig.clock.now.wall)] == [second.session]


@pytest.mark.req("TW-1")
async def test_an_older_session_that_never_answers_does_not_keep_its_user_out(rig: Rig):
    assert isinstance(await rig.login(), Admitted)
    rig.clock.move(20)
    begun = rig.clock.now.mono
    second = await rig.login()
    assert isinstance(second, Admitted)
    assert second.memory.open
    assert rig.clock.now.mono - begun >= 2.0


@pytest.mark.req("TW-1", "M7-10")
async def test_while_one_login_waits_for_its_older_session_the_users_other_streams_log_in(make_rig):
    rig = await make_rig(WITHIN_STEP)
    await rig.login()
    rig.clock.passes.clear()
    waiting = asyncio.create_task(rig.login())
    await rig.clock.waits.wait()

    assert isinstance(await rig.login(stream="ALGO2", process="ALGO2"), Admitted)
    assert not waiting.done()
    rig.clock.passes.set()
    assert isinstance(await waiting, Admitted)


@pytest.mark.req("TW-1")
async def test_a_policy_may_refuse_the_newer_login(make_rig):
    rig = await make_rig(Policy(sessions=SessionRules(on_duplicate=OnDuplicate.REFUSE)))
    assert isinstance(await rig.login(), Admitted)
    rig.clock.move(20)
    assert reason_of(await rig.login()) is Reason.ALREADY_LOGGED_IN


# ── what is said about it ──


@pytest.mark.req("TW-10")
async def test_the_observer_learns_the_true_reason_and_no_secret(rig: Rig):
    await rig.login()
    rig.clock.move(20)
    await rig.login(code=code_at(NOW - 120))
    (good, reason, _, _), (_, stale, took, drift) = rig.ears.decisions
    assert (reason, stale, drift) == (None, Reason.STALE_CODE, -5)
    assert took == pytest.approx(rig.policy.refusal_floor)
    assert (good.login.password, good.login.code) == (None, None)


@pytest.mark.req("TW-10", "TW-12")
async def test_the_audit_chain_names_who_and_whence_and_holds_no_secret(rig: Rig):
    await rig.login()
    await rig.login(password="canary-password", code="000000")
    rows = await rig.store.audit.rows()
    text = repr(rows)
    assert PASSWORD not in text
    assert "canary-password" not in text
    assert code_at(NOW) not in text
    admitted = next(row for row in rows if row.event == "login.admitted")
    assert (admitted.user, admitted.address) == ("alice", "192.0.2.7")
    assert '"process":"ALGO1"' in admitted.details
    assert (await rig.store.audit.verify()).intact


async def test_a_client_that_reconnects_for_ever_does_not_fill_the_audit_chain(rig: Rig):
    await rig.reasons(10, code=code_at(NOW - 300))
    refused = [event for event in await rig.audited() if event == "login.refused"]
    assert len(refused) == 2
