"""One account, one policy: a user's FIX and AMQP logins are one thing, on two gateways over one store (issue 3)."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

import pyotp
import pytest

from gateway.auth.authority import LocalAuthority
from gateway.auth.parts import Parts
from gateway.auth.passwords import Passwords
from gateway.auth.turns import Turns
from gateway.core.authority import Ended, Order, Owed, Started
from gateway.core.login import Admitted, Attempt, Login, Origin, Verdict
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.organisations import Policies
from gateway.policy.rules import LockoutRules, Policy, Reuse, SessionRules, TotpRules
from gateway.policy.snapshot import Device, User
from gateway.store.store import Store
from tests.contract.conftest import PATIENCE
from tests.contract.world import ADMIN, KEY, NOW, Hands

PASSWORD = "correct Horse 7"
TOTP = pyotp.TOTP(base64.b32encode(KEY).decode())
PROTOCOLS = {
    "fix": Login("fix", "trader", "CLIENT", "EXCH", "FIX.4.4", stream="CLIENT>EXCH"),
    "amqp": Login("amqp", "trader", "app", "/app", "0-9-1", stream="trader", will=b"logout"),
}


@dataclass
class Gateway:
    """One gateway process for one protocol. What its clock says passes only while `passes` is set."""

    protocol: str
    authority: LocalAuthority
    clock: Hands
    passes: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    async def sleep(self, seconds: float) -> None:
        self.waits.set()
        await self.passes.wait()
        self.clock.move(seconds)
        await asyncio.sleep(0)

    async def login(self, *, password: str = PASSWORD, code: str | None = None, renews: str = "", **login) -> Verdict:
        """Log the trader in now, with the right code unless told otherwise."""
        now = self.clock()
        code = TOTP.at(int(now.wall)) if code is None else code
        found = replace(PROTOCOLS[self.protocol], password=Secret(password), code=Secret(code), **login)
        origin = Origin("c1", self.protocol, "192.0.2.7", 1)
        return await self.authority.verify(Attempt(found, origin, f"{self.protocol}-venue", now, renews))

    async def lives(self, **login) -> str:
        """Log in, be answered by the venue, and return the session's id; then move on to the next code."""
        verdict = await self.login(**login)
        assert isinstance(verdict, Admitted), verdict
        await self.authority.started(Started(verdict.session, "venue", self.clock.wall))
        self.clock.move(30)
        return verdict.session

    async def ends(self, session: str, reason: Reason, **more) -> None:
        await self.authority.ended(Ended(session, reason, self.clock.wall, b"", **more))


Make = Callable[[Policy], tuple[Gateway, Gateway]]


@pytest.fixture
async def make(store: Store, passwords: Passwords) -> Make:
    await store.users.add(
        User("", "trader", processes=frozenset({"CLIENT", "app"}), password_changed=NOW,
             password_hash=await passwords.hash(Secret(PASSWORD))),
        ADMIN,
    )  # fmt: skip
    await store.devices.add("trader", Device("", Secret(KEY)), "phone", ADMIN)
    clock = Hands()

    def both(policy: Policy) -> tuple[Gateway, Gateway]:
        made = []
        for protocol in PROTOCOLS:
            here = Gateway(protocol, None, clock)
            here.passes.set()
            logins = store.logins(node=f"{protocol}-node", policy_of=Policies(policy), clock=clock, lease=3600.0)
            parts = Parts(logins, passwords, lambda _: policy, store.vault.credential_digest, clock, sleep=here.sleep)
            here.authority = LocalAuthority(parts, store.audit, turns=Turns(patience=PATIENCE))
            made.append(here)
        return made[0], made[1]

    return both


@pytest.fixture
def gateways(make: Make) -> tuple[Gateway, Gateway]:
    return make(Policy())


def reason_of(verdict: Verdict) -> Reason | None:
    return getattr(verdict, "reason", None)


async def live(store: Store, clock: Hands) -> list[str]:
    return [row.id for row in await store.sessions.live(clock.wall)]


# ── attempts and locks ──


