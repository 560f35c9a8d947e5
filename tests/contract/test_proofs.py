"""Proving who one is, for portal and administration: the login's record of failures, codes that are good once."""

import asyncio

import pytest

from gateway.auth.proofs import Claim, Denied
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.policy.proof import BOTH, Factor
from gateway.policy.rules import Counted, LockoutRules, Policy
from tests.contract.staff import Staff

WRONG = Secret("not the Password 1")
CODE = frozenset({Factor.CODE})
PASSWORD = frozenset({Factor.PASSWORD})


async def why(staff: Staff, name: str, factors=BOTH, **claim) -> Denied:
    with pytest.raises(Denied) as no:
        await staff.proves(name, factors, **claim)
    return no.value


@pytest.mark.req("TW-2")
async def test_both_factors_prove_a_person_and_the_code_is_spent(staff: Staff):
    code = staff.code("tom")
    await staff.proves("tom", code=code)
    assert (await why(staff, "tom", code=code)).reason is Reason.REPLAYED_CODE
    assert (await staff.events())[-3:] == ["proof.given", "proof.refused", "alert.raised"]


@pytest.mark.req("TW-2")
async def test_a_code_that_a_login_may_use_twice_proves_once(store, passwords):
    from gateway.policy.rules import Reuse, TotpRules

    staff = Staff.make(store, passwords, Policy(totp=TotpRules(reuse=Reuse.WITHIN_STEP)))
    await staff.hire("tom")
    code = staff.code("tom")
    await staff.proves("tom", code=code)
    assert (await why(staff, "tom", code=code)).reason is Reason.REPLAYED_CODE


@pytest.mark.req("TW-8")
async def test_of_many_at_once_with_one_code_one_is_proved(staff: Staff):
    code = staff.code("tom")
    results = await asyncio.gather(*(staff.proves("tom", code=code) for _ in range(5)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["Denied"] * 4 + ["NoneType"]


@pytest.mark.req("TW-8", "SF-8")
async def test_failures_at_a_form_lock_the_account_for_logins_too(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=3)))
    await staff.hire("tom")
    for number in range(3):
        await why(staff, "tom", PASSWORD, password=Secret(f"guess number {number}"))
    assert (await store.users.show("tom")).failures.locked_until > staff.clock.wall
    assert (await why(staff, "tom")).reason is Reason.LOCKED


@pytest.mark.req("TW-8")
async def test_a_flood_at_a_form_that_is_shut_is_written_down_once_a_minute(store, passwords):
    """Or anybody could fill the record, which is never pruned, and keep the store from logins."""
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=50, address_budget=3)))
    for number in range(3):
        assert (await why(staff, f"guess{number}", code=Secret("000000"))).reason is Reason.UNKNOWN_USER
    before = await staff.rows()
    for number in range(20):
        assert (await why(staff, f"another{number}", code=Secret("000000"))).reason is Reason.ADDRESS_BLOCKED
    assert await staff.rows() == before + 1
    staff.clock.move(60)
    await why(staff, "tom", code=Secret("000000"))
    last = (await store.audit.rows())[-1]
    assert (last.event, '"count":19' in last.details) == ("proof.refused", True)


@pytest.mark.req("TW-8")
async def test_one_good_factor_buys_no_more_guesses_at_the_other(store, passwords):
    staff = Staff.make(store, passwords, Policy(lockout=LockoutRules(threshold=3)))
    await staff.hire("tom")
    for number in range(2):
        await why(staff, "tom", PASSWORD, password=Secret(f"guess number {number}"))
    await staff.proves("tom", CODE)
    assert (await store.users.show("tom")).failures.count == 2
    await staff.proves("tom")
    assert (await store.users.show("tom")).failures.count == 0


@pytest.mark.req("TW-9")
async def test_the_answer_and_its_time_are_the_same_whatever_was_wrong(staff: Staff):
    answers = set()
    for name, claim in (
        ("tom", {"password": WRONG, "code": None}),
        ("nobody", {"code": None}),
        ("zoe", {"code": None}),
    ):
        staff.slept.clear()
        answers.add(str(await why(staff, name, **claim)).partition(";")[0])
        assert staff.slept[-1] > 0
    assert len(answers) == 1


@pytest.mark.req("HK-7")
async def test_who_is_disabled_proves_nothing(staff: Staff):
    await staff.office.desk.set_enabled("tom", staff.by("acme1"), enabled=False)
    assert (await why(staff, "tom")).reason is Reason.DISABLED


async def test_who_has_no_authenticator_cannot_prove_by_code(staff: Staff):
    await staff.hire("bare", device=False)
    assert (await why(staff, "bare", code=Secret("123456"))).reason is Reason.NOT_ENROLLED


@pytest.mark.req("SF-5")
async def test_a_password_the_engine_checks_proves_nothing_here(staff: Staff):
    from gateway.policy.snapshot import Method

    await staff.hire("algo", method=Method.UPSTREAM_TOTP)
    assert (await why(staff, "algo", PASSWORD)).reason is Reason.BAD_PASSWORD
    await staff.proves("algo", CODE)


async def test_wrong_codes_cost_the_address_even_where_they_do_not_count(store, passwords):
    policy = Policy(lockout=LockoutRules(counts=frozenset({Counted.PASSWORD}), address_budget=3))
    staff = Staff.make(store, passwords, policy)
    await staff.hire("tom")
    for number in range(3):
        await why(staff, "tom", CODE, code=Secret(f"00000{number}"))
    assert (await why(staff, "tom")).reason is Reason.ADDRESS_BLOCKED


async def test_a_store_that_is_away_proves_nobody(staff: Staff, monkeypatch):
    async def away(*_):
        raise ConnectionError("gone")

    monkeypatch.setattr(staff.office.proofs._parts.store.__class__, "snapshot", away)
    with pytest.raises(Denied) as no:
        await staff.office.proofs.prove(Claim("tom", WRONG), PASSWORD, "test")
    assert no.value.reason is Reason.UNAVAILABLE
