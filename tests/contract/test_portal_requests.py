"""Maker and checker in two browsers (HK-6), and roles that end (SF-13)."""

import asyncio

import pytest

from gateway.policy.roles import Grant, Role
from tests.contract.portal_rig import Browser, Web
from tests.contract.staff import DAY, NOW, token_of
from tests.contract.test_portal_devices import csrf
from tests.contract.world import ADMIN

WHY = "called back at the number on file"


async def asked(
    web: Web, by: str = "acme1", user: str = "tom", act: str = "reset_authenticator", **given: str
) -> tuple:
    """Ask in `by`'s browser; return it and the request's path."""
    browser = await web.signed_in(by)
    await browser.get(f"/people/{user}")
    page = await browser.post(f"/people/{user}/ask", {"csrf": csrf(browser), "act": act, f"why_{act}": WHY, **given})
    assert (page.status, "Another administrator has to approve" in page.text) == (200, True), page.fault
    return browser, page.path


async def approve(web: Web, browser: Browser, path: str, name: str, **given: str):
    await browser.get(path)
    code = web.staff.code(name).reveal().decode()
    return await browser.send(f"{path}/approve", {"code": code, **given})


@pytest.mark.req("HK-6", "CQ-6", "HK-5")
async def test_one_asks_and_another_approves_with_a_fresh_code(web: Web):
    maker, path = await asked(web)
    assert "This request is your own" in maker.page.text
    assert not maker.page.tree.xpath("//form[contains(@action, 'approve')]")
    checker = await web.signed_in("acme2")
    page = await checker.get("/requests")
    assert ("Reset authenticator" in page.text, "acme1" in page.text) == (True, True)
    page = await approve(web, checker, path, "acme2")
    url = page.tree.get_element_by_id("link").text_content().strip()
    assert url == web.staff.tray.letters[-1].url.reveal().decode()
    assert (await web.staff.store.users.show("tom")).devices == ()
    assert (await web.staff.office.links.open(token_of(web.staff.tray.letters[-1]), web.staff.clock.wall)).user == "tom"
    page = await maker.get(path)
    assert ("approved by acme2" in page.text, page.tree.xpath("//main//form")) == (True, [])
    assert "Nothing waits" in (await maker.get("/requests")).text
    row = next(row for row in await web.staff.store.audit.rows() if row.event == "request.approved")
    assert ('"actor":"acme2"' in row.details, '"source":"acme1"' in row.details) == (True, True)


@pytest.mark.req("HK-6")
async def test_ones_own_request_is_not_approved_whatever_is_sent(web: Web):
    maker, path = await asked(web)
    code = web.staff.code("acme1").reveal().decode()
    page = await maker.post(f"{path}/approve", {"csrf": csrf(maker), "code": code})
    assert (page.status, "nobody administers himself" in page.fault.lower()) == (403, True)
    assert len((await web.staff.store.users.show("tom")).devices) == 1


@pytest.mark.req("HK-6", "TW-2")
@pytest.mark.parametrize(
    "code", ["", "000000", "used", "x" * 4096, "\x00"], ids=["none", "wrong", "used", "long", "nul"]
)
async def test_a_code_that_is_not_fresh_approves_nothing(web: Web, code: str):
    _, path = await asked(web)
    checker = await web.signed_in("acme2")
    await checker.get(path)
    used = code == "used"
    if used:
        code = web.staff.code("acme2").reveal().decode()
        await web.staff.proves("acme2", code=type(web.staff.code("acme2"))(code))
    page = await checker.send(f"{path}/approve", {"code": code})
    assert (page.status, page.path, bool(page.fault)) == (403, f"{path}/approve", True)
    assert len((await web.staff.store.users.show("tom")).devices) == 1


@pytest.mark.req("HK-6")
async def test_two_browsers_race_and_one_decides(web: Web):
    _, path = await asked(web, by="root1")
    one, two = await web.signed_in("acme1"), await web.signed_in("acme2")
    await one.get(path)
    await two.get(path)
    codes = [web.staff.code(name).reveal().decode() for name in ("acme1", "acme2")]
    pages = await asyncio.gather(
        *(browser.send(f"{path}/approve", {"code": code}) for browser, code in zip((one, two), codes, strict=True))
    )
    assert sorted(page.status for page in pages) == [200, 409]
    events = await web.staff.events()
    assert events.count("request.approved") == 1


@pytest.mark.req("HK-6")
async def test_a_double_click_approves_once(web: Web):
    _, path = await asked(web, act="change_email", new_email="tom@new.example")
    checker = await web.signed_in("acme2")
    page = await approve(web, checker, path, "acme2")
    assert ("its change is made" in page.text, page.path) == (True, path)
    assert (await web.staff.store.users.show("tom")).user.email == "tom@new.example"
    code = web.staff.code("acme2").reveal().decode()
    page = await checker.post(f"{path}/approve", {"csrf": csrf(checker), "code": code})
    assert (page.status, "was decided" in page.fault) == (409, True)


@pytest.mark.req("HK-6")
async def test_a_request_expires(web: Web):
    _, path = await asked(web)
    web.staff.clock.move(DAY + 1)
    checker = await web.signed_in("acme2")
    assert "Nothing waits" in (await checker.get("/requests")).text
    page = await checker.get(path)
    assert ("expired" in page.text, page.tree.xpath("//main//form")) == (True, [])
    code = web.staff.code("acme2").reveal().decode()
    page = await checker.post(f"{path}/approve", {"csrf": csrf(checker), "code": code})
    assert (page.status, "has expired" in page.fault) == (409, True)
    assert len((await web.staff.store.users.show("tom")).devices) == 1


