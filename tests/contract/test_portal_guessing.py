"""Guessing at the forms and at the API: one answer at one time, one record of failures for all of them (TW-8, SF-8)."""

import asyncio
import base64
from collections.abc import Awaitable, Callable

import pyotp
import pytest

from gateway.policy.links import Purpose
from gateway.policy.rules import Channel, LockoutRules, Policy
from gateway.portal.words import REFUSED
from gateway.store.ports import Actor
from tests.contract.api_rig import problem, program
from tests.contract.portal_rig import Browser, Web
from tests.contract.staff import DAY, PASSWORD, Staff, token_of
from tests.contract.test_portal_links import NEW, TWICE, path_of
from tests.contract.world import NOW

BUDGET = LockoutRules().address_budget


async def visitor(web: Web, path: str = "/sign-in", address: str = "192.0.2.7") -> Browser:
    browser = web.browser(address)
    await browser.get(path)
    return browser


async def slept(web: Web, act: Callable[[], Awaitable[object]]) -> float:
    """The seconds an answer was held back; the clock stands still otherwise."""
    before = len(web.staff.slept)
    await act()
    return round(sum(web.staff.slept[before:]), 3)


async def tries(web: Web, name: str, password: str = PASSWORD, code: str | None = None, **more: str) -> Browser:
    browser = await visitor(web)
    good = web.staff.code(name).reveal().decode() if code is None else code
    await browser.send("/sign-in", {"user": name, "password": password, "code": good, **more})
    return browser


@pytest.fixture
async def cast(web: Web) -> Web:
    """Accounts in every condition in which nobody gets in."""
    staff = web.staff
    await staff.hire("off", enabled=False)
    await staff.hire("early", valid_from=NOW + DAY)
    await staff.hire("late", valid_until=NOW - DAY)
    await staff.hire("bare", device=False)
    await staff.hire("blank", device=False, password_hash="")
    await staff.hire("shut", email="")
    for count in range(5):
        await tries(web, "shut", f"guess {count}", "000000")
    assert (await staff.store.users.show("shut")).failures.locked_until
    return web


CONDITIONS = [
    ("nobody", "wrong", "123456"), ("tom", "wrong", None), ("tom", PASSWORD, "000000"), ("tom", PASSWORD, ""), ("tom", "wrong", "000000"),
    ("off", PASSWORD, None), ("early", PASSWORD, None), ("late", PASSWORD, None), ("shut", PASSWORD, None), ("bare", "wrong", ""),
    ("bare", PASSWORD, "123456"), ("blank", "wrong", ""), ("blank", "wrong", "123456"), ("nobody", "x" * 500, ""), ("TOM", PASSWORD, "123456"),
]  # fmt: skip


@pytest.mark.req("TW-8", "SF-8")
async def test_a_refused_sign_in_tells_neither_by_words_nor_by_time_whether_there_is_such_an_account(cast: Web):
    found, answers = set(), set()
    for number, (name, password, code) in enumerate(CONDITIONS):
        given = {"user": name, "password": password, "code": code}
        if code is None:
            given["code"] = cast.staff.code(name).reveal().decode()
        browser = await visitor(cast, address=f"192.0.2.{100 + number}")
        took = await slept(cast, lambda b=browser, g=given: b.send("/sign-in", g))
        page = browser.page
        found.add((page.status, page.path, page.fault, took, browser.cookie(), tuple(sorted(page.answer.headers))))
        client, answer = program(cast, f"192.0.2.{200 + number}"), []
        took = await slept(cast, lambda c=client, g=given, a=answer: _sends(c, g, a))
        answers.add((answer[0].status_code, answer[0].text, took, tuple(sorted(answer[0].headers))))
    assert {(status, path, fault, took, cookie) for status, path, fault, took, cookie, _ in found} == {
        (403, "/sign-in", REFUSED, Policy().refusal_floor, None)
    }
    assert len(found) == 1
    ((status, text, took, _),) = answers
    assert (status, took, REFUSED in text) == (401, Policy().refusal_floor, True)


async def _sends(client, given: dict[str, str], answer: list) -> None:
    body = {name: value for name, value in given.items() if value}
    answer.append(await client.post("/tokens", body))


