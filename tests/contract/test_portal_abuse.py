"""What other sites and clumsy clients may try with every page there is: nothing changes, nothing leads away (TW-8, TW-10).

The pages are taken from the application itself, so that a new one is tried, too.
"""

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from starlette.routing import Route

from gateway.policy.links import Purpose
from gateway.policy.rules import Channel
from gateway.portal.shield import HEADERS
from gateway.store.ports import Actor
from gateway.store.schema import metadata
from tests.contract.portal_rig import Browser, Web
from tests.contract.staff import PASSWORD, token_of
from tests.contract.test_portal_devices import csrf

EVIL = "https://evil.example"
SEEN = metadata.tables["web_sessions"].c.seen


def routes(web: Web, method: str) -> Iterator[str]:
    for route in web.app._app.routes:
        if isinstance(route, Route) and method in (route.methods or ()):
            yield route.path


async def filled(web: Web, paths: Iterator[str]) -> list[str]:
    """The paths with what is really there in them."""
    (device,) = await web.staff.store.devices.devices("root1")
    await web.staff.office.links.ask(Purpose.RESET_AUTHENTICATOR, "tom", Actor("tom", web.staff.clock.wall))
    token = token_of(web.staff.tray.letters[-1]).reveal().decode()
    known = {"{token}": token, "{id}": device.id, "{name:path}": "tom"}
    found = []
    for path in paths:
        for name, value in known.items():
            path = path.replace(name, value)  # noqa: PLW2901 - one after the other
        assert "{" not in path, path
        found.append(path)
    return found


async def everybody(web: Web) -> dict[str, Browser]:
    """A browser at each level: nobody, password alone, something to be set, and an administrator."""
    await web.staff.hire("dan", device=False, channel=Channel.EMAIL)
    await web.staff.hire("sue", device=False)
    visitor = web.browser()
    await visitor.get("/sign-in")
    return {
        "/sign-in": visitor,
        "/code": await web.signed_in("dan", code=False),
        "/setup": await web.signed_in("sue", code=False),
        "/": await web.signed_in("root1"),
    }


async def state(web: Web) -> dict[str, list]:
    """Every row of every table, but for when a session was used last."""

    def read(connection: sa.Connection) -> dict[str, list]:
        return {
            table.name: sorted(map(repr, connection.execute(sa.select(*(one for one in table.c if one is not SEEN)))))
            for table in metadata.sorted_tables
        }

    return await web.staff.store._database.read(read)


async def bare(browser: Browser, method: str, path: str, **more) -> httpx.Response:
    return await browser.client.request(method, path, follow_redirects=False, **more)


@pytest.mark.req("TW-8")
async def test_no_form_is_taken_from_another_site_whatever_it_is(web: Web):
    browsers, forged = await everybody(web), web.browser()
    await forged.get("/sign-in")
    stolen = forged.page.form("/sign-in")["csrf"]
    own = {home: csrf(browser) for home, browser in browsers.items()}
    everything = {
        "password": PASSWORD,
        "user": "tom",
        "lost": "password",
        "label": "x",
        "act": "unlock",
        "proof": "y",
        "why": "z",
    }
    paths, before = await filled(web, routes(web, "POST")), await state(web)
    assert len(paths) > 30
    for path in paths:
        asked = []
        for home, browser in browsers.items():
            for fields, headers in (
                ({}, {}), ({"csrf": ""}, {}), ({"csrf": stolen}, {}), ({"csrf": stolen}, {"X-CSRF-Token": "0" * 64}),
                ({"csrf": own[home]}, {"Origin": EVIL}), ({"csrf": own[home]}, {"Origin": "null"}),
                ({"csrf": own[home]}, {"Sec-Fetch-Site": "cross-site"}), ({"csrf": own[home]}, {"Sec-Fetch-Site": "same-site"}),
            ):  # fmt: skip
                answer = await bare(browser, "POST", path, data=everything | fields, headers=headers)
                elsewhere = answer.status_code == 303 and answer.headers["location"] == home and "Origin" not in headers
                assert answer.status_code == 403 or elsewhere, (path, home, headers, answer.status_code)
                asked.append(answer.status_code)
        assert asked.count(403) >= 12, path  # somebody could have sent it, and was refused
    assert await state(web) == before


