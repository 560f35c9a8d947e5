"""The HTTP API for administrators: people, requests, groups, files, alerts (HK-6 to HK-9, CQ-5, CQ-6, TW-2, TW-5)."""

import base64

import pytest

from gateway.policy.roles import Role
from tests.contract.api_rig import problem, program, signed_in
from tests.contract.portal_rig import Web
from tests.contract.staff import PASSWORD

WHY = "called back on the registered number"


@pytest.mark.req("HK-7", "CQ-6")
async def test_people_are_listed_a_page_at_a_time_and_found(web: Web):
    root, names, after = await signed_in(web, "root1"), [], ""
    while after is not None:
        page = (await root.get("/users", limit=3, after=after)).json()
        names += [one["name"] for one in page["users"]]
        after = page["next"]
    assert names == ["acme1", "acme2", "eye", "root1", "root2", "tom", "zen1", "zoe"]
    found = (await root.get("/users", text="ACME", organisation="ACME")).json()
    assert [one["name"] for one in found["users"]] == ["acme1", "acme2", "tom"]
    await web.staff.hire("late", device=False)
    found = (await root.get("/users", condition="unfinished")).json()
    assert [one["name"] for one in found["users"]] == ["late"]


@pytest.mark.req("HK-6", "CQ-6")
async def test_a_firm_sees_and_touches_its_own_alone(web: Web):
    acme = await signed_in(web, "acme1")
    assert [one["name"] for one in (await acme.get("/users")).json()["users"]] == ["acme1", "acme2", "tom"]
    for answer in (
        await acme.get("/users/zoe"), await acme.post("/users/zoe/disable"), await acme.post("/users/zoe/unlock", {"why": WHY}),
        await acme.post("/users/zoe/setup-link"), await acme.get("/sessions", user="zoe"), await acme.get("/history", user="zoe"),
        await acme.post("/requests", {"act": "reset_password", "user": "zoe", "why": WHY}),
        await acme.send("PATCH", "/users/zoe", {"routes": []}, headers={"If-Match": '"1"'}),
    ):  # fmt: skip
        assert problem(answer) == (404, "not-found")
    assert problem(await acme.post("/users/acme2/disable")) == (403, "forbidden")


@pytest.mark.req("TW-2", "HK-6")
async def test_who_has_no_role_does_nothing_of_it(web: Web):
    tom, eye = await signed_in(web, "tom"), await signed_in(web, "eye")
    for path in ("/users", "/users/zoe", "/sessions", "/history?user=zoe", "/groups", "/alerts", "/requests"):
        assert problem(await tom.get(path)) in {(403, "forbidden"), (404, "not-found")}
        assert (await eye.get(path)).status_code == 200
    before = await web.staff.rows()
    for client in (tom, eye):
        for path, body in (
            ("/users", {"name": "x"}), ("/users/zoe/disable", None), ("/users/zoe/unlock", {"why": WHY}), ("/users/zoe/setup-link", None),
            ("/requests", {"act": "reset_password", "user": "zoe", "why": WHY}), ("/groups", {"name": "g", "routes": ["r"]}),
            ("/imports", {"form": "csv", "data": base64.b64encode(b"user\nx\n").decode()}),
        ):  # fmt: skip
            assert problem(await client.post(path, body)) == (403, "forbidden"), path
    assert await web.staff.rows() == before


@pytest.mark.req("CQ-5", "HK-1", "TW-3")
async def test_somebody_new_is_added_without_a_password_and_gets_a_link(web: Web):
    acme = await signed_in(web, "acme1")
    made = await acme.post("/users", {"name": "nina", "email": "nina@example.com"})
    assert (made.status_code, made.headers["location"]) == (201, "/api/v1/users/nina")
    said = made.json()
    assert (said["organisation"], said["processes"], said["authenticators"]) == ("ACME", ["nina"], 0)
    assert problem(await acme.post("/users", {"name": "nina"})) == (409, "conflict")
    link = await acme.post("/users/nina/setup-link")
    assert (link.status_code, link.json()["sent"]) == (201, True)
    assert link.json()["url"] == web.staff.tray.letters[-1].url.reveal().decode()
    assert problem(await acme.post("/users", {"name": "mia", "processes": ["OTHER"]})) == (403, "forbidden")
    assert problem(await acme.post("/users", {"name": "mia", "organisation": "ZEN"})) == (403, "forbidden")


