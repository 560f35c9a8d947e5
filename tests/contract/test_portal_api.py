"""The HTTP API: tokens, one's own account, and what stands before every operation (TW-2, M7-4, HK-5)."""

import pyotp
import pytest

from gateway.portal.words import REFUSED
from tests.contract.api_rig import Program, problem, program, signed_in
from tests.contract.portal_rig import Web
from tests.contract.staff import PASSWORD

NEW = "a quite New sentence 8"


def code_of(web: Web, key: str) -> str:
    web.staff.clock.move(30)
    return pyotp.TOTP(key).at(int(web.staff.clock.wall))


@pytest.mark.req("M7-16", "TW-2")
async def test_a_token_is_a_session_and_is_void_when_it_was_ended(web: Web):
    client = await signed_in(web, "tom")
    mine = (await client.get("/me")).json()
    assert (mine["name"], mine["organisation"], mine["authenticators"]) == ("tom", "ACME", 1)
    assert (await client.send("DELETE", "/tokens/current")).status_code == 204
    assert problem(await client.get("/me")) == (401, "not-signed-in")
    assert "web.signed_in" in await web.staff.events()


@pytest.mark.req("TW-2", "TW-8")
@pytest.mark.parametrize(
    "given",
    [{"user": "nobody"}, {"password": "wrong"}, {"code": "000000"}, {"code": None}, {"code": None, "recovery": "AAAA-BBBB-CCCC-DDDD"}],
    ids=["user", "password", "code", "no code", "recovery code"],
)  # fmt: skip
async def test_whatever_is_wrong_the_answer_is_one(web: Web, given):
    answer = await program(web).signs_in(web, "tom", **given)
    assert problem(answer) == (401, "sign-in-refused")
    assert (answer.json()["detail"], answer.json()["faults"]) == (REFUSED, [])
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.req("TW-3")
async def test_what_is_still_to_be_set_or_proved_is_asked_for_at_the_portal_alone(web: Web):
    await web.staff.hire("fresh", must_change=True)
    client = program(web)
    assert problem(await client.signs_in(web, "fresh")) == (403, "unfinished")
    assert client.token == ""
    assert "web.signed_out" in await web.staff.events()


async def test_a_token_does_no_more_than_its_users_rights(web: Web):
    client = await signed_in(web, "tom")
    await web.staff.office.desk.set_enabled("tom", web.staff.by("root1"), enabled=False)
    assert problem(await client.get("/me")) == (401, "not-signed-in")


@pytest.mark.req("SF-9")
async def test_a_token_is_over_when_nothing_was_asked_for_a_while_and_after_its_lifetime(web: Web):
    client = await signed_in(web, "tom")
    for _ in range(42):
        web.staff.clock.move(700)
        if (answer := await client.get("/me")).status_code != 200:
            break
    assert problem(answer) == (401, "not-signed-in")
    client = await signed_in(web, "tom")
    web.staff.clock.move(901)
    assert problem(await client.get("/me")) == (401, "not-signed-in")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dG9tOnRvbQ==", "Bearer x", "Bearer " + "a" * 43, "Bearer " + "a" * 5000]
)
async def test_without_a_good_token_nothing_is_read(web: Web, header: str):
    answer = await program(web).post("/me/devices", content=b"{", headers={"Authorization": header})
    assert problem(answer) == (401, "not-signed-in")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_cookie_is_no_token(web: Web):
    browser = await web.signed_in("tom")
    page = await browser.get("/api/v1/me")
    assert (page.status, page.answer.json()["type"]) == (401, "/api/v1/problems/not-signed-in")


