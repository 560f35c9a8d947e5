"""People in an administrator's browser: finding, adding, changing, unlocking (HK-6, HK-7, CQ-4 to CQ-6, TW-5, TW-12)."""

from dataclasses import replace

import pytest

from gateway.core.reason import Reason
from gateway.policy.roles import Grant, Role
from gateway.policy.rules import Channel
from gateway.policy.snapshot import Failures, Method, SetFailures, User
from gateway.store.audit import AuditEntry, Event
from gateway.store.people import Group
from tests.contract.portal_rig import Page, Web
from tests.contract.staff import DAY, PASSWORD, token_of
from tests.contract.test_portal_devices import csrf
from tests.contract.world import ADMIN, NOW, attempt, opened

HOSTILE = {
    "nul": "a\x00b", "lines": "a\r\nb", "script": "<script>alert(1)</script>", "long": "x" * 10_000, "huge": "x" * 1_000_000,
}  # fmt: skip


def names(page: Page) -> list[str]:
    return [one.text_content() for one in page.tree.xpath("//div[@id='found']//tbody//td[1]/a")]


async def last(web: Web) -> tuple[str, str, str]:
    row = (await web.staff.store.audit.rows())[-1]
    return row.event, row.user, row.details


async def lock(web: Web, name: str, until: float) -> None:
    """What a third failed login does."""
    logins = web.staff.store.logins(node="n", policy_of=web.staff.policies, clock=web.staff.clock)
    snapshot = await logins.snapshot(attempt(name), NOW)
    entry = AuditEntry(NOW, Event.LOGIN_REFUSED, Reason.BAD_CODE, name, "", "192.0.2.7")
    await logins.apply(attempt(name), snapshot, [SetFailures(Failures(3, NOW, until))], entry, NOW)


async def session(web: Web, name: str, id_: str) -> None:
    """What an admitted login does."""
    logins = web.staff.store.logins(node="n", policy_of=web.staff.policies, clock=web.staff.clock)
    snapshot = await logins.snapshot(attempt(name), web.staff.clock.wall)
    entry = AuditEntry(NOW, Event.LOGIN_ADMITTED, None, name, id_, "192.0.2.7", {"protocol": "fix", "process": "P"})
    await logins.apply(attempt(name), snapshot, [opened(id_)], entry, web.staff.clock.wall)


# ── finding ──


@pytest.mark.req("HK-7", "HK-6")
async def test_an_administrator_lists_its_own_people_and_the_exchange_everybody(web: Web):
    delegated, auditor = await web.signed_in("acme1"), await web.signed_in("eye")
    assert names(await delegated.get("/people")) == ["acme1", "acme2", "tom"]
    assert len(names(await auditor.get("/people"))) == 8
    assert names(await auditor.get("/people?text=ZeN")) == ["zen1", "zoe"]
    assert names(await auditor.get("/people?text=tom@exam")) == ["tom"]
    assert names(await delegated.get("/people?text=zoe")) == []


@pytest.mark.req("HK-7", "CQ-6", "TW-5")
async def test_the_list_is_narrowed_to_who_needs_something(web: Web):
    staff = web.staff
    await staff.hire("bare", firm="ACME", device=False, password_hash="")
    await staff.hire("plain", firm="ACME", device=False, method=Method.PASSWORD)
    await staff.hire("gone", firm="ACME", valid_until=NOW - DAY)
    await staff.hire("shut", firm="ACME", enabled=False)
    await staff.hire("old", firm="ACME", password_changed=NOW - 91 * DAY)
    await lock(web, "tom", NOW + 10 * DAY)
    browser = await web.signed_in("acme1")
    shown = {
        show: names(await browser.get(f"/people?show={show}"))
        for show in ("unfinished", "locked", "disabled", "old_password")
    }
    assert shown == {"unfinished": ["bare"], "locked": ["tom"], "disabled": ["gone", "shut"], "old_password": ["old"]}


async def test_who_gets_sent_codes_is_not_unfinished(web: Web):
    await web.staff.hire("mailed", firm="ACME", device=False, channel=Channel.EMAIL)
    policy = web.staff.policies.house
    expected = [] if Channel.EMAIL in policy.channels else ["mailed"]
    browser = await web.signed_in("acme1")
    assert names(await browser.get("/people?show=unfinished")) == expected