@pytest.mark.req("M7-11", "TW-5")
async def test_five_wrong_logins_over_both_protocols_lock_the_account_on_both(make: Make):
    fix, amqp = make(Policy(lockout=LockoutRules(threshold=5)))
    wrong = [reason_of(await one.login(password=f"wrong {n}")) for n, one in enumerate([fix, amqp, fix, amqp, amqp])]

    assert wrong == [Reason.BAD_PASSWORD] * 5
    assert [reason_of(await one.login()) for one in (fix, amqp)] == [Reason.LOCKED] * 2


@pytest.mark.req("M7-11")
async def test_a_good_login_on_one_protocol_ends_the_row_of_failures_of_the_other(make: Make):
    fix, amqp = make(Policy(lockout=LockoutRules(threshold=2)))
    assert reason_of(await fix.login(password="wrong")) is Reason.BAD_PASSWORD
    await amqp.lives()
    assert reason_of(await fix.login(password="wrong again")) is Reason.BAD_PASSWORD
    fix.clock.move(30)
    await fix.lives()


@pytest.mark.req("BY-3")
async def test_credentials_refused_on_one_protocol_are_known_on_the_other(gateways):
    fix, amqp = gateways
    assert [reason_of(await one.login(code="000000")) for one in (fix, amqp)] == [Reason.BAD_CODE, Reason.REPEATED]


@pytest.mark.req("SF-8")
async def test_an_address_has_one_budget_for_both(make: Make):
    fix, amqp = make(Policy(lockout=LockoutRules(threshold=50, address_budget=2)))
    wrong = [reason_of(await one.login(password=f"wrong {n}")) for n, one in enumerate([fix, amqp, amqp])]

    assert wrong == [Reason.BAD_PASSWORD, Reason.BAD_PASSWORD, Reason.ADDRESS_BLOCKED]


# ── codes ──


@pytest.mark.req("M7-9", "BY-8")
async def test_a_code_used_on_one_protocol_is_used_on_the_other(gateways):
    fix, amqp = gateways
    assert isinstance(await fix.login(), Admitted)
    assert reason_of(await amqp.login()) is Reason.REPLAYED_CODE


@pytest.mark.req("M7-9")
async def test_of_logins_at_once_with_one_code_on_both_protocols_one_gets_in(gateways):
    verdicts = await asyncio.gather(*(one.login() for one in gateways for _ in range(5)))
    assert sum(isinstance(verdict, Admitted) for verdict in verdicts) == 1
    assert not any(reason_of(verdict) is Reason.UNAVAILABLE for verdict in verdicts)


@pytest.mark.req("M7-9")
async def test_under_m7_one_code_opens_a_session_on_each_within_its_interval(make: Make):
    fix, amqp = make(Policy(totp=TotpRules(window=0, reuse=Reuse.WITHIN_STEP)))
    assert [reason_of(await one.login()) for one in (fix, amqp)] == [None, None]


# ── places and force ──


@pytest.mark.req("SF-6")
async def test_the_sessions_of_both_protocols_are_counted_together(make: Make):
    fix, amqp = make(Policy(sessions=SessionRules(max_per_user=1)))
    await fix.lives()
    assert reason_of(await amqp.login()) is Reason.TOO_MANY_SESSIONS


@pytest.mark.req("TW-1")
async def test_a_login_without_force_is_refused_while_there_is_a_session_on_the_other_protocol(gateways, store: Store):
    fix, amqp = gateways
    session = await fix.lives()
    assert reason_of(await amqp.login(force=False)) is Reason.ALREADY_LOGGED_IN
    assert await live(store, fix.clock) == [session]
    await fix.ends(session, Reason.LOGOUT)
    await amqp.lives(force=False)


@pytest.mark.req("TW-1", "M7-10")
async def test_a_login_with_force_waits_until_the_sessions_of_both_protocols_have_left(gateways, store: Store):
    fix, amqp = gateways
    older = {await fix.lives(): fix, await amqp.lives(): amqp}
    amqp.passes.clear()
    waiting = asyncio.create_task(amqp.login(force=True))
    async with asyncio.timeout(30):
        for gateway in (fix, amqp):
            order = await first(gateway.authority.orders())
            assert (older[order.session], order.reason) == (gateway, Reason.REPLACED)
            assert not waiting.done()
            await gateway.ends(order.session, order.reason)
        amqp.passes.set()
        verdict = await waiting

    assert isinstance(verdict, Admitted)
    assert await live(store, amqp.clock) == [verdict.session]