@pytest.mark.req("M7-4", "M7-5", "SF-6")
async def test_an_authenticator_is_made_confirmed_and_removed_and_its_key_told_once(web: Web):
    client = await signed_in(web, "tom")
    (old,) = (await client.get("/me/devices")).json()["devices"]
    assert problem(await client.post("/me/devices", {"label": "desk", "password": "wrong"})) == (403, "refused")
    made = await client.post("/me/devices", {"label": "desk", "password": PASSWORD})
    key = made.json()["secret"]
    assert (made.status_code, f"secret={key}" in made.json()["uri"]) == (201, True)
    listed = await client.get("/me/devices")
    assert key not in listed.text
    new = made.json()["id"]
    assert problem(await client.post(f"/me/devices/{new}/confirm", {"code": "000000"})) == (422, "wrong-code")
    answer = await client.post(f"/me/devices/{new}/confirm", {"code": code_of(web, key)})
    assert problem(await client.get("/me")) == (401, "not-signed-in")  # its sessions are over, but for the new token
    client.token = answer.json()["token"]
    assert (await client.send("PATCH", f"/me/devices/{new}", {"label": "my desk"})).status_code == 204
    answer = await client.post(f"/me/devices/{old['id']}/remove", {"password": PASSWORD})
    client.token = answer.json()["token"]
    assert [(one["name"], one["confirmed"]) for one in (await client.get("/me/devices")).json()["devices"]] == [
        ("my desk", True)
    ]
    assert problem(await client.post(f"/me/devices/{new}/remove", {"password": PASSWORD})) == (409, "conflict")


@pytest.mark.req("M7-6")
async def test_a_new_key_in_place_of_the_old_one(web: Web):
    client = await signed_in(web, "tom")
    (old,) = (await client.get("/me/devices")).json()["devices"]
    made = (await client.post(f"/me/devices/{old['id']}/regenerate", {"password": PASSWORD})).json()
    client.token = (
        await client.post(f"/me/devices/{made['id']}/confirm", {"code": code_of(web, made["secret"])})
    ).json()["token"]
    assert [one["id"] for one in (await client.get("/me/devices")).json()["devices"]] == [made["id"]]


async def test_what_is_another_persons_is_not_there(web: Web):
    tom, zoe = await signed_in(web, "tom"), await signed_in(web, "zoe")
    (toms,) = (await tom.get("/me/devices")).json()["devices"]
    for act, body in (
        ("confirm", {"code": "123456"}),
        ("remove", {"password": PASSWORD}),
        ("regenerate", {"password": PASSWORD}),
    ):
        assert problem(await zoe.post(f"/me/devices/{toms['id']}/{act}", body)) == (404, "not-found")
    assert problem(await zoe.send("PATCH", f"/me/devices/{toms['id']}", {"label": "x"})) == (404, "not-found")


@pytest.mark.req("HK-5")
async def test_recovery_codes_are_told_once_and_sign_in_once(web: Web):
    client = await signed_in(web, "tom")
    made = await client.post("/me/recovery-codes", {"password": PASSWORD})
    codes = made.json()["codes"]
    assert (made.status_code, len(set(codes)), (await client.get("/me/recovery-codes")).json()) == (
        201, 10, {"left": 10},
    )  # fmt: skip
    for status in (201, 401):
        answer = await program(web).post("/tokens", {"user": "tom", "password": PASSWORD, "recovery": codes[0]})
        assert answer.status_code == status


@pytest.mark.req("HK-5", "TW-6", "TW-7")
async def test_a_changed_password_ends_every_other_token(web: Web):
    client, other = await signed_in(web, "tom"), await signed_in(web, "tom")
    weak = await client.post("/me/password", {"password": PASSWORD, "new": "aaa"})
    assert problem(weak) == (422, "weak-password")
    assert len(weak.json()["faults"]) >= 3
    answer = await client.post("/me/password", {"password": PASSWORD, "new": NEW})
    client.token = answer.json()["token"]
    assert (await client.get("/me")).status_code == 200
    assert problem(await other.get("/me")) == (401, "not-signed-in")