@pytest.mark.req("TW-8", "TW-9")
async def test_asking_for_a_link_tells_neither_by_words_nor_by_time_whether_there_is_such_an_account(cast: Web):
    found = set()
    for lost in ("password", "authenticator"):
        names = ("tom", "nobody", "off", "late", "bare", "blank", "shut", "tom", "tom", "tom", "root1")
        for number, name in enumerate(
            names
        ):  # each from somewhere else: an address that asks often is asked for patience
            browser = await visitor(cast, "/forgot", f"198.51.100.{number}")
            took = await slept(cast, lambda b=browser, n=name, what=lost: b.send("/forgot", {"user": n, "lost": what}))
            page = browser.page
            found.add((page.status, page.path, page.text, took))
    assert len(found) == 1
    assert [letter.user for letter in cast.staff.tray.letters].count("tom") == 3  # TW-8: no letter box is filled


@pytest.mark.req("TW-9")
async def test_a_link_that_is_not_good_tells_nothing_of_why(web: Web):
    links, staff = web.staff.office.links, web.staff
    await staff.hire("nina", device=False, password_hash="")
    old = path_of(await links.setup("nina", staff.by("root1")))
    await links.setup("nina", staff.by("root1"))  # an older one is void
    await links.ask(Purpose.RESET_PASSWORD, "tom", Actor("tom", staff.clock.wall))
    expired = path_of(staff.tray.letters[-1])
    staff.clock.move(2 * 3600)
    found = set()
    for path in (old, expired, "/link/" + "a" * 43, "/link/x"):
        browser = await visitor(web, path)
        looked = (browser.page.status, browser.page.text, await slept(web, lambda b=browser, p=path: b.get(p)))
        await browser.get("/sign-in")
        fields = {"csrf": browser.page.form("/sign-in")["csrf"], "code": "123456", **TWICE}
        took = await slept(web, lambda b=browser, p=path, f=fields: b.post(p, f))
        found.add((looked, browser.page.status, browser.page.text, took))
    assert len(found) == 1
    assert found.pop()[0][0] == 410


@pytest.mark.req("TW-8", "SF-8", "TW-5")
async def test_every_form_counts_in_one_record(web: Web):
    staff = web.staff
    browser, client = await web.signed_in("tom"), program(web)
    await client.signs_in(web, "tom")
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", Actor("tom", staff.clock.wall))
    link = path_of(staff.tray.letters[-1])

    async def on_page(page: str, action: str, values: dict[str, str]) -> int:
        await browser.get(page)
        return (await browser.send(action, values)).status

    guesses = [
        lambda: _status(tries(web, "tom", "guess 1", "111111")),
        lambda: on_page("/password", "/password", {"password": "guess 2", **TWICE}),
        lambda: _api(client.post("/me/devices", {"password": "guess 3", "label": "x"})),
        lambda: on_page(link, link, {"code": "000004", **TWICE}),
        lambda: _api(client.post("/tokens", {"user": "tom", "password": "guess 5", "code": "000005"})),
    ]
    for count, guess in enumerate(guesses, 1):
        assert await guess() in {401, 403}
        assert (await staff.store.users.show("tom")).failures.count == count
    assert (await tries(web, "tom")).page.fault == REFUSED
    assert problem(await program(web).signs_in(web, "tom")) == (401, "sign-in-refused")
    assert await on_page("/password", "/password", {"password": PASSWORD, **TWICE}) == 403
    assert await on_page(link, link, {"code": staff.code("tom").reveal().decode(), **TWICE}) == 403
    staff.clock.move(LockoutRules().duration)
    assert (await tries(web, "tom")).page.path == "/"


async def _status(browser: Awaitable[Browser]) -> int:
    return (await browser).page.status


async def _api(answer) -> int:
    return (await answer).status_code


@pytest.mark.req("SF-8", "TW-8")
@pytest.mark.parametrize("field", ["code", "recovery"])
async def test_codes_are_guessed_no_better_than_passwords(web: Web, field: str):
    for count in range(5):
        given = {"code": f"00000{count}"} if field == "code" else {"code": "", "recovery": f"AAAA-AAAA-AAAA-AAA{count}"}
        assert (await tries(web, "tom", **given)).page.status == 403
    assert (await tries(web, "tom")).page.status == 403
    assert (await web.staff.store.users.show("tom")).failures.locked_until


