"""Signing in and out of the portal: user, password and the code below it (M7-16)."""

import pytest

from gateway.portal.words import REFUSED
from tests.contract.portal_rig import Web
from tests.contract.staff import PASSWORD


@pytest.mark.req("M7-16", "TW-2")
async def test_user_password_and_code_open_a_session(web: Web):
    browser = web.browser()
    assert (await browser.get("/")).path == "/sign-in"
    page = await browser.send(
        "/sign-in", {"user": "tom", "password": PASSWORD, "code": web.staff.code("tom").reveal().decode()}
    )
    assert (page.path, page.title) == ("/", "Overview")
    assert "web.signed_in" in await web.staff.events()


@pytest.mark.parametrize(
    "given",
    [
        {"user": "nobody"}, {"password": "wrong"}, {"code": "000000"}, {"code": ""}, {"recovery": "AAAA-BBBB-CCCC-DDDD", "code": ""},
    ],
    ids=["user", "password", "code", "no code", "recovery code"],
)  # fmt: skip
async def test_whatever_is_wrong_the_answer_is_one(web: Web, given):
    browser = web.browser()
    await browser.get("/sign-in")
    right = {"user": "tom", "password": PASSWORD, "code": web.staff.code("tom").reveal().decode()}
    page = await browser.send("/sign-in", right | given)
    assert (page.status, page.path, page.fault) == (403, "/sign-in", REFUSED)
    assert browser.cookie() is None


async def test_signing_in_replaces_the_token_and_signing_out_ends_it(web: Web):
    browser = await web.signed_in("tom")
    before = browser.cookie()
    assert before
    assert browser.cookie("__Host-visitor") is None
    await browser.get("/sign-out")
    page = await browser.send("/sign-out")
    assert (page.path, "You are signed out." in page.text) == ("/sign-in", True)
    browser.client.cookies.set("__Host-session", before, domain="portal.example")
    assert (await browser.get("/")).path == "/sign-in"


async def test_a_form_of_another_browser_does_nothing(web: Web):
    browser, other = web.browser(), web.browser()
    await other.get("/sign-in")
    stolen = other.page.form("/sign-in")["csrf"]
    await browser.get("/sign-in")
    page = await browser.post("/sign-in", {"csrf": stolen, "user": "tom", "password": PASSWORD})
    assert (page.status, browser.cookie()) == (403, None)
