"""Sessions, history and notices in the browser (TW-12, SF-11, HK-2)."""

from dataclasses import replace

import pytest

from gateway.auth.passwords import Passwords
from gateway.policy.rules import Action, Policy
from gateway.store.store import Store
from tests.contract.portal_rig import Web
from tests.contract.staff import PASSWORD, Staff
from tests.contract.test_portal_devices import csrf


@pytest.mark.req("TW-12")
async def test_a_person_sees_its_own_logins_with_the_true_reason(web: Web):
    stranger = web.browser("198.51.100.9")
    await stranger.get("/sign-in")
    await stranger.send("/sign-in", {"user": "tom", "password": "guess", "code": "000000"})
    browser = await web.signed_in("tom")
    page = await browser.get("/sessions")
    assert "198.51.100.9" in page.text
    assert "wrong one-time code" in page.text
    assert "198.51.100.9" not in (await (await web.signed_in("zoe")).get("/sessions")).text


@pytest.mark.parametrize("before", ["-1", "x", "9" * 30, "٣", ""])
async def test_a_page_that_is_none_is_the_first(web: Web, before: str):
    browser = await web.signed_in("tom")
    assert (await browser.get(f"/sessions?before={before}")).status == 200


@pytest.mark.req("SF-11")
async def test_who_takes_the_risk_is_not_told_of_each_login(store: Store, passwords: Passwords):
    off = Policy().detection
    seen = {name: replace(getattr(off, name), action=Action.ALARM) for name in ("crowd", "travel", "spray")}
    staff = Staff.make(store, passwords, Policy(detection=replace(off, **seen)))
    await staff.hire("tom")
    browser = await Web.over(staff).signed_in("tom")
    page = await browser.get("/notices")
    assert "@example.com" in page.text
    assert "tom@example.com" not in page.text
    assert (await browser.send("/notices/stop", {"password": PASSWORD})).status == 422
    assert (await browser.send("/notices/stop", {"password": "wrong", "risk": "taken"})).status == 403
    page = await browser.send("/notices/stop", {"password": PASSWORD, "risk": "taken"})
    assert "no longer told of each login" in page.text
    page = await browser.send("/notices/resume")
    assert "told of each login again" in page.text
    assert [event for event in await staff.events() if event.startswith("notices")] == [
        "notices.stopped",
        "notices.resumed",
    ]


@pytest.mark.req("SF-11")
async def test_where_nobody_looks_for_irregular_logins_each_one_is_told_of(web: Web):
    browser = await web.signed_in("tom")
    await browser.get("/notices")
    page = await browser.post("/notices/stop", {"csrf": csrf(browser), "password": PASSWORD, "risk": "taken"})
    assert (page.status, "SF-11" in page.fault) == (409, True)


@pytest.mark.req("HK-2", "SF-4")
async def test_a_channel_without_a_registered_address_cannot_be_chosen(web: Web):
    browser = await web.signed_in("tom")
    await browser.get("/notices")
    values = {"csrf": csrf(browser), "password": PASSWORD}
    assert (await browser.post("/notices/channel", {**values, "channel": "sms"})).status == 409
    assert (await browser.post("/notices/channel", {**values, "channel": "pigeon"})).status == 422
