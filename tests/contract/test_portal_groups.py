"""Groups (HK-9) and alerts (SF-18 to SF-20, BY-8) in an administrator's browser."""

from dataclasses import replace

import pytest

from gateway.policy.sightings import RaiseAlert, Rule
from gateway.store.alerts import raise_alert
from gateway.store.people import Group
from tests.contract.portal_rig import Web
from tests.contract.test_portal_devices import csrf
from tests.contract.world import ADMIN, NOW


def rows(page) -> list[str]:
    cells = [one.findall("td") for one in page.tree.xpath("//main//tbody/tr")]
    return [" ".join(cell.text_content().strip() for cell in row) for row in cells]


@pytest.mark.req("HK-9")
async def test_the_exchange_makes_changes_and_removes_a_group(web: Web):
    browser = await web.signed_in("root1")
    await browser.get("/groups")
    page = await browser.send("/groups", {"group": "floor", "organisation": "ACME", "routes": " main \r\n\r\nspare"})
    assert ("The group is there" in page.text, rows(page)) == (True, ["floor ACME main, spare Members"])
    await browser.get("/groups/floor")
    page = await browser.send("/groups/floor/routes", {"routes": "other"})
    assert ("routes are changed" in page.text, "other" in page.text) == (True, True)
    assert await web.staff.store.groups.list() == (Group("floor", "ACME", frozenset({"other"})),)
    tom = await web.staff.store.users.show("tom")
    await web.staff.store.users.change(replace(tom.user, groups=frozenset({"floor"})), tom.revision, ADMIN)
    page = await browser.send("/groups/floor/remove")
    assert (page.status, "has members" in page.fault) == (409, True)
    tom = await web.staff.store.users.show("tom")
    changed = replace(tom.user, groups=frozenset(), routes=frozenset({"main"}))
    await web.staff.store.users.change(changed, tom.revision, ADMIN)
    page = await browser.send("/groups/floor/remove")
    assert ("The group is removed" in page.text, rows(page)) == (True, [])
    events = [row.event for row in await web.staff.store.audit.rows()]
    assert events.count("group.changed") == 3


@pytest.mark.req("HK-9")
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"group": ""}, 422), ({"routes": " "}, 422), ({"group": "there"}, 409), ({"group": "x" * 101}, 422), ({"group": "a\x00"}, 422),
        ({"group": "a\r\nb"}, 422), ({"routes": "\x00"}, 422), ({"routes": "x" * 5000}, 422), ({"organisation": "y" * 101}, 422),
    ],
)  # fmt: skip
async def test_what_is_no_group_is_not_made(web: Web, given, status: int):
    there = Group("there", "", frozenset({"main"}))
    await web.staff.store.groups.put(there, ADMIN)
    browser = await web.signed_in("root1")
    await browser.get("/groups")
    page = await browser.send("/groups", {"group": "new", "routes": "main"} | given)
    assert (page.status, bool(page.fault)) == (status, True)
    assert await web.staff.store.groups.list() == (there,)


@pytest.mark.parametrize("name", ["<script>alert(1)", "..", "a/routes", "a b?", "~"])
async def test_whatever_a_group_is_called_its_page_is_found(web: Web, name: str):
    browser = await web.signed_in("root1")
    await browser.get("/groups")
    page = await browser.send("/groups", {"group": name, "routes": "main"})
    (href,) = page.tree.xpath("//main//tbody//td[1]/a/@href")
    assert (await browser.get(href)).title == f"Group {name}"
    assert "<script>alert" not in browser.page.answer.text
    page = await browser.send(f"{href}/remove")
    assert (page.path, rows(page)) == ("/groups", [])


@pytest.mark.req("HK-9", "HK-6")
async def test_only_the_exchange_changes_groups_and_a_firm_sees_its_own(web: Web):
    for one in (Group("ours", "ACME", frozenset({"a"})), Group("theirs", "ZEN", frozenset({"z"}))):
        await web.staff.store.groups.put(one, ADMIN)
    acme, eye = await web.signed_in("acme1"), await web.signed_in("eye")
    assert rows(await acme.get("/groups")) == ["ours ACME a Members"]
    assert (await acme.get("/groups/theirs")).status == 404
    assert len(rows(await eye.get("/groups"))) == 2
    for browser in (acme, eye):
        assert not (await browser.get("/groups/ours")).tree.xpath("//main//form")
        token = csrf(browser)
        for path in ("/groups", "/groups/ours/routes", "/groups/ours/remove"):
            page = await browser.post(path, {"csrf": token, "group": "new", "routes": "b"})
            assert page.status == 403
            assert (await browser.post(path, {"group": "new", "routes": "b"})).status == 403
    assert [one.routes for one in await web.staff.store.groups.list()] == [{"a"}, {"z"}]


async def raised(web: Web, rule: Rule, user: str, firm: str) -> None:
    change = RaiseAlert(rule, "198.51.100.7", user, "198.51.100.7", 600.0, "GB", firm, blocks=True)
    await web.staff.store.web_sessions._database.write(lambda tx: raise_alert(tx, change, NOW))


@pytest.mark.req("SF-18", "SF-19", "SF-20", "BY-8", "HK-6")
async def test_alerts_are_read_by_who_looks_after_it_and_acknowledged_by_the_exchange(web: Web):
    await raised(web, Rule.CROWD, "tom", "ACME")
    await raised(web, Rule.SPRAY, "zoe", "ZEN")
    acme, eye, root = [await web.signed_in(name) for name in ("acme1", "eye", "root1")]
    assert ["Many accounts from one address" in one for one in rows(await acme.get("/alerts"))] == [True]
    for browser, count in ((acme, 1), (eye, 2)):
        assert len(rows(await browser.get("/alerts"))) == count
        assert not browser.page.tree.xpath("//main//form")
    page = await root.get("/alerts")
    (action, _) = page.tree.xpath("//main//form/@action")
    for browser in (acme, eye):
        assert (await browser.post(action, {"csrf": csrf(browser)})).status in (403, 404)
    assert (await root.post(action)).status == 403
    await root.get("/alerts")
    form = root.page.form(action)
    page = await root.send(action)
    assert ("The alert is acknowledged" in page.text, len(rows(page))) == (True, 1)
    assert (await root.post(action, form)).status == 409
    assert "root1" in (await eye.get("/alerts?show=all")).text
    assert (await root.post("/alerts/none/acknowledge", form)).status == 404
    row = (await web.staff.store.audit.rows())[-1]
    assert (row.event, '"actor":"root1"' in row.details) == ("alert.acknowledged", True)
