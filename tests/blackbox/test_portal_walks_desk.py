"""Administrators at the portal, and those whom they look after, each in front of a real browser."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests.blackbox.floor import Floor
from tests.blackbox.ops_rig import database
from tests.blackbox.people import PASSWORD
from tests.blackbox.portal_walk import NEW, House, enrols, house, opens_account
from tests.blackbox.portal_walk_browser import App, Walker

SCRIPTED = pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])
FILE = """\
user,email,processes,totp_key
ann,ann@example.com,ANN,
ben,not an address,BEN,
tom,tom@example.com,TOM,
eve,eve@example.com,EVE,not base32!
joe,joe@example.com,JOE1;JOE2,JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP
"""


async def administrator(here: House, name: str, *, script: bool = True) -> tuple[Walker, App]:
    """Let one of the first two administrators open its account and sign in."""
    walker = await here.enters(script=script)
    app = await opens_account(walker, await here.bootstrap(name))
    await here.signs_in(walker, name, app, NEW)
    await walker.is_at("Overview")
    return walker, app


@asynccontextmanager
async def on_postgresql(floor: Floor) -> AsyncIterator[House]:
    async with database() as place, house(floor, store=place.url(), environment=place.environment) as here:
        yield here


@SCRIPTED
@pytest.mark.req("M7-4", "M7-15", "M7-16", "CQ-1", "CQ-5", "HK-3", "HK-6", "TW-2")
async def test_from_the_first_link_to_a_traders_first_login(floor: Floor, script: bool) -> None:
    async with house(floor) as here:
        boss, _ = await administrator(here, "root1", script=script)
        await boss.follows("People")
        await boss.follows("Add a person")
        await boss.types("User name", "nina")
        await boss.types("E-mail address", "nina@example.com")
        await boss.types("CompIDs or app ids", "ALGO")
        await boss.presses("Add")
        await boss.is_told("The account is there")
        await boss.sees("Not enrolled")
        await boss.presses("Make a setup link")
        await boss.is_at("A setup link for nina")

        nina = await here.enters(script=script)
        app = await opens_account(nina, await here.link("nina", "Set up your account"))
        await here.signs_in(nina, "nina", app, NEW)
        await nina.is_at("Overview")
        algo = await here.algo("nina", app, NEW)
        await algo.logon()
        await nina.follows("Sessions and logins")
        await expect(nina.page.get_by_role("cell", name="ALGO", exact=True)).to_be_visible()

        await boss.opens("/people/nina")
        await boss.presses("End the session of ALGO from 127.0.0.1")
        await boss.is_told("The session was told to end.")
        await algo.until("disconnect")


@pytest.mark.req("HK-6", "CQ-6", "M7-6")
async def test_a_reset_is_asked_for_by_one_administrator_and_approved_by_another(floor: Floor) -> None:
    async with on_postgresql(floor) as here:
        old = await here.hire("nina", "--comp-id", "ALGO")
        checker, app = await administrator(here, "root2")
        maker, _ = await administrator(here, "root1")
        await maker.follows("People")
        await maker.follows("nina")
        await maker.unfolds("Reset the authenticators")
        asked = maker.page.locator("details", has_text="Reset the authenticators")
        await asked.get_by_label("Why").fill("lost its phone; called back on the registered number")
        await asked.get_by_role("button", name="Ask").click()
        await maker.is_told("Another administrator has to approve it")
        await maker.sees("This request is your own")
        await expect(maker.page.get_by_role("button", name="Approve")).to_have_count(0)

        await checker.follows("Requests")
        await checker.page.get_by_role("link", name="Look at the request").click()
        await checker.sees("called back on the registered number")
        await checker.types("Your one-time code", "000000")
        await checker.presses("Approve")
        await checker.is_refused("Refused")
        await checker.types("Your one-time code", await app.code())
        await checker.presses("Approve")
        await checker.is_at("A setup link for nina")

        algo = await here.algo("nina", old)
        await algo.logon(expect="logout")
        await algo.ask("logout")
        nina = await here.enters()
        await nina.opens(await here.link("nina", "Set up your account"))
        new = await enrols(nina)
        await nina.types("Your password", PASSWORD)
        await nina.types("Code of the new authenticator", await new.code())
        await nina.presses("Finish")
        await nina.is_told("Sign in with it now")
        again = await here.algo("nina", new, name="new-phone")
        await again.logon(reset=True)


@pytest.mark.req("HK-8", "HK-7")
async def test_a_file_with_faults_is_shown_line_by_line_and_imported_without_them(floor: Floor) -> None:
    async with house(floor) as here:
        await here.gateway.run("user", "add", "tom", "--password-stdin", stdin=NEW + "\n")
        boss, _ = await administrator(here, "root1")
        await boss.follows("People")
        await boss.follows("Import many")
        file = {"name": "people.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
        await boss.field("File").set_input_files(file)
        await boss.presses("Check it")
        await boss.is_at("Check before the import")
        wrong = boss.page.get_by_role("row")
        for line in ("3", "4", "5"):
            await expect(wrong.filter(has=boss.page.get_by_role("cell", name=line, exact=True))).to_be_visible()
        assert [user["name"] for user in await everybody(here)] == ["root1", "tom"]
        await boss.presses("Import the 2 people without faults")
        await boss.is_told("2 people and 1 authenticator are imported.")
        assert [user["name"] for user in await everybody(here)] == ["ann", "joe", "root1", "tom"]

        await boss.follows("People")
        await boss.field("Name, organisation or e-mail").press_sequentially("jo")
        await expect(boss.page.get_by_role("link", name="ann", exact=True)).to_have_count(0)
        await expect(boss.page.get_by_role("link", name="joe", exact=True)).to_be_visible()


async def everybody(here: House) -> list[dict[str, object]]:
    return list(json.loads(await here.gateway.run("user", "list", "--json")))