@pytest.mark.req("HK-6")
async def test_a_request_is_refused_or_taken_back_with_a_reason(web: Web):
    maker, path = await asked(web)
    for why in ("", "a\r\nb", "\x00", "x" * 301):
        await maker.get(path)
        assert (await maker.send(f"{path}/refuse", {"why": why})).status == 422
    page = await maker.send(f"{path}/refuse", {"why": "<script>found it"})
    assert ("nothing was changed" in page.text, "refused by acme1" in page.text) == (True, True)
    _, path = await asked(web)
    checker = await web.signed_in("root1")
    await checker.get(path)
    page = await checker.send(f"{path}/refuse", {"why": "not on the list"})
    assert "refused by root1" in page.text
    row = (await web.staff.store.audit.rows())[-1]
    assert (row.event, "not on the list" in row.details) == ("request.refused", True)


@pytest.mark.req("SF-13", "TW-2", "HK-6")
async def test_the_exchange_gives_a_role_until_a_date_and_ends_it(web: Web):
    _, path = await asked(web, "root1", "tom", "change_role", role="delegated_admin", until="2027-03-31")
    checker = await web.signed_in("root2")
    assert "delegated admin until 2027-03-31" in (await checker.get(path)).text
    await approve(web, checker, path, "root2")
    assert (await web.staff.store.users.show("tom")).user.grant == Grant(Role.DELEGATED_ADMIN, 1806451200.0)
    _, path = await asked(web, "root1", "tom", "change_role", role="")
    assert "the role ends" in (await checker.get(path)).text
    await approve(web, checker, path, "root2")
    assert (await web.staff.store.users.show("tom")).user.grant is None


@pytest.mark.req("SF-13", "HK-6", "HK-1")
@pytest.mark.parametrize(
    ("by", "user", "given", "status"),
    [
        ("root1", "tom", {"act": "change_role", "role": "auditor"}, 422),
        ("root1", "tom", {"act": "change_role", "role": "auditor", "until": "2020-01-01"}, 422),
        ("root1", "tom", {"act": "change_role", "role": "auditor", "until": "2040-01-01"}, 422),
        ("root1", "tom", {"act": "change_role", "role": "god", "until": "2027-03-31"}, 422),
        ("root1", "tom", {"act": "change_role", "role": "user", "until": "2027-03-31"}, 422),
        ("acme1", "tom", {"act": "change_role", "role": "auditor", "until": "2027-03-31"}, 403),
        ("acme1", "acme2", {"act": "reset_password"}, 403),
        ("acme1", "acme1", {"act": "reset_password"}, 403),
        ("acme1", "zoe", {"act": "reset_password"}, 404),
        ("eye", "tom", {"act": "reset_password"}, 403),
        ("acme1", "tom", {"act": "change_email", "new_email": "nowhere"}, 422),
        ("acme1", "tom", {"act": "change_email", "new_email": "a\x00@b"}, 422),
        ("acme1", "tom", {"act": "change_email", "new_email": "a@b\r\nBcc: c@d"}, 422),
        ("acme1", "tom", {"act": "change_email", "new_email": "a@" + "b" * 200}, 422),
        ("acme1", "tom", {"act": "delete"}, 422),
        ("acme1", "tom", {"act": "reset_password", "why_reset_password": " "}, 422),
        ("acme1", "tom", {"act": "reset_password", "why_reset_password": "a\x00"}, 422),
    ],
)  # fmt: skip
async def test_what_may_not_be_asked_for_is_not(web: Web, by: str, user: str, given: dict[str, str], status: int):
    browser = await web.signed_in(by)
    await browser.get("/people")
    whys = {f"why_{act}": WHY for act in ("reset_password", "change_email", "change_role")}
    page = await browser.post(f"/people/{user}/ask", {"csrf": csrf(browser), **whys, **given})
    assert (page.status, bool(page.fault)) == (status, True)
    assert await web.staff.store.requests.open(NOW) == ()


@pytest.mark.req("HK-6")
async def test_the_same_is_asked_for_once_and_seen_by_its_own_firm(web: Web):
    maker, path = await asked(web)
    await maker.get("/people/tom")
    again = {"csrf": csrf(maker), "act": "reset_authenticator", "why_reset_authenticator": WHY}
    assert (await maker.post("/people/tom/ask", again)).status == 409
    stranger, eye = await web.signed_in("zen1"), await web.signed_in("eye")
    assert "Nothing waits" in (await stranger.get("/requests")).text
    for odd in (path, "/requests/none", "/requests/%00", "/requests/%3Cb%3E"):
        assert (await stranger.get(odd)).status == 404
    page = await eye.get(path)
    assert ("this role may not do that" in page.text, page.tree.xpath("//main//form")) == (True, [])
    for act, given in (("approve", {"code": "000000"}), ("refuse", {"why": "x"})):
        assert (await stranger.post(f"{path}/{act}", {"csrf": csrf(stranger), **given})).status == 404
        assert (await eye.post(f"{path}/{act}", {"csrf": csrf(eye), **given})).status == 403
        assert (await eye.post(f"{path}/{act}", given)).status == 403


@pytest.mark.req("HK-6", "SF-13")
async def test_what_the_asker_may_not_do_any_more_is_not_approved(web: Web):
    _, path = await asked(web)
    await web.staff.store.users.grant("acme1", None, ADMIN)
    checker = await web.signed_in("acme2")
    page = await approve(web, checker, path, "acme2")
    assert (page.status, "does not hold any more" in page.fault) == (409, True)