@pytest.mark.req("HK-6")
async def test_a_change_says_what_it_changes(web: Web):
    root, other = await signed_in(web, "root1"), await signed_in(web, "root2")
    seen = (await root.get("/users/tom")).headers["etag"]
    change = {"processes": ["ALGO", "tom"], "routes": ["engine"], "valid_until": "2031-01-01T00:00:00+01:00"}
    assert problem(await root.send("PATCH", "/users/tom", change)) == (428, "precondition-required")
    done = await other.send("PATCH", "/users/tom", change, headers={"If-Match": seen})
    assert (done.status_code, done.json()["processes"], done.json()["valid_until"]) == (
        200, ["ALGO", "tom"], "2030-12-31T23:00:00Z",
    )  # fmt: skip
    assert problem(await root.send("PATCH", "/users/tom", change, headers={"If-Match": seen})) == (412, "changed")
    kept = await root.send("PATCH", "/users/tom", {"valid_until": None}, headers={"If-Match": done.headers["etag"]})
    assert (kept.json()["valid_until"], kept.json()["routes"]) == (None, ["engine"])
    for field in ("email", "password", "must_change", "enabled", "role", "name"):
        answer = await root.send("PATCH", "/users/tom", {field: "x"}, headers={"If-Match": kept.headers["etag"]})
        assert problem(answer) == (422, "invalid")


async def test_a_name_with_a_slash_is_a_name(web: Web):
    root = await signed_in(web, "root1")
    made = await root.post("/users", {"name": "a/enable ü"})
    path = made.headers["location"].removeprefix("/api/v1")
    assert (await root.get(path)).json()["name"] == "a/enable ü"
    assert (await root.post(f"{path}/disable")).status_code == 204
    assert (await root.get(path)).json()["state"] == "disabled"


@pytest.mark.req("TW-5")
async def test_a_lock_is_lifted_by_who_says_how_the_person_was_identified(web: Web):
    for count in range(5):
        assert problem(await program(web).signs_in(web, "tom", password=f"wrong {count}")) == (401, "sign-in-refused")
    root = await signed_in(web, "root1")
    assert (await root.get("/users/tom")).json()["state"] == "locked"
    assert problem(await root.post("/users/tom/unlock", {})) == (422, "invalid")
    assert (await root.post("/users/tom/unlock", {"why": WHY})).status_code == 204
    assert (await root.get("/users/tom")).json()["state"] == "enabled"
    assert any(WHY in row.details for row in await web.staff.store.audit.rows())


@pytest.mark.req("HK-6")
async def test_a_request_is_approved_by_another_one_with_a_fresh_code(web: Web):
    maker, checker = await signed_in(web, "acme1"), await signed_in(web, "acme2")
    made = await maker.post("/requests", {"act": "reset_authenticator", "user": "tom", "why": WHY})
    id_ = made.json()["id"]
    assert (made.status_code, (await checker.get(f"/requests/{id_}")).json()["ruling"]) == (201, "allowed")
    assert [one["id"] for one in (await checker.get("/requests")).json()["requests"]] == [id_]
    own = {"code": web.staff.code("acme1").reveal().decode()}
    assert problem(await maker.post(f"/requests/{id_}/approve", own)) == (403, "forbidden")
    assert problem(await checker.post(f"/requests/{id_}/approve", {"code": "000000"})) == (403, "refused")
    web.staff.clock.move(60)
    code = {"code": web.staff.code("acme2").reveal().decode()}
    done = (await checker.post(f"/requests/{id_}/approve", code)).json()
    assert (done["request"]["state"], done["request"]["decided_by"], done["link"]["user"]) == (
        "approved",
        "acme2",
        "tom",
    )
    web.staff.clock.move(30)
    code = {"code": web.staff.code("acme2").reveal().decode()}
    assert problem(await checker.post(f"/requests/{id_}/approve", code)) == (409, "conflict")


@pytest.mark.req("SF-13", "HK-6")
async def test_a_role_is_asked_for_with_its_end_and_can_be_taken_back(web: Web):
    root = await signed_in(web, "root1")
    asks = {"act": "change_role", "user": "tom", "why": WHY, "role": "delegated_admin"}
    assert problem(await root.post("/requests", asks)) == (422, "invalid")
    assert problem(await root.post("/requests", asks | {"until": "2020-01-01T00:00:00Z"})) == (422, "invalid")
    made = (await root.post("/requests", asks | {"until": "2027-02-01T00:00:00Z"})).json()
    assert (made["role"], made["until"]) == ("delegated_admin", "2027-02-01T00:00:00Z")
    assert problem(await root.post("/requests", asks | {"until": "2027-02-01T00:00:00Z"})) == (409, "conflict")
    refused = (await root.post(f"/requests/{made['id']}/refuse", {"why": "a mistake"})).json()
    assert (refused["state"], refused["decided_by"]) == ("refused", "root1")