@pytest.mark.req("HK-7")
async def test_the_list_comes_in_pages_of_fifty(web: Web):
    for number in range(120):
        await web.staff.store.users.add(User("", f"u{number:03}", "BIG"), ADMIN)
    browser = await web.signed_in("root1")
    seen, page = [], await browser.get("/people?text=BIG")
    while True:
        assert len(names(page)) <= 50
        seen += names(page)
        more = page.tree.xpath("//a[text()='Next page']/@href")
        if not more:
            break
        page = await browser.get(more[0])
    assert seen == [f"u{number:03}" for number in range(120)]
    assert page.tree.xpath("//a[text()='First page']")


@pytest.mark.parametrize("text", ["%00", "a%0D%0Ab", "%25", "_", "<script>", "'", "\\", "x" * 10_000])
async def test_whatever_is_searched_for_finds_what_has_it_and_nothing_else(web: Web, text: str):
    browser = await web.signed_in("acme1")
    page = await browser.get(f"/people?text={text}&show=odd&after=%00&group=%00")
    everything = text in ("%00", "a%0D%0Ab")  # no name has that: it is not looked for
    assert (page.status, names(page)) == (200, ["acme1", "acme2", "tom"] if everything else [])


async def test_a_part_of_the_page_that_htmx_asks_for_after_the_session_ended_is_the_sign_in_page(web: Web):
    answer = await web.browser().client.get("/people?text=x", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"], answer.content) == (200, "/sign-in", b"")


@pytest.mark.req("HK-6")
@pytest.mark.parametrize(
    "path", ["/people", "/people/new", "/people/import", "/people/tom", "/requests", "/groups", "/alerts"]
)
async def test_a_user_administers_nobody(web: Web, path: str):
    browser = await web.signed_in("zoe")
    assert (await browser.get(path)).status in (403, 404)
    assert "Administration" not in browser.page.text


@pytest.mark.req("TW-2", "SF-13")
async def test_a_role_that_ended_gives_no_page(web: Web):
    browser = await web.signed_in("acme1")
    account = await web.staff.store.users.show("acme1")
    await web.staff.store.users.grant("acme1", None, ADMIN)
    assert account.user.grant is not None
    page = await browser.get("/people")
    assert page.path == "/sign-in" or page.status == 403


# ── adding ──


@pytest.mark.req("CQ-5", "CQ-4", "HK-7", "M7-15", "HK-3")
async def test_a_person_is_added_and_sets_itself_up_by_a_link_that_is_shown_once(web: Web):
    browser = await web.signed_in("acme1")
    await browser.get("/people/new")
    typed = {
        "user": "nina", "email": "nina@acme.example", "method": "password+totp", "valid_from": "2027-01-15T00:00:00",
        "valid_until": "2027-06-30T18:00",
    }  # fmt: skip
    page = await browser.send("/people/new", typed)
    assert (page.path, "The account is there" in page.text) == ("/people/nina", True)
    made = await web.staff.store.users.show("nina")
    assert (made.user.organisation, made.user.password_hash, made.devices) == ("ACME", "", ())
    assert made.user.valid_until == 1814378400.0
    assert await last(web) == ("user.added", "nina", '{"actor":"acme1","method":"password+totp"}')

    page = await browser.send("/people/nina/setup-link")
    url = page.tree.get_element_by_id("link").text_content().strip()
    assert (page.status, web.staff.tray.letters[-1].url.reveal().decode()) == (200, url)
    assert "no-store" in page.answer.headers["cache-control"]
    assert url.rpartition("/")[2] not in (await browser.get("/people/nina")).answer.text
    assert (await last(web))[:2] == ("link.issued", "nina")
    assert (
        await web.staff.office.links.open(token_of(web.staff.tray.letters[-1]), web.staff.clock.wall)
    ).user == "nina"


@pytest.mark.req("HK-6", "CQ-4")
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"user": "tom"}, 409), ({"user": ""}, 422), ({"user": " "}, 422), ({"user": "x" * 101}, 422), ({"organisation": "ZEN"}, 403),
        ({"processes": "ZEN-ALGO"}, 403), ({"routes": "main"}, 403), ({"method": "magic"}, 422), ({"valid_from": "soon"}, 422),
        ({"valid_until": "2027-13-01"}, 422), ({"groups": "nothing"}, 404),
        *(({"user": text}, 413 if name == "huge" else 422) for name, text in HOSTILE.items() if name != "script"),
    ],
    ids=[
        "taken", "empty", "blank", "long name", "other firm", "other process", "route", "method", "date", "no such month", "group",
        *(name for name in HOSTILE if name != "script"),
    ],
)  # fmt: skip
async def test_what_may_not_be_is_not_added_and_nothing_is_typed_twice(web: Web, given, status: int):
    browser = await web.signed_in("acme1")
    await browser.get("/people/new")
    before = await web.staff.rows()
    page = await browser.send("/people/new", {"user": "nina", "email": "nina@acme.example"} | given)
    assert (page.status, page.path, bool(page.fault)) == (status, "/people/new", True)
    assert await web.staff.rows() == before
    if max(map(len, given.values())) < 1000:
        assert page.form("/people/new")["email"] == "nina@acme.example"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "new", "import", "..", "~odd", "a/b", "a b?c#d", "ÄÖ%41", "x/unlock"]
)
async def test_whatever_the_name_is_its_page_is_found_and_shows_it_as_it_is(web: Web, name: str):
    browser = await web.signed_in("acme1")
    await browser.get("/people/new")
    page = await browser.send("/people/new", {"user": name})
    assert (page.status, page.title) == (200, name)
    assert "<script>alert" not in page.answer.text
    await browser.get("/people")
    (href,) = (one.get("href") for one in browser.page.tree.xpath("//tbody//a") if one.text_content() == name)
    assert (await browser.get(href)).title == name
    page = await browser.send(f"{href}/disable")
    assert (page.title, "disabled" in page.text) == (name, True)