@pytest.mark.req("TW-8")
async def test_no_page_that_is_looked_at_changes_anything(web: Web):
    browsers = await everybody(web)
    paths, before = await filled(web, routes(web, "GET")), await state(web)
    override = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "DELETE"}
    for path in paths:
        for browser in browsers.values():
            for more in ({}, {"headers": override}, {"params": {"_method": "POST", "csrf": csrf(browser)}}):
                answer = await bare(browser, "GET", path, **more)
                assert answer.status_code in {200, 303, 403, 404, 410}, (path, answer.status_code)
    assert await state(web) == before


@pytest.mark.req("TW-8")
async def test_a_method_is_the_one_that_was_sent(web: Web):
    browser = await web.signed_in("root1")
    paths = set(await filled(web, routes(web, "GET"))) | set(await filled(web, routes(web, "POST")))
    before = await state(web)
    for path in sorted(paths):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
            answer = await bare(browser, method, path, headers={"X-CSRF-Token": csrf(browser)})
            assert answer.status_code in {404, 405}, (method, path)
    assert await state(web) == before


@pytest.mark.req("TW-8")
async def test_nothing_that_is_sent_leads_to_another_site(web: Web):
    names = (
        "next",
        "url",
        "redirect",
        "redirect_uri",
        "return",
        "return_to",
        "continue",
        "goto",
        "dest",
        "said",
        "path",
    )
    given = dict.fromkeys(names, EVIL)
    for home, browser in (await everybody(web)).items():
        token = csrf(browser)
        for method in ("GET", "POST"):
            for path in await filled(web, routes(web, method)):
                fields = {"data": given | {"csrf": token}} if method == "POST" else {}
                headers = {"Referer": f"{EVIL}/", "X-Forwarded-Host": "evil.example", "X-Original-URL": EVIL}
                answer = await bare(browser, method, path, params=given, headers=headers, **fields)
                leads = answer.headers.get("location", answer.headers.get("hx-redirect", "/"))
                assert leads.startswith("/"), (method, path, home, leads)
                assert not leads.startswith(("//", "/\\")), (method, path, leads)
                if path == "/sign-out" and method == "POST":
                    break


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example", "/%2f%2fevil.example/", "//evil.example/devices/", "/devices/", "/sign-in/", "/%0d%0aLocation:%20x"]
)  # fmt: skip
async def test_no_path_leads_to_another_site(web: Web, path: str):
    browser = await web.signed_in("tom")
    answer = await browser.client.send(
        httpx.Request(
            "GET", httpx.URL("https://portal.example", raw_path=path.encode()), headers={"Host": "portal.example"}
        ),
        follow_redirects=False,
    )
    assert answer.headers.get("location", "https://portal.example/").startswith(("https://portal.example/",))


@pytest.mark.parametrize(
    "host", ["evil.example", "portal.example:444", "portal.example.evil.example", "", "portal.example, evil.example"]
)
async def test_another_hosts_name_is_none_of_ours(web: Web, host: str):
    for path in ("/sign-in", "/static/portal.css", "/api/v1/openapi.json", "/nowhere"):
        answer = await bare(web.browser(), "GET", path, headers={"Host": host})
        assert (answer.status_code, answer.headers["x-frame-options"]) == (421, "DENY")
    two = [("Host", "portal.example"), ("Host", "evil.example")]
    assert (await bare(web.browser(), "GET", "/sign-in", headers=two)).status_code == 421