@pytest.mark.req("SF-8", "TW-8", "HK-2")
async def test_a_sent_code_is_guessed_no_better(web: Web):
    await web.staff.hire("dan", device=False, channel=Channel.EMAIL)
    browser = await web.signed_in("dan", code=False)
    await browser.send("/code/send")
    for count in range(5):
        page = await browser.send("/code", {"code": f"00000{count}"})
        assert (page.status, page.path) == (403, "/code")
    right = web.staff.tray.codes[-1][3].reveal().decode()
    assert (await browser.send("/code", {"code": right})).status == 403
    assert (await web.staff.store.users.show("dan")).failures.locked_until


@pytest.mark.req("SF-8", "TW-8")
async def test_each_failure_doubles_the_wait(store, passwords):
    staff = Staff.make(
        store, passwords, Policy(lockout=LockoutRules(threshold=50, backoff_base=2.0, backoff_limit=20.0))
    )
    await staff.hire("tom")
    client, right = program(Web.over(staff)), {"user": "tom", "password": PASSWORD}
    for count, wait in enumerate((2, 4, 8, 16, 20, 20), 1):
        await client.post("/tokens", {"user": "tom", "password": f"guess {count}", "code": "000000"})
        found = (await staff.store.users.show("tom")).failures
        staff.clock.move(found.last + wait - 1 - staff.clock.wall)
        answer = await client.post("/tokens", right | {"code": _now(staff)})
        assert (problem(answer), answer.json()["detail"]) == ((401, "sign-in-refused"), REFUSED)
        assert (await staff.store.users.show("tom")).failures.count == found.count == count
        staff.clock.move(2)
    assert (await client.post("/tokens", right | {"code": _now(staff)})).status_code == 201


def _now(staff: Staff) -> str:
    return pyotp.TOTP(base64.b32encode(staff.keys["tom"]).decode()).at(int(staff.clock.wall))


@pytest.mark.req("SF-8", "TW-8")
async def test_an_address_that_fails_for_many_accounts_is_shut_and_others_are_not(web: Web):
    client = program(web, "198.51.100.1")
    for count in range(BUDGET):
        await client.post("/tokens", {"user": f"user {count}", "password": "guess", "code": "000000"})
    assert problem(await client.signs_in(web, "tom")) == (401, "sign-in-refused")
    assert (await program(web, "198.51.100.2").signs_in(web, "tom")).status_code == 201
    web.staff.clock.move(LockoutRules().address_window)
    assert (await client.signs_in(web, "tom")).status_code == 201


@pytest.mark.req("SF-8")
async def test_guesses_at_the_same_moment_are_not_more_guesses(web: Web):
    clients = [program(web, f"198.51.100.{number}") for number in range(1, 25)]
    given = [{"user": "tom", "password": f"guess {number}", "code": "000000"} for number in range(24)]
    answers = await asyncio.gather(*(one.post("/tokens", body) for one, body in zip(clients, given, strict=True)))
    assert {answer.status_code for answer in answers} <= {401, 503}
    found = (await web.staff.store.users.show("tom")).failures
    assert (found.count, bool(found.locked_until)) == (LockoutRules().threshold, True)


@pytest.mark.req("TW-8", "M7-9")
async def test_what_is_sent_twice_at_once_counts_once(web: Web):
    code = web.staff.code("tom").reveal().decode()
    browsers = [await visitor(web), await visitor(web)]
    given = {"user": "tom", "password": PASSWORD, "code": code}
    pages = await asyncio.gather(*(browser.send("/sign-in", given) for browser in browsers))
    assert sorted(page.path for page in pages) == ["/", "/sign-in"]
    assert sorted(bool(browser.cookie()) for browser in browsers) == [False, True]


@pytest.mark.req("TW-9")
async def test_a_link_that_is_used_twice_at_once_is_used_once(web: Web):
    await web.staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", Actor("tom", web.staff.clock.wall))
    path = "/link/" + token_of(web.staff.tray.letters[-1]).reveal().decode()
    browsers = [await visitor(web, path), await visitor(web, path)]
    given = {"new_password": NEW, "new_password_again": NEW, "code": web.staff.code("tom").reveal().decode()}
    pages = await asyncio.gather(*(browser.send(path, given) for browser in browsers))
    assert sorted(page.path for page in pages) == sorted([path, "/sign-in"])
    assert (await web.staff.events()).count("link.used") == 1
