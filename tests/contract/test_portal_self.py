"""Password and recovery codes in the browser (HK-5, TW-6, TW-7, M7-14)."""

import pytest

from tests.contract.portal_rig import Web
from tests.contract.staff import DAY, PASSWORD
from tests.contract.test_portal_links import NEW, TWICE, enters


@pytest.mark.req("HK-5", "TW-7", "M7-14")
async def test_a_changed_password_ends_every_other_session(web: Web):
    browser, other = await web.signed_in("tom"), await web.signed_in("tom")
    await browser.get("/password")
    before = browser.cookie()
    assert (await browser.send("/password", {"password": "wrong", **TWICE})).status == 403
    same = {"new_password": PASSWORD, "new_password_again": PASSWORD}
    page = await browser.send("/password", {"password": PASSWORD, **same})
    assert (page.status, "one of the last" in page.fault) == (422, True)
    page = await browser.send("/password", {"password": PASSWORD, **TWICE})
    assert (page.path, "Your password is changed" in page.text) == ("/password", True)
    assert browser.cookie() != before
    assert (await other.get("/")).path == "/sign-in"
    assert (await enters(web, "tom", PASSWORD, web.staff.code("tom").reveal().decode())).page.status == 403
    assert (await enters(web, "tom", NEW, web.staff.code("tom").reveal().decode())).page.path == "/"


@pytest.mark.req("TW-6")
async def test_every_fault_of_a_password_is_listed(web: Web):
    browser = await web.signed_in("tom")
    await browser.get("/password")
    page = await browser.send("/password", {"password": PASSWORD, "new_password": "aaa", "new_password_again": "aaa"})
    assert page.status == 422
    assert len(page.tree.find_class("fault")[0].findall(".//li")) >= 3


@pytest.mark.req("HK-5")
async def test_a_recovery_code_stands_in_for_a_lost_authenticator_once(web: Web):
    browser = await web.signed_in("tom")
    assert "You have no recovery codes" in browser.page.text
    await browser.get("/recovery")
    assert (await browser.send("/recovery", {"password": "wrong"})).status == 403
    page = await browser.send("/recovery", {"password": PASSWORD})
    codes = [one.text.strip() for one in page.tree.get_element_by_id("codes").findall("li")]
    assert len(set(codes)) == 10
    again = (await browser.get("/recovery")).answer.text
    assert not any(code in again for code in codes)
    for status in (200, 403):
        web.staff.clock.move(DAY)
        fresh = web.browser()
        await fresh.get("/sign-in")
        page = await fresh.send("/sign-in", {"user": "tom", "password": PASSWORD, "recovery": codes[0].lower()})
        assert page.status == status
    assert "9" in (await (await web.signed_in("tom")).get("/recovery")).text


@pytest.mark.req("SF-7", "HK-4")
async def test_an_old_password_is_seen_on_the_first_page(web: Web):
    web.staff.clock.move(80 * DAY)
    browser = await web.signed_in("tom")
    assert "expires in 10 days" in browser.page.text