@pytest.mark.req("TW-8")
async def test_a_letter_holds_our_own_address_whatever_host_was_asked(web: Web):
    browser = web.browser()
    await browser.get("/forgot")
    fields = browser.page.form("/forgot") | {"user": "tom", "lost": "password"}
    more = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Forwarded-Proto": "http"}
    await bare(browser, "POST", "/forgot", data=fields, headers=more)
    assert web.staff.tray.letters[-1].url.reveal().startswith(b"https://portal.example/link/")


@pytest.mark.req("TW-8")
async def test_no_answer_can_be_framed_sniffed_or_kept(web: Web):
    browsers = await everybody(web)
    paths = [*await filled(web, routes(web, "GET")), "/nowhere", "/api/v1/me", "/api/v1/openapi.json"]
    answers = [await bare(browser, "GET", path) for browser in browsers.values() for path in paths]
    answers += [
        await bare(browsers["/"], "POST", "/devices", data={}),
        await bare(browsers["/"], "POST", "/api/v1/tokens"),
    ]
    answers += [await bare(browsers["/"], "POST", "/devices", headers={"Origin": EVIL})]
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers.get_list(name) == [value], (answer.url, name)
        assert "access-control-allow-origin" not in answer.headers
    assert "frame-ancestors 'none'" in HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]
    assert HEADERS["cache-control"] == "no-store"
    static = await bare(browsers["/"], "GET", "/static/portal.css")
    assert (static.status_code, static.headers["cache-control"]) == (200, "public, max-age=3600")


@pytest.mark.req("TW-4")
async def test_cookies_are_this_hosts_alone_and_no_scripts(web: Web):
    browser = web.browser()
    answers = [await bare(browser, "GET", "/sign-in")]
    fields = {
        "csrf": answers[0].text.partition('name="csrf" value="')[2].partition('"')[0],
        "user": "tom",
        "password": PASSWORD,
    }
    answers.append(
        await bare(browser, "POST", "/sign-in", data=fields | {"code": web.staff.code("tom").reveal().decode()})
    )
    cookies = [value for answer in answers for value in answer.headers.get_list("set-cookie")]
    assert {one.partition("=")[0] for one in cookies} == {"__Host-visitor", "__Host-session"}
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "path=/", "samesite=strict"} <= attributes, cookie
        assert not [one for one in attributes if one.startswith("domain")], cookie
    session = next(one for one in cookies if one.startswith("__Host-session="))
    assert "max-age" not in session.lower()  # it goes with the browser


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2e%2e%2fapp.py", "/static/..%5capp.py",
        "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/....//app.py", "/static/%00", "/static/portal.css%00.py", "/static/",
        "/static/.", "/static/%252e%252e%252fapp.py", "/static/" + "a" * 5000, "/static/" + "../" * 50 + "etc/passwd",
    ],
)  # fmt: skip
async def test_there_is_nothing_beside_the_static_files(web: Web, path: str):
    request = httpx.Request(
        "GET", httpx.URL("https://portal.example", raw_path=path.encode()), headers={"Host": "portal.example"}
    )
    answer = await web.browser().client.send(request, follow_redirects=False)
    assert answer.status_code in {303, 307, 400, 404}, answer.text
    assert "import" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.req("TW-2")
async def test_a_session_that_somebody_put_into_the_browser_is_not_the_one_that_signs_in(web: Web):
    attacker = await web.signed_in("zoe")
    for planted in (attacker.cookie(), "a" * 43):
        victim = web.browser()
        victim.client.cookies.set("__Host-session", planted, domain="portal.example", path="/")
        await victim.get("/sign-out" if planted == attacker.cookie() else "/sign-in")
        token = csrf(victim)
        code = web.staff.code("tom").reveal().decode()
        await victim.post("/sign-in", {"csrf": token, "user": "tom", "password": PASSWORD, "code": code})
        assert "tom" in victim.page.tree.find_class("user")[0].text_content()
        assert victim.cookie() != planted
        thief = web.browser()
        thief.client.cookies.set("__Host-session", planted, domain="portal.example", path="/")
        assert (await thief.get("/")).path == "/sign-in"