@pytest.mark.req("TW-1", "M7-10")
async def test_a_venue_hears_of_the_old_sessions_end_before_the_new_login_goes_up(gateways, store: Store):
    fix, amqp = gateways
    old = await amqp.lives()
    await amqp.ends(old, Reason.CLIENT_LOST, owed=True)
    fix.passes.clear()
    waiting = asyncio.create_task(fix.login(force=True))
    async with asyncio.timeout(30):
        await fix.waits.wait()
        owed = await first(amqp.authority.orders())
        assert (owed, waiting.done()) == (Owed(old, "amqp-venue", b"logout"), False)
        began = fix.clock.mono
        await amqp.ends(old, Reason.CLIENT_LOST)
        fix.passes.set()
        assert isinstance(await waiting, Admitted)

    assert fix.clock.mono - began < 1.0


@pytest.mark.req("TW-1")
async def test_a_session_that_never_leaves_keeps_its_user_out_for_the_limit_only(gateways):
    fix, amqp = gateways
    await amqp.lives()
    began = fix.clock.mono
    assert isinstance(await fix.login(force=True), Admitted)
    assert 2.0 <= fix.clock.mono - began < 3.0


@pytest.mark.parametrize("force", [True, False])
async def test_who_has_not_the_right_code_ends_no_session_and_learns_of_none(gateways, store: Store, force: bool):
    fix, amqp = gateways
    session = await fix.lives()
    beside = await amqp.login(force=force, code="000000")
    await fix.ends(session, Reason.LOGOUT)
    amqp.clock.move(30)
    alone = await amqp.login(force=force, code="111111")

    assert (reason_of(beside), beside.text.split(";")[0]) == (reason_of(alone), alone.text.split(";")[0])
    assert reason_of(beside) is Reason.BAD_CODE
    assert "session.ordered" not in [row.event for row in await store.audit.rows()]


# ── lifetime ──


@pytest.mark.req("SF-9")
async def test_both_protocols_sessions_have_the_users_one_lifetime(make: Make):
    gateways = make(Policy(sessions=SessionRules(idle=60.0, lifetime=600.0)))
    for one in gateways:
        verdict = await one.login()
        one.clock.move(30)
        assert isinstance(verdict, Admitted)
        assert (verdict.idle, verdict.lifetime) == (60.0, 600.0)


@pytest.mark.req("SF-9", "BY-8")
async def test_a_renewal_prolongs_the_session_and_burns_its_code_on_both_protocols(gateways, store: Store):
    fix, amqp = gateways
    session = await amqp.lives()
    verdict = await amqp.login(renews=session)

    assert isinstance(verdict, Admitted)
    assert (verdict.session, verdict.lifetime) == (session, 86400.0)
    assert await live(store, fix.clock) == [session]
    assert reason_of(await fix.login()) is Reason.REPLAYED_CODE
    assert [row.session for row in await store.audit.rows() if row.event == "session.renewed"] == [session]


@pytest.mark.req("M7-9")
async def test_under_m7_the_code_that_opened_a_session_may_renew_it_within_its_interval(make: Make):
    _, amqp = make(Policy(totp=TotpRules(window=0, reuse=Reuse.WITHIN_STEP)))
    verdict = await amqp.login()
    renewals = [await amqp.login(renews=verdict.session) for _ in range(2)]
    assert [one.session for one in renewals] == [verdict.session] * 2


async def test_a_session_that_was_taken_over_is_renewed_no_more(gateways):
    fix, amqp = gateways
    session = await amqp.lives()
    assert isinstance(await fix.login(force=True), Admitted)
    fix.clock.move(28)
    assert reason_of(await amqp.login(renews=session)) is Reason.NOT_LOGGED_IN


async def test_a_wrong_renewal_counts_as_a_wrong_login_on_both(make: Make):
    fix, amqp = make(Policy(lockout=LockoutRules(threshold=2)))
    session = await amqp.lives()
    assert reason_of(await amqp.login(renews=session, code="000000")) is Reason.BAD_CODE
    assert reason_of(await fix.login(code="111111")) is Reason.BAD_CODE
    assert reason_of(await amqp.login(renews=session)) is Reason.LOCKED


async def first(orders: AsyncIterator[Order | Owed]) -> Order | Owed:
    try:
        return await anext(orders)
    finally:
        await orders.aclose()
