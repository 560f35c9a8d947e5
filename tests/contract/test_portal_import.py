"""Many people from a file, in an administrator's browser (HK-8): checked as a whole, kept sealed, imported when it is said so."""

import asyncio
import tempfile

import pytest
import sqlalchemy as sa

from gateway.policy.snapshot import Method
from gateway.store.schema import drafts
from tests.contract.portal_rig import Browser, Page, Web
from tests.contract.test_portal_devices import csrf
from tests.unit.auth.intake.test_pskc import FIGURE_6, FIGURE_7

KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
PSKC = """<?xml version="1.0"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"><KeyPackage><DeviceInfo><SerialNo>7</SerialNo>
</DeviceInfo><Key Id="1" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:totp"><Data><Secret><PlainValue>
MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data><UserId>UID=nina</UserId></Key></KeyPackage></KeyContainer>"""


async def sends(browser: Browser, data: bytes, form: str = "csv", **given: str) -> Page:
    await browser.get("/people/import")
    return await browser.send("/people/import", {"form": form, **given}, files={"file": ("people", data)})


def faults(page: Page) -> list[tuple[str, str]]:
    return [tuple(cell.text_content() for cell in row.findall("td")) for row in page.tree.xpath("//main//tbody/tr")]


async def kept(web: Web) -> list:
    return await web.staff.store.survey(lambda connection: connection.execute(sa.select(drafts)).all())


@pytest.mark.req("HK-8", "CQ-4", "TW-11")
async def test_a_file_is_checked_and_imported_when_it_is_said_so(web: Web):
    browser = await web.signed_in("root1")
    data = f"user,organisation,method,totp_key\nnina,ACME,password+totp,{KEY}\nomar,ZEN,external,\n".encode()
    page = await sends(browser, data)
    assert "Nothing is imported yet" in page.text
    assert await web.staff.store.imports.known(["nina", "omar"]) == {}
    (draft,) = await kept(web)
    assert (b"nina" in bytes(draft.sealed), KEY.encode() in bytes(draft.sealed)) == (False, False)
    assert KEY not in page.answer.text

    page = await browser.send(page.path)
    assert "2 people and 1 authenticator are imported" in page.text
    nina, omar = [await web.staff.store.users.show(name) for name in ("nina", "omar")]
    assert (nina.user.organisation, len(nina.devices), omar.user.method) == ("ACME", 1, Method.EXTERNAL)
    assert await kept(web) == []
    events = await web.staff.events()
    assert events[-4:] == ["user.added", "user.added", "device.added", "users.imported"]


@pytest.mark.req("HK-8")
async def test_ten_thousand_rows_with_ten_bad_ones_show_all_ten_and_import_the_rest_when_asked(web: Web):
    bad = set(range(1000, 10_001, 1000))
    lines = [f"u{number},{'ACME' if number not in bad else 'ZEN'}" for number in range(1, 10_001)]
    browser = await web.signed_in("acme1")
    page = await sends(browser, "\n".join(["user,organisation", *lines, ""]).encode())
    assert [line for line, _ in faults(page)] == [str(number + 1) for number in sorted(bad)]
    assert ("9,990 people to import" in page.text, "10 things wrong" in page.text) == (True, True)
    head = await web.staff.rows()
    refused = await browser.post(page.path, {"csrf": csrf(browser), "what": "all"})
    assert (refused.status, "nothing was imported" in refused.fault, len(faults(refused))) == (422, True, 10)
    assert await web.staff.rows() == head
    page = await browser.send(refused.path, {"what": "right"})
    assert ("9,990 people and 0 authenticators are imported" in page.text, len(faults(page))) == (True, 10)
    assert (await web.staff.store.users.show("u9999")).user.organisation == "ACME"
    found = await browser.get("/people?show=unfinished&text=u9")
    assert len(found.tree.xpath("//tbody/tr")) == 50


@pytest.mark.req("HK-8")
async def test_authenticators_come_as_pskc_and_as_otpauth_uris_to_ones_own_firm(web: Web):
    browser = await web.signed_in("acme1")
    page = await sends(browser, PSKC.encode(), "pskc")
    assert faults(page) == []
    assert "1 person and 1 authenticator are imported" in (await browser.send(page.path)).text
    uris = f"otpauth://totp/X:omar?secret={KEY}\notpauth://hotp/X:zack?secret={KEY}\n"
    page = await sends(browser, uris.encode(), "otpauth")
    assert [line for line, _ in faults(page)] == ["2"]
    await browser.send(page.path)
    people = {name: (await web.staff.store.users.show(name)) for name in ("nina", "omar")}
    assert {name: (one.user.organisation, len(one.devices)) for name, one in people.items()} == {
        "nina": ("ACME", 1), "omar": ("ACME", 1),
    }  # fmt: skip


@pytest.mark.req("HK-8", "HK-6")
async def test_authenticators_of_people_who_are_there_are_not_an_administrators_to_import(web: Web):
    browser = await web.signed_in("root1")
    page = await sends(browser, f"otpauth://totp/X:tom?secret={KEY}\n".encode(), "otpauth")
    assert faults(page) == [("1", "a user called 'tom' exists already")]
    assert len((await web.staff.store.users.show("tom")).devices) == 1


