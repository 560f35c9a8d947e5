"""One's authenticators in the browser (M7-4 to M7-6, SF-4, SF-6)."""

import pytest

from tests.contract.portal_rig import Browser, Web
from tests.contract.staff import PASSWORD
from tests.contract.test_portal_links import code_of, enters, key_on


async def ids(browser: Browser) -> list[str]:
    await browser.get("/devices")
    return [href.rpartition("/")[2] for href in browser.page.tree.xpath("//tbody//a/@href")]


@pytest.mark.req("M7-4", "M7-5", "SF-6")
async def test_another_authenticator_counts_once_it_is_confirmed(web: Web):
    browser = await web.signed_in("tom")
    await browser.get("/devices")
    page = await browser.send("/devices", {"label": "desk", "password": "wrong"})
    assert (page.status, page.path) == (403, "/devices")
    assert page.tree.get_element_by_id("label").value == "desk"
    page = await browser.send("/devices", {"label": "desk", "password": PASSWORD})
    key, action = key_on(browser), page.tree.forms[0].action
    assert "no-store" in page.answer.headers["cache-control"]
    assert (await browser.get(action.replace("/confirm", "/QR_Code.png"))).status == 410
    page = await browser.get(action.replace("/confirm", ""))
    assert key not in page.answer.text.replace(" ", "")
    assert (await enters(web, "tom", PASSWORD, code_of(web, key))).page.status == 403
    page = await browser.send(action, {"code": code_of(web, key)})
    assert (page.path, "counts from now on" in page.text) == ("/devices", True)
    assert (await enters(web, "tom", PASSWORD, code_of(web, key))).page.path == "/"


@pytest.mark.req("M7-6")
async def test_the_old_key_works_until_the_new_one_is_confirmed(web: Web):
    browser = await web.signed_in("tom")
    (mine,) = await ids(browser)
    await browser.get(f"/devices/{mine}")
    page = await browser.send(f"/devices/{mine}/regenerate", {"password": PASSWORD})
    key, action = key_on(browser), page.tree.forms[0].action
    assert (await enters(web, "tom", PASSWORD, web.staff.code("tom").reveal().decode())).page.path == "/"
    assert (await browser.send(action, {"code": code_of(web, key)})).path == "/devices"
    assert (await enters(web, "tom", PASSWORD, web.staff.code("tom").reveal().decode())).page.status == 403
    assert (await enters(web, "tom", PASSWORD, code_of(web, key))).page.path == "/"


@pytest.mark.req("SF-4")
async def test_the_last_authenticator_cannot_be_removed(web: Web):
    browser = await web.signed_in("tom")
    (mine,) = await ids(browser)
    await browser.get(f"/devices/{mine}")
    page = await browser.send(f"/devices/{mine}/remove", {"password": PASSWORD})
    assert (page.status, "SF-4" in page.fault) == (409, True)
    assert await ids(browser) == [mine]


@pytest.mark.req("SF-6")
async def test_there_are_at_most_three(web: Web):
    browser = await web.signed_in("tom")
    for label in ("two", "three"):
        await browser.get("/devices")
        page = await browser.send("/devices", {"label": label, "password": PASSWORD})
        await browser.send(page.tree.forms[0].action, {"code": code_of(web, key_on(browser))})
    assert "as many as you may have" in (await browser.get("/devices")).text
    page = await browser.post("/devices", {"csrf": csrf(browser), "label": "four", "password": PASSWORD})
    assert page.status == 409
    assert len(await ids(browser)) == 3


def csrf(browser: Browser) -> str:
    return browser.page.tree.find("body").get("hx-headers").split('"')[3]


async def test_what_is_another_persons_is_not_there(web: Web):
    tom, zoe = await web.signed_in("tom"), await web.signed_in("zoe")
    (toms,) = await ids(tom)
    assert (await zoe.get(f"/devices/{toms}")).status == 404
    for act in ("remove", "rename", "regenerate", "confirm"):
        values = {"csrf": csrf(zoe), "password": PASSWORD, "label": "mine", "code": "000000"}
        assert (await zoe.post(f"/devices/{toms}/{act}", values)).status == 404
    assert await ids(tom) == [toms]


@pytest.mark.parametrize(
    "label", ["", "x" * 61, "a\r\nb", "\x00", "\u202ea"], ids=["empty", "long", "lines", "nul", "bidi"]
)
async def test_a_name_is_a_short_line(web: Web, label: str):
    browser = await web.signed_in("tom")
    (mine,) = await ids(browser)
    await browser.get(f"/devices/{mine}")
    assert (await browser.send(f"/devices/{mine}/rename", {"label": label})).status == 422


async def test_a_name_is_shown_as_it_is(web: Web):
    browser = await web.signed_in("tom")
    (mine,) = await ids(browser)
    await browser.get(f"/devices/{mine}")
    page = await browser.send(f"/devices/{mine}/rename", {"label": "<script>alert(1)</script>"})
    assert "<script>alert(1)</script>" in page.text
    assert "<script>alert" not in page.answer.text


async def test_two_browsers_race_to_add_one_and_the_last_key_counts(web: Web):
    one, two = await web.signed_in("tom"), await web.signed_in("tom")
    for browser in (one, two):
        await browser.get("/devices")
        await browser.send("/devices", {"label": "desk", "password": PASSWORD})
    first = await one.send(one.page.tree.forms[0].action, {"code": code_of(web, key_on(one))})
    assert first.status == 404
    second = await two.send(two.page.tree.forms[0].action, {"code": code_of(web, key_on(two))})
    assert (second.path, len(await ids(two))) == ("/devices", 2)