@pytest.mark.parametrize("name", ["nobody", "%00", "a%0Ab", "zoe"])
async def test_who_is_not_there_or_another_firms_has_no_page(web: Web, name: str):
    browser = await web.signed_in("acme1")
    for page in (
        await browser.get(f"/people/{name}"),
        await browser.post(f"/people/{name}/disable", {"csrf": csrf(browser)}),
    ):
        assert page.status == 404
    assert (await web.staff.store.users.show("zoe")).user.enabled


# ── looking ──


@pytest.mark.req("HK-7", "TW-12", "TW-5")
async def test_a_persons_page_says_how_things_stand_and_shows_no_key(web: Web):
    await web.staff.hire("nina", firm="ACME", valid_until=NOW + 30 * DAY, groups=frozenset(), phone="+44 20 7946 0000")
    await session(web, "nina", "s1")
    await lock(web, "nina", NOW + DAY)
    browser = await web.signed_in("eye")
    page = await browser.get("/people/nina")
    for text in (
        "ACME",
        "nina@example.com",
        "+44 20 7946 0000",
        "2027-02-14",
        "locked until 2027-01-16",
        "phone",
        "SHA1, 6 digits",
    ):
        assert text in page.text
    assert ("192.0.2.7" in page.text, "logged in" in page.text) == (True, True)
    hashed = (await web.staff.store.users.show("nina")).user.password_hash
    assert hashed not in page.answer.text
    assert not page.tree.xpath("//main//form"), "an auditor is offered nothing"


@pytest.mark.req("HK-6")
async def test_a_page_offers_what_the_role_may_do_and_the_office_refuses_the_rest_anyway(web: Web):
    eye, acme = await web.signed_in("eye"), await web.signed_in("acme1")
    acts = {
        "disable": {}, "enable": {}, "unlock": {"proof": "seen"}, "setup-link": {}, "change": {"revision": "1"},
        "ask": {"act": "reset_password", "why_reset_password": "w"},
    }  # fmt: skip
    for browser, name, words in ((eye, "tom", "this role may not"), (acme, "acme2", "maintained by the exchange")):
        await browser.get(f"/people/{name}")
        assert not browser.page.tree.xpath("//main//form")
        before = await web.staff.rows()
        for act, values in acts.items():
            page = await browser.post(f"/people/{name}/{act}", {"csrf": csrf(browser), **values})
            assert (page.status, words in page.fault.lower()) == (403, True), act
        assert await web.staff.rows() == before


@pytest.mark.req("HK-6")
async def test_nobody_administers_himself(web: Web):
    browser = await web.signed_in("root1")
    page = await browser.get("/people/root1")
    assert ("nobody administers himself" in page.text, page.tree.xpath("//main//form")) == (True, [])
    page = await browser.post("/people/root1/unlock", {"csrf": csrf(browser), "proof": "me"})
    assert (page.status, page.fault) == (403, "Nobody administers himself")


@pytest.mark.req("HK-7", "TW-12")
async def test_a_long_history_comes_in_pages(web: Web):
    for number in range(60):
        entry = AuditEntry(NOW + number, Event.LOGIN_REFUSED, Reason.BAD_CODE, "tom", "", f"198.51.100.{number}")
        await web.staff.store.audit.append(entry)
    browser = await web.signed_in("acme1")
    page = await browser.get("/people/tom")
    assert ("198.51.100.59" in page.text, "198.51.100.5 " in page.text) == (True, False)
    (older,) = page.tree.xpath("//a[text()='Older']/@href")
    assert "198.51.100.5 " in (await browser.get(older)).text + " "
    for odd in ("x", "-1", "9" * 30, "%00"):
        assert (await browser.get(f"/people/tom?before={odd}")).status == 200