@pytest.mark.req("TW-12")
async def test_ones_logins_are_listed_a_page_at_a_time(web: Web):
    client = await signed_in(web, "tom")
    for _ in range(30):
        await client.signs_in(web, "tom")
        await client.send("DELETE", "/tokens/current")
    await client.signs_in(web, "tom")
    first = (await client.get("/me/history")).json()
    rest = (await client.get("/me/history", before=first["next"])).json()
    rows = [one["seq"] for one in first["logins"] + rest["logins"]]
    assert rows == sorted(set(rows), reverse=True)
    assert (len(first["logins"]), rest["next"], first["logins"][0]["event"]) == (50, None, "web.signed_in")
    assert (await client.get("/me/sessions")).json() == {"sessions": []}


async def test_what_an_operation_does_not_know_is_refused_and_never_repeated(web: Web):
    client = program(web)
    secret = "hunter2-" * 200
    answer = await client.post("/tokens", {"user": "tom", "password": secret, "surprise": "hunter2"})
    assert problem(answer) == (422, "invalid")
    assert {one["at"] for one in answer.json()["faults"]} == {"/body/password", "/body/surprise"}
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"{", (400, "malformed")), (b"\xff\xfe", (400, "malformed")), (b"[" * 60000, (400, "malformed")),
        (b'{"user": ' + b"1" * 60000 + b"}", (400, "malformed")), (b'{"user": "' + b"a" * 70000 + b'"}', (413, "too-large")),
        (b'{"user": "\\ud800", "password": "x"}', (422, "invalid")), (b'{"user": "a\\u0000", "password": "x"}', (422, "invalid")),
        (b'{"user": "a\\r\\nb", "password": "x"}', (422, "invalid")), (b"", (422, "invalid")), (b"null", (422, "invalid")),
    ],
    ids=["cut", "no text", "deep", "number", "large", "surrogate", "nul", "lines", "empty", "null"],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(web: Web, body: bytes, found):
    answer = await program(web).post("/tokens", content=body, headers={"Content-Type": "application/json"})
    assert problem(answer) == found


async def test_a_form_of_a_browser_is_not_taken(web: Web):
    """What another site can send without asking (a form) is no JSON."""
    given = b'{"user": "tom", "password": "x", "code": "123456"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = await program(web).post("/tokens", content=given, headers={"Content-Type": kind})
        assert problem(answer) == (422, "invalid")


async def test_there_is_nothing_beside_the_operations(web: Web):
    client = await signed_in(web, "tom")
    assert problem(await client.get("/docs")) == (404, "no-operation")
    answer = await client.send("PUT", "/me/devices", {})
    assert (problem(answer), answer.headers["allow"]) == ((405, "wrong-method"), "GET")
    assert (await client.get("/me/")).status_code == 404


async def test_every_problem_is_explained_where_its_type_leads(web: Web):
    client = program(web)
    refused = (await client.get("/me")).json()
    assert refused["type"] == "/api/v1/problems/not-signed-in"
    explained = (await client.client.get(refused["type"])).json()
    assert {name: explained[name] for name in ("type", "status", "title")} == {
        name: refused[name] for name in ("type", "status", "title")
    }
    assert problem(await client.get("/problems/unheard-of")) == (404, "not-found")


async def test_the_description_names_the_token_and_the_refusals(web: Web):
    said = (await program(web).get("/openapi.json")).json()
    assert (said["openapi"][:3], said["servers"]) == ("3.1", [{"url": "/api/v1"}])
    for path, operations in said["paths"].items():
        for method, operation in operations.items():
            guarded = (method, path) not in {("post", "/tokens"), ("get", "/problems/{key}")}
            assert ("security" in operation) == guarded, (method, path)
            for status, answer in operation["responses"].items():
                assert (status < "400") or set(answer["content"]) == {"application/problem+json"}


async def test_what_fails_here_is_noted_and_told_without_a_word_of_it(web: Web, monkeypatch):
    client: Program = await signed_in(web, "tom")

    async def broken(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(type(web.staff.office.myself), "devices", broken)
    answer = await client.get("/me/devices")
    assert (problem(answer), "hunter2" in answer.text) == ((500, "failed"), False)
    assert [str(one) for one in web.errors] == ["the password is hunter2"]
    web.errors.clear()
