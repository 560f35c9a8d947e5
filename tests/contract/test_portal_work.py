"""Proof of work: what a public form asks of an address that failed often (TW-8)."""

from dataclasses import replace
from itertools import count

import pytest

from gateway.policy.rules import LockoutRules
from gateway.portal.app import application
from gateway.portal.server import Port, running
from gateway.portal.spec import Portal, Site
from gateway.portal.work import FREE, GOOD_FOR, LEAST, LONGEST, MOST, bits_for, solved, wait_for
from tests.blackbox.portal_walk_browser import browser as chromium
from tests.contract.api_rig import program
from tests.contract.portal_rig import Browser, Page, Web
from tests.contract.staff import PASSWORD

BAD, ADDRESS = "198.51.100.1", "198.51.100.2"


async def fail(web: Web, times: int, address: str = BAD) -> None:
    client = program(web, address)
    for number in range(times):
        await client.post("/tokens", {"user": f"nobody {number}", "password": "guess", "code": "000000"})


async def visitor(web: Web, path: str = "/sign-in", address: str = BAD) -> Browser:
    browser = web.browser(address)
    await browser.get(path)
    return browser


def answer_to(page: Page, action: str = "/sign-in") -> dict[str, str]:
    """What a browser finds."""
    (form,) = [form for form in page.tree.forms if form.action == action]
    text, bits = page.form(action)["work"], int(form.get("data-work"))
    return {"answer": next(str(number) for number in count() if solved(text, str(number), bits))}


def right(web: Web) -> dict[str, str]:
    return {"user": "tom", "password": PASSWORD, "code": web.staff.code("tom").reveal().decode()}


@pytest.mark.req("TW-8")
@pytest.mark.parametrize("path", ["/sign-in", "/forgot"])
async def test_only_an_address_that_failed_often_has_to_work(web: Web, path: str):
    await fail(web, FREE - 1)
    assert "work" not in (await visitor(web, path)).page.form(path)
    await fail(web, 1)
    page = (await visitor(web, path)).page
    assert page.form(path)["work"]
    assert page.tree.xpath("//script[@src='/static/work.js']")
    assert f"send this form {wait_for(FREE)} seconds from now" in page.text
    assert "work" not in (await visitor(web, path, ADDRESS)).page.form(path)


@pytest.mark.req("TW-8")
async def test_without_its_answer_not_even_the_right_credentials_are_looked_at(web: Web):
    await fail(web, FREE)
    given, rows = right(web), await web.staff.rows()
    browser = await visitor(web)
    page = await browser.send("/sign-in", given)
    assert (page.status, page.path, f"in {wait_for(FREE)} seconds" in page.fault) == (422, "/sign-in", True)
    assert await web.staff.rows() == rows
    page = await browser.send("/sign-in", given | answer_to(page))
    assert page.path == "/"


@pytest.mark.req("TW-8")
async def test_who_has_no_javascript_waits(web: Web):
    await fail(web, FREE)
    browser = await visitor(web)
    given = right(web)
    await browser.get("/sign-in")
    web.staff.clock.move(wait_for(FREE) - 1)
    assert (await browser.send("/sign-in", given)).status == 422
    web.staff.clock.move(wait_for(FREE))
    assert (await browser.send("/sign-in", given)).path == "/"


@pytest.mark.req("TW-8")
async def test_a_failure_makes_every_older_answer_worthless(web: Web):
    await fail(web, FREE)
    one, two = await visitor(web), await visitor(web)
    answers = [answer_to(one.page), answer_to(two.page)]
    page = await one.send("/sign-in", {"user": "tom", "password": "guess", "code": "000000"} | answers[0])
    assert page.status == 403
    assert (await two.send("/sign-in", right(web) | answers[1])).status == 422


@pytest.mark.req("TW-8")
@pytest.mark.parametrize("forged", ["", "x", "....", "1.10.x." + "0" * 64, "\N{SNOWMAN}", "9" * 4000])
async def test_a_puzzle_of_ones_own_is_none(web: Web, forged: str):
    await fail(web, FREE)
    browser = await visitor(web)
    assert (await browser.send("/sign-in", right(web) | {"work": forged, "answer": "0"})).status == 422


@pytest.mark.req("TW-8")
async def test_a_puzzle_is_its_addresss_alone_and_not_for_long(web: Web):
    await fail(web, FREE)
    await fail(web, FREE, ADDRESS)
    theirs, mine = await visitor(web, address=ADDRESS), await visitor(web)
    stolen = {"work": theirs.page.form("/sign-in")["work"]} | answer_to(theirs.page)
    assert (await mine.send("/sign-in", right(web) | stolen)).status == 422
    await mine.get("/sign-in")
    old = answer_to(mine.page)
    web.staff.clock.move(GOOD_FOR + 1)
    await fail(web, FREE)  # the window was over
    assert (await mine.send("/sign-in", right(web) | old)).status == 422


@pytest.mark.req("TW-8")
async def test_a_link_is_not_sent_without_the_answer(web: Web):
    await fail(web, FREE)
    browser, given = await visitor(web, "/forgot"), {"user": "tom", "lost": "password"}
    page = await browser.send("/forgot", given)
    assert (page.status, web.staff.tray.letters) == (422, [])
    page = await browser.send("/forgot", given | answer_to(page, "/forgot"))
    assert (page.path, len(web.staff.tray.letters)) == ("/sign-in", 1)


@pytest.mark.req("TW-8", "SF-8")
def test_it_grows_with_each_failure_and_has_an_end():
    asked = [(bits_for(failures), wait_for(failures)) for failures in range(FREE, LockoutRules().address_budget + 50)]
    assert asked == sorted(asked)
    assert (asked[0], asked[-1]) == ((LEAST, 5), (MOST, LONGEST))


async def test_it_is_forgotten_with_the_window_and_can_be_switched_off(web: Web):
    await fail(web, FREE)
    web.staff.clock.move(LockoutRules().address_window)
    assert "work" not in (await visitor(web)).page.form("/sign-in")
    await fail(web, FREE)
    off = replace(web, app=application(replace(_portal(web), puzzles=False)))
    assert "work" not in (await visitor(off)).page.form("/sign-in")
    assert (await (await visitor(off)).send("/sign-in", right(web))).path == "/"


def _portal(web: Web, url: str = "https://portal.example") -> Portal:
    class Ear:
        def failed(self, call: str, error: BaseException) -> None:
            web.errors.append(error)

    staff = web.staff
    digest = staff.store.vault.credential_digest
    return Portal(staff.office, Site(url, "Order entry access"), digest, staff.clock, staff.policies, Ear())


@pytest.mark.req("TW-8")
async def test_a_browser_does_the_work_by_itself(web: Web):
    """Chromium, and the script as it is shipped: a worker under the pages' own content security policy."""
    await fail(web, FREE, "127.0.0.1")
    inner: list = []

    async def app(scope, receive, send) -> None:
        await inner[0](scope, receive, send)

    async with running(app, Port("127.0.0.1", 0, None)) as (_, port), chromium() as browser:
        url = f"http://localhost:{port}"
        inner.append(application(_portal(web, url)))
        page = await browser.new_page()
        faults: list[str] = []
        page.on("console", lambda said: faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"{url}/sign-in")
        given = right(web)
        await page.get_by_label("User").fill(given["user"])
        await page.get_by_label("Password").fill(given["password"])
        await page.get_by_label("One-time code").fill(given["code"])
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.get_by_role("heading", name="Overview").wait_for()
    assert faults == []