# ── acting ──


@pytest.mark.req("HK-7", "CQ-4", "HK-6")
async def test_dates_and_method_are_changed_and_what_was_not_touched_stays_exactly(web: Web):
    store = web.staff.store
    tom = await store.users.show("tom")
    await store.users.change(replace(tom.user, valid_from=NOW - 0.25), tom.revision, ADMIN)
    browser = await web.signed_in("acme1")
    await browser.get("/people/tom")
    page = await browser.send("/people/tom/change", {"valid_until": "2027-12-31T00:00:00", "method": "external"})
    assert (page.path, "The change is made" in page.text) == ("/people/tom", True)
    after = (await store.users.show("tom")).user
    assert (after.valid_from, after.valid_until, after.method) == (NOW - 0.25, 1830211200.0, Method.EXTERNAL)
    assert (after.email, after.processes, after.organisation) == ("tom@example.com", {"tom"}, "ACME")
    assert (await last(web))[:2] == ("user.changed", "tom")


@pytest.mark.req("HK-6", "HK-7")
async def test_two_browsers_change_the_same_person_and_the_second_sees_both_values(web: Web):
    one, two = await web.signed_in("acme1"), await web.signed_in("acme2")
    for browser in (one, two):
        await browser.get("/people/tom")
    await one.send("/people/tom/change", {"valid_until": "2027-12-31T00:00:00"})
    page = await two.send("/people/tom/change", {"valid_until": "2028-06-30T00:00:00"})
    assert (page.status, "changed since it was read" in page.fault) == (409, True)
    assert page.form("/people/tom/change")["valid_until"] == "2028-06-30T00:00:00"
    assert "It is now: 2027-12-31T00:00:00" in page.text
    assert (await web.staff.store.users.show("tom")).user.valid_until == 1830211200.0
    page = await two.send("/people/tom/change")
    assert "The change is made" in page.text
    assert (await web.staff.store.users.show("tom")).user.valid_until == 1845936000.0


@pytest.mark.req("HK-6", "TW-1", "HK-9")
@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"email": "me@evil.example"}, 403), ({"phone": "1"}, 403), ({"organisation": "ZEN"}, 403), ({"processes": "ZEN"}, 403),
        ({"routes": "zen"}, 403), ({"certificates": "c" * 64}, 403), ({"groups": "floor"}, 403), ({"groups": "none"}, 404),
        ({"method": ""}, 422), ({"revision": ""}, 422), ({"revision": "x"}, 422), ({"revision": "9" * 40}, 409), ({"valid_from": "2027-06-01", "valid_until": "2027-05-31"}, 422), ({"valid_until": "9999-12-31T23:59-12:00"}, 422),
        ({"valid_from": "10000-01-01"}, 422),
    ],
    ids=lambda value: "-".join(f"{key}={text[:8]}" for key, text in value.items()) if isinstance(value, dict) else None,
)  # fmt: skip
async def test_a_firm_gives_nobody_what_is_not_its_own(web: Web, given, status: int):
    await web.staff.store.groups.put(Group("floor", "", frozenset({"main"})), ADMIN)
    browser = await web.signed_in("acme1")
    await browser.get("/people/tom")
    before = (await web.staff.store.users.show("tom")).revision
    page = await browser.send("/people/tom/change", given)
    assert (page.status, bool(page.fault)) == (status, True)
    assert (await web.staff.store.users.show("tom")).revision == before


@pytest.mark.req("HK-9", "TW-1")
async def test_the_exchange_gives_bindings_groups_and_another_organisation(web: Web):
    await web.staff.store.groups.put(Group("floor", "", frozenset({"main"})), ADMIN)
    browser = await web.signed_in("root1")
    await browser.get("/people/tom")
    assert "There are: floor" in browser.page.text
    given = {
        "organisation": "ZEN",
        "processes": "ALGO1\r\n ALGO2 \r\n",
        "routes": "",
        "groups": "floor",
        "certificates": "ab" * 32,
    }
    await browser.send("/people/tom/change", given)
    user = (await web.staff.store.users.show("tom")).user
    assert (user.organisation, user.processes, user.groups) == ("ZEN", {"ALGO1", "ALGO2"}, {"floor"})
    assert (user.certificates, user.group_routes) == ({"ab" * 32}, {"main"})
    assert names(await browser.get("/people?group=floor")) == ["tom"]