@pytest.mark.req("HK-8")
async def test_an_encrypted_file_is_opened_by_its_key(web: Web):
    browser = await web.signed_in("root1")
    for figure, given in (
        (FIGURE_6, {"pskc_key": "12345678901234567890123456789012"}),
        (FIGURE_7, {"pskc_password": "qwerty"}),
    ):
        page = await sends(browser, figure.replace(b"CN=tom", b"CN=nina"), "pskc", **given)
        assert (faults(page), "1 authenticator with" in page.text) == ([], True)
        assert len(faults(await sends(browser, figure, "pskc", **dict.fromkeys(given, "ab" * 16)))) == 1


@pytest.mark.req("HK-8")
@pytest.mark.parametrize(
    ("data", "form", "given"),
    [
        (b"", "csv", {}), (b"user\nnina\n", "magic", {}), (b"user\n" * 20_002, "csv", {}), (b"x" * (4 * 1024 * 1024 + 1), "csv", {}),
        (PSKC.encode(), "pskc", {"pskc_key": "not hex"}),
    ],
    ids=["empty", "no kind", "many lines", "large", "no key"],
)  # fmt: skip
async def test_what_is_no_file_of_people_is_not_kept(web: Web, data: bytes, form: str, given):
    browser = await web.signed_in("root1")
    page = await sends(browser, data, form, **given)
    assert (page.status, page.path, bool(page.fault)) == (422, "/people/import", True)
    assert await kept(web) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\xfe",
        b"user\n<script>alert(1)</script>\nn\x00l\n",
        b"odd\nnina\n",
        b'user\n"a\nb',
        b"user\n" + b"x" * 10_000 + b"\n",
    ],
    ids=["binary", "script", "column", "quote", "long"],
)
async def test_an_odd_file_is_shown_as_faults(web: Web, data: bytes):
    browser = await web.signed_in("root1")
    page = await sends(browser, data)
    assert (page.status, len(faults(page)) >= 1) == (200, True)
    assert "<script>alert" not in page.answer.text


async def test_a_file_of_sixteen_megabytes_and_one_where_none_is_wanted_are_turned_away(web: Web):
    browser = await web.signed_in("root1")
    await browser.get("/people/import")
    token = csrf(browser)
    page = await browser.post("/people/import", {"csrf": token}, files={"file": ("f", b"x" * (17 * 1024 * 1024))})
    assert page.status == 413
    page = await browser.post("/people/new", {"csrf": token, "user": "nina"}, files={"file": ("f", b"x")})
    assert page.status == 400


@pytest.mark.req("HK-8")
async def test_an_upload_never_touches_the_disk(web: Web, monkeypatch: pytest.MonkeyPatch):
    browser = await web.signed_in("root1")
    await browser.get("/people/import")

    def rolled(_: object) -> None:
        raise AssertionError("the file went to the disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", rolled)
    page = await sends(browser, b"user\n" + b"".join(b"%0200d\n" % number for number in range(18_000)))
    assert "18,000 things wrong" in page.text


@pytest.mark.req("HK-6", "HK-8")
async def test_a_file_is_its_administrators_own_and_waits_a_quarter_of_an_hour(web: Web):
    one, two = await web.signed_in("acme1"), await web.signed_in("acme2")
    page = await sends(one, b"user\nnina\n")
    await two.get("/people/import")
    for path in (page.path, "/people/import/none", "/people/import/%00"):
        assert (await two.get(path)).status == 404
        assert (await two.post(path, {"csrf": csrf(two), "what": "all"})).status == 404
    web.staff.clock.move(901)
    again = await web.signed_in("acme1")
    gone = await again.get(page.path)
    assert (gone.status, "waits no more" in gone.fault) == (404, True)
    await web.staff.store.prune(web.staff.clock.wall)
    assert await kept(web) == []


async def test_a_file_is_thrown_away_and_another_one_takes_its_place(web: Web):
    browser = await web.signed_in("acme1")
    first = await sends(browser, b"user\nnina\n")
    second = await sends(browser, b"user\nomar\n")
    assert (await browser.get(first.path)).status == 404
    await browser.get(second.path)
    page = await browser.send(f"{second.path}/forget")
    assert ("nothing was imported" in page.text, await kept(web)) == (True, [])


@pytest.mark.req("HK-8")
async def test_a_double_click_and_a_name_taken_meanwhile_import_nothing_twice(web: Web):
    browser = await web.signed_in("acme1")
    page = await sends(browser, b"user\nnina\nomar\n")
    form = page.form(page.path)
    pages = await asyncio.gather(*(web_post(browser, page.path, form) for _ in range(2)))
    assert min(one.status for one in pages) == 200
    assert all(one.status in (200, 404, 409, 422) for one in pages)
    events = await web.staff.events()
    assert (events.count("users.imported"), events.count("user.added")) == (1, 2 + 8)


async def web_post(browser: Browser, path: str, form: dict[str, str]) -> Page:
    return Page(await browser.client.post(path, data=form))


@pytest.mark.req("HK-6")
async def test_who_may_not_create_imports_nothing(web: Web):
    eye = await web.signed_in("eye")
    assert (await eye.get("/people/import")).status == 403
    for given in ({"csrf": csrf(eye)}, {}):
        values = {"form": "csv", **given}
        page = await eye.post("/people/import", values, files={"file": ("f", b"user\nnina\n")})
        assert page.status == 403
    assert await kept(web) == []