@pytest.mark.req("HK-9")
async def test_groups_are_made_changed_and_removed(web: Web):
    root = await signed_in(web, "root1")
    group = {"name": "algos", "organisation": "ACME", "routes": ["engine"]}
    assert (await root.post("/groups", group)).json() == group
    assert problem(await root.post("/groups", group)) == (409, "conflict")
    assert (await root.send("PUT", "/groups/algos", {"routes": ["b", "a"]})).json()["routes"] == ["a", "b"]
    assert problem(await root.send("PUT", "/groups/algos", {"routes": []})) == (422, "invalid")
    assert problem(await root.send("PUT", "/groups/others", {"routes": ["a"]})) == (404, "not-found")
    assert (await (await signed_in(web, "acme1")).get("/groups")).json()["groups"] == [{**group, "routes": ["a", "b"]}]
    assert (await root.send("DELETE", "/groups/algos")).status_code == 204
    assert problem(await root.send("DELETE", "/groups/algos")) == (404, "not-found")


@pytest.mark.req("HK-8")
async def test_a_file_is_checked_and_then_imported(web: Web):
    acme, other = await signed_in(web, "acme1"), await signed_in(web, "acme2")
    data = base64.b64encode(b"user,email\nnina,nina@example.com\ntom,\n").decode()
    sent = await acme.post("/imports", {"form": "csv", "data": data})
    found = sent.json()["found"]
    assert (sent.status_code, found["users"], found["faulty"], found["faults"][0]["line"]) == (201, 1, 1, 3)
    file = f"/imports/{sent.json()['id']}"
    assert problem(await other.post(f"{file}/import")) == (404, "not-found")
    faulty = await acme.post(f"{file}/import")
    assert (problem(faulty), faulty.json()["faults"][0]["at"]) == ((422, "faulty-file"), "line 3")
    assert (await acme.get(file)).json()["found"]["users"] == 1
    assert (await acme.post(f"{file}/import?partial=true")).json()["users"] == 1
    assert (await acme.get("/users/nina")).json()["organisation"] == "ACME"
    assert problem(await acme.get(file)) == (404, "not-found")
    again = (await acme.post("/imports", {"form": "csv", "data": data})).json()["id"]
    assert (await acme.send("DELETE", f"/imports/{again}")).status_code == 204
    assert problem(await acme.post(f"/imports/{again}/import")) == (404, "not-found")


@pytest.mark.parametrize(
    "file",
    [
        {"form": "csv", "data": "not base64!"}, {"form": "csv", "data": ""}, {"form": "xls", "data": "eA=="},
        {"form": "csv", "data": base64.b64encode(b"user\n" + b"x\n" * 2_100_000).decode()},
        {"form": "pskc", "data": base64.b64encode(b"<!DOCTYPE x [<!ENTITY y 'z'>]><x>&y;</x>").decode()},
        {"form": "pskc", "data": "eA==", "preshared": "no hex"},
    ],
    ids=["no base64", "empty", "kind", "large", "entities", "key"],
)  # fmt: skip
async def test_a_file_that_is_none_is_refused(web: Web, file):
    answer = await (await signed_in(web, "acme1")).post("/imports", file)
    found = answer.json()
    assert (answer.status_code == 422) or (answer.status_code == 201 and found["found"]["users"] == 0), answer.text


@pytest.mark.req("BY-8")
async def test_alerts_are_listed_and_acknowledged_once(web: Web):
    given = {"user": "tom", "password": PASSWORD, "code": web.staff.code("tom").reveal().decode()}
    assert [(await program(web).post("/tokens", given)).status_code for _ in range(2)] == [201, 401]
    root = await signed_in(web, "root1")
    (found,) = (await root.get("/alerts")).json()["alerts"]
    assert (found["rule"], found["count"]) == ("replay", 1)
    assert problem(await (await signed_in(web, "acme1")).post(f"/alerts/{found['id']}/acknowledge")) == (
        403,
        "forbidden",
    )
    assert (await root.post(f"/alerts/{found['id']}/acknowledge")).json()["acknowledged_by"] == "root1"
    assert problem(await root.post(f"/alerts/{found['id']}/acknowledge")) == (409, "conflict")
    assert (
        (await root.get("/alerts")).json()["alerts"],
        len((await root.get("/alerts?all=true")).json()["alerts"]),
    ) == ([], 1)


@pytest.mark.req("SF-13")
async def test_a_role_that_is_over_gives_nothing_any_more(web: Web):
    await web.staff.hire("brief", Role.EXCHANGE_ADMIN, days=0.01)
    brief = await signed_in(web, "brief")
    assert (await brief.get("/users")).status_code == 200
    web.staff.clock.move(870)
    assert problem(await brief.get("/users")) == (401, "not-signed-in")
