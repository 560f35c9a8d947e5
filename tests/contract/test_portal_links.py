"""One-time links and first logins in the browser (M7-7, TW-9, TW-3, HK-3, CQ-5)."""

import base64
import re

import pyotp
import pytest

from gateway.core.secret import Secret
from gateway.policy.links import Purpose
from gateway.policy.roles import Role
from gateway.store.ports import Actor
from tests.contract.portal_rig import Browser, Web
from tests.contract.staff import DAY, PASSWORD, token_of

NEW = "a quite New sentence 8"
TWICE = {"new_password": NEW, "new_password_again": NEW}


def path_of(letter) -> str:
    return "/link/" + token_of(letter).reveal().decode()


def key_on(browser: Browser) -> str:
    """The key as a person reads it off the page."""
    return browser.page.tree.get_element_by_id("key").text_content().replace(" ", "").strip()


def code_of(web: Web, key: str) -> str:
    web.staff.clock.move(30)
    return pyotp.TOTP(key).at(int(web.staff.clock.wall))


async def enters(web: Web, name: str, password: str, code: str = "") -> Browser:
    browser = web.browser()
    await browser.get("/sign-in")
    await browser.send("/sign-in", {"user": name, "password": password, "code": code})
    return browser


@pytest.mark.req("CQ-5", "HK-3", "M7-4", "M7-5", "M7-15", "CQ-1", "SF-1")
async def test_a_setup_link_lets_a_new_person_choose_everything(web: Web):
    await web.staff.hire("nina", device=False, password_hash="", email="")
    letter = await web.staff.office.links.setup("nina", web.staff.by("root1"))
    browser = web.browser()
    page = await browser.get(path_of(letter))
    assert (page.status, page.title) == (200, "Welcome")
    page = await browser.send(f"{path_of(letter)}/begin")
    assert "Never pass a code on" in page.text
    key = key_on(browser)
    download = page.tree.xpath("//a[@download='QR_Code.png']/@href")[0]
    assert base64.b64decode(download.partition(",")[2]).startswith(b"\x89PNG")
    assert await web.staff.office.links.open(token_of(letter), web.staff.clock.wall)  # begun, not used
    page = await browser.send(path_of(letter), {**TWICE, "new_code": "000000"})
    assert (page.status, page.fault) == (422, page.fault)
    assert "not a code" in page.fault
    assert key not in page.answer.text.replace(" ", "")  # shown once
    page = await browser.send(path_of(letter), {**TWICE, "new_code": code_of(web, key)})
    assert (page.path, "Sign in with it now" in page.text) == ("/sign-in", True)
    assert (await enters(web, "nina", NEW, code_of(web, key))).page.path == "/"
    assert (await browser.get(path_of(letter))).status == 410


@pytest.mark.req("TW-9")
async def test_looking_at_a_link_changes_nothing(web: Web):
    await web.staff.hire("nina", device=False, password_hash="")
    letter = await web.staff.office.links.setup("nina", web.staff.by("root1"))
    rows = await web.staff.rows()
    for _ in range(3):
        assert (await web.browser().get(path_of(letter))).status == 200
    assert await web.staff.rows() == rows


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "a" * 4000], ids=["short", "made up", "nul", "long"])
async def test_a_link_that_is_none_is_gone(web: Web, token: str):
    page = await web.browser().get(f"/link/{token}")
    assert page.status == 410


@pytest.mark.req("M7-7", "TW-9", "HK-5")
@pytest.mark.parametrize("lost", ["password", "authenticator"])
async def test_what_is_lost_is_asked_for_in_one_way_whoever_asks(web: Web, lost: str):
    answers = []
    for user in ("tom", "nobody", "", "tom\r\nBcc: x@example.com"):
        browser = web.browser()
        await browser.get("/forgot")
        page = await browser.send("/forgot", {"user": user or " ", "lost": lost})
        answers.append((page.status, page.path, page.text))
    assert len(set(answers)) == 1
    assert [letter.user for letter in web.staff.tray.letters] == ["tom"]


@pytest.mark.req("M7-7", "M7-6", "HK-5")
async def test_a_lost_authenticator_is_replaced_with_the_password_beside_the_link(web: Web):
    await web.staff.office.links.ask(Purpose.RESET_AUTHENTICATOR, "tom", Actor("tom", web.staff.clock.wall))
    old, path = web.staff.code("tom").reveal().decode(), path_of(web.staff.tray.letters[-1])
    browser = web.browser()
    await browser.get(path)
    await browser.send(f"{path}/begin")
    key = key_on(browser)
    page = await browser.send(path, {"password": "not his", "new_code": code_of(web, key)})
    assert page.status == 403
    page = await browser.send(path, {"password": PASSWORD, "new_code": code_of(web, key)})
    assert page.path == "/sign-in"
    assert (await enters(web, "tom", PASSWORD, old)).page.status == 403
    assert (await enters(web, "tom", PASSWORD, code_of(web, key))).page.path == "/"


