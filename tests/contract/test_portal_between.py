"""What happens between a request's first byte and its last: the session ends, the store goes away."""

from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlencode

import pytest

from gateway.portal.words import AWAY
from gateway.store.errors import NotFound, StoreUnavailable
from tests.contract.api_rig import signed_in
from tests.contract.portal_rig import SITE, Browser, Web
from tests.contract.world import ADMIN

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Origin": SITE.origin}


async def slowly(body: bytes, between: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    yield body[:10]
    await between()
    yield body[10:]


async def post_slowly(browser: Browser, path: str, fields: dict[str, str], between) -> str:
    """Send a form in two parts, do something between them, and return where the browser is sent."""
    content = slowly(urlencode(fields).encode(), between)
    answer = await browser.client.post(path, content=content, headers=FORM, follow_redirects=False)
    return answer.headers.get("location", str(answer.status_code))


@pytest.mark.req("TW-2", "SF-10")
async def test_a_form_that_arrives_after_its_session_is_over_does_nothing(web: Web):
    """Or who holds a stolen session would act half a minute longer than its owner allows."""
    root = await web.signed_in("root1")
    fields = (await root.get("/people/new")).form("/people/new") | {"user": "mallory"}
    office = web.staff.office
    where = await post_slowly(root, "/people/new", fields, lambda: office.signin.leave_all("root1", ADMIN))
    assert where == "/sign-in"
    with pytest.raises(NotFound):
        await web.staff.store.users.show("mallory")


@pytest.mark.req("SF-13", "HK-6")
async def test_nor_does_one_that_arrives_after_its_role_is_over(web: Web):
    root = await web.signed_in("root1")
    fields = (await root.get("/people/new")).form("/people/new") | {"user": "mallory"}
    where = await post_slowly(root, "/people/new", fields, lambda: web.staff.store.users.grant("root1", None, ADMIN))
    assert where == "/sign-in"
    with pytest.raises(NotFound):
        await web.staff.store.users.show("mallory")


@pytest.mark.req("TW-2", "SF-10")
async def test_nor_does_a_request_to_the_api_whose_token_is_void_by_then(web: Web):
    client = await signed_in(web, "root1")
    office = web.staff.office
    body = slowly(b'{"name": "mallory"}', lambda: office.signin.leave_all("root1", ADMIN))
    answer = await client.send("POST", "/users", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    with pytest.raises(NotFound):
        await web.staff.store.users.show("mallory")


async def test_a_form_that_comes_in_parts_is_taken(web: Web):
    async def nothing() -> None:
        return

    root = await web.signed_in("root1")
    fields = (await root.get("/people/new")).form("/people/new") | {"user": "mallory"}
    assert (await post_slowly(root, "/people/new", fields, nothing)).startswith("/people/mallory")


@pytest.mark.parametrize(
    ("path", "status"), [("/", 503), ("/devices", 503), ("/nowhere", 404), ("/static/no.css", 404)]
)
async def test_while_the_store_is_away_a_page_says_so(web: Web, monkeypatch, path: str, status: int):
    async def away(_digest: bytes) -> None:
        raise StoreUnavailable("gone")

    tom = await web.signed_in("tom")
    monkeypatch.setattr(web.staff.store.web_sessions, "show", away)
    page = await tom.get(path)
    assert (page.status, page.fault == AWAY, web.errors) == (status, status == 503, [])


async def test_a_page_in_place_of_a_static_file_is_kept_by_no_cache(web: Web):
    """It has its reader's name and form token on it."""
    tom = await web.signed_in("tom")
    answer = (await tom.get("/static/nothing.css")).answer
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