@pytest.mark.req("TW-2")
async def test_an_administrators_password_stays_one_that_is_checked_here(web: Web):
    browser = await web.signed_in("root1")
    await browser.get("/people/acme1")
    page = await browser.send("/people/acme1/change", {"method": "external"})
    assert (page.status, "TW-2" in page.fault) == (422, True)


@pytest.mark.req("HK-7")
async def test_disabling_ends_sessions_and_enabling_lets_in_again(web: Web):
    await session(web, "tom", "s1")
    tom, browser = await web.signed_in("tom"), await web.signed_in("acme1")
    await browser.get("/people/tom")
    page = await browser.send("/people/tom/disable")
    assert "its sessions end now" in page.text
    assert (await web.staff.store.sessions.show("s1")).end_reason is Reason.RIGHT_REMOVED
    assert (await tom.get("/")).path == "/sign-in"
    page = await browser.send("/people/tom/enable")
    assert "The account is enabled" in page.text
    assert (await web.staff.store.users.show("tom")).user.enabled


@pytest.mark.req("TW-5")
async def test_unlocking_records_how_the_person_was_identified(web: Web):
    await lock(web, "tom", NOW + DAY)
    browser = await web.signed_in("acme1")
    page = await browser.get("/people/tom")
    assert "locked until" in page.text
    for proof in ("", " ", "a\r\nb", "x" * 301, "\x00"):
        page = await browser.send("/people/tom/unlock", {"proof": proof})
        assert (page.status, "identified" in page.fault) == (422, True)
    page = await browser.send("/people/tom/unlock", {"proof": "called back at <b>the</b> number on file"})
    assert ("locked until" in page.text, "<b>the</b>" in page.answer.text) == (False, False)
    assert (await web.staff.store.users.show("tom")).failures == Failures()
    event, user, details = await last(web)
    assert (event, user, "acme1, proof: called back" in details) == ("user.unlocked", "tom", True)


@pytest.mark.req("TW-12", "HK-6")
async def test_a_session_is_ended_once_and_never_another_firms(web: Web):
    browser = await web.signed_in("acme1")
    await session(web, "tom", "s1")
    await session(web, "zoe", "s2")
    await browser.get("/people/tom")
    page = await browser.send("/people/tom/end")
    assert "told to end" in page.text
    assert (await web.staff.store.sessions.show("s1")).end_reason is Reason.KICKED
    token = csrf(browser)
    for other, status in (("s1", 404), ("s2", 404), ("none", 404), ("", 422), ("\x00", 422)):
        assert (await browser.post("/people/tom/end", {"csrf": token, "session": other})).status == status
    assert (await web.staff.store.sessions.show("s2")).ended is None


async def test_a_setup_link_is_not_made_for_who_has_everything(web: Web):
    browser = await web.signed_in("acme1")
    await browser.get("/people/tom")
    assert "Not enrolled" not in browser.page.text
    page = await browser.post("/people/tom/setup-link", {"csrf": csrf(browser)})
    assert (page.status, "a reset has to be asked for" in page.fault) == (409, True)


ACTS = ["new", "tom/change", "tom/enable", "tom/disable", "tom/unlock", "tom/end", "tom/setup-link", "tom/ask"]


@pytest.mark.parametrize("act", ACTS)
async def test_a_form_without_its_token_does_nothing(web: Web, act: str):
    browser, other = await web.signed_in("root1"), await web.signed_in("root2")
    await other.get("/people")
    before = await web.staff.rows()
    for given in ({}, {"csrf": "x"}, {"csrf": csrf(other)}):
        values = {"user": "new", "proof": "x", "session": "s1", "act": "reset_password", "why_reset_password": "x"}
        assert (await browser.post(f"/people/{act}", values | given)).status == 403
    assert await web.staff.rows() == before


async def test_a_double_click_adds_one(web: Web):
    browser = await web.signed_in("acme1")
    await browser.get("/people/new")
    form = browser.page.form("/people/new") | {"user": "nina"}
    assert (await browser.post("/people/new", form)).path == "/people/nina"
    assert (await browser.post("/people/new", form)).status == 409


@pytest.mark.req("TW-2", "SF-13")
async def test_a_person_whose_role_is_over_says_so(web: Web):
    await web.staff.store.users.grant("zen1", Grant(Role.DELEGATED_ADMIN, NOW + 1), ADMIN)
    browser = await web.signed_in("root1")
    page = await browser.get("/people/zen1")
    assert "delegated admin until 2027-01-15 08:00:01 UTC over" in page.text
    assert PASSWORD not in page.text