@pytest.mark.req("M7-7", "TW-9")
async def test_a_forgotten_password_is_replaced_with_a_code_beside_the_link(web: Web):
    await web.staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", Actor("tom", web.staff.clock.wall))
    path, browser = path_of(web.staff.tray.letters[-1]), web.browser()
    await browser.get(path)
    page = await browser.send(
        path, {**TWICE, "new_password_again": "another", "code": web.staff.code("tom").reveal().decode()}
    )
    assert (page.status, "twice" in page.fault) == (422, True)
    page = await browser.send(path, {"new_password": "short", "new_password_again": "short", "code": "000000"})
    assert (page.status, "fewer than 12" in page.fault) == (422, True)
    page = await browser.send(path, {**TWICE, "code": web.staff.code("tom").reveal().decode()})
    assert page.path == "/sign-in"
    assert (await enters(web, "tom", NEW, web.staff.code("tom").reveal().decode())).page.path == "/"


async def test_two_browsers_begin_one_link_and_the_last_key_counts(web: Web):
    await web.staff.hire("nina", device=False, password_hash="")
    path = path_of(await web.staff.office.links.setup("nina", web.staff.by("root1")))
    one, two = web.browser(), web.browser()
    for browser in (one, two):
        await browser.get(path)
        await browser.send(f"{path}/begin")
    assert (await one.send(path, {**TWICE, "new_code": code_of(web, key_on(one))})).status == 422
    assert (await two.send(path, {**TWICE, "new_code": code_of(web, key_on(two))})).path == "/sign-in"


@pytest.mark.req("TW-3", "HK-3", "HK-4")
async def test_an_initial_password_is_good_for_choosing_another_and_nothing_else(web: Web):
    await web.staff.hire("fresh", device=False, must_change=True)
    browser = await enters(web, "fresh", PASSWORD)
    assert (browser.page.path, browser.page.title) == ("/setup", "Choose your password")
    for path in ("/", "/devices"):
        assert (await browser.get(path)).path == "/setup"
    before = browser.cookie()
    page = await browser.send("/setup/password", {"password": PASSWORD, **TWICE})
    assert (page.path, page.title) == ("/setup", "Set up your authenticator")
    assert browser.cookie() != before
    page = await browser.send("/setup/begin", {"password": NEW})
    key = key_on(browser)
    assert (await browser.send("/setup/confirm", {"code": "000000"})).status == 422
    assert key not in browser.page.answer.text.replace(" ", "")
    page = await browser.send("/setup/confirm", {"code": code_of(web, key)})
    assert page.path == "/recovery"
    assert (await enters(web, "fresh", NEW, code_of(web, key))).page.path == "/"


@pytest.mark.req("HK-4", "M7-14")
async def test_an_expired_password_is_changed_before_anything_else(web: Web):
    web.staff.clock.move(91 * DAY)
    browser = await enters(web, "tom", PASSWORD, web.staff.code("tom").reveal().decode())
    assert browser.page.title == "Choose your password"
    page = await browser.send(
        "/setup/password", {"password": PASSWORD, "new_password": PASSWORD, "new_password_again": PASSWORD}
    )
    assert (page.status, "one of the last" in page.fault) == (422, True)
    assert (await browser.send("/setup/password", {"password": PASSWORD, **TWICE})).path == "/"


@pytest.mark.req("TW-2")
async def test_an_administrator_without_authenticator_must_enrol_one(web: Web):
    await web.staff.hire("root3", Role.EXCHANGE_ADMIN, device=False)
    browser = await enters(web, "root3", PASSWORD)
    assert browser.page.title == "Set up your authenticator"
    assert (await browser.get("/devices")).path == "/setup"


def test_a_new_key_shows_in_no_repr():
    from gateway.auth.users import Enrolment
    from gateway.portal.shown import shown

    secret = "JBSWY3DPEHPK3PXP"
    seen = shown(Enrolment("d1", Secret(f"otpauth://totp/x?secret={secret}"), Secret(secret), confirmed=False))
    assert not re.search("JBSW|PNG|otpauth", repr(seen))
    assert seen.key.replace(" ", "") == secret
