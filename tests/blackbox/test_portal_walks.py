"""People at the portal: a real browser, a real mail server and a QuickFIX engine at the gateway's door."""

import asyncio
import sqlite3
from typing import Literal

import pytest
from playwright.async_api import expect

from tests.blackbox.floor import Floor
from tests.blackbox.ops_rig import live
from tests.blackbox.people import PASSWORD
from tests.blackbox.portal_walk import NEW, chooses, enrols, house
from tests.blackbox.portal_walk_browser import Walker

SCRIPTED = pytest.mark.parametrize("script", [True, False], ids=["with JavaScript", "without JavaScript"])


@SCRIPTED
@pytest.mark.req("M7-7", "M7-6", "TW-9", "HK-5")
async def test_who_lost_its_phone_gets_a_new_key_by_mail_and_password(floor: Floor, script: bool) -> None:
    async with house(floor) as here:
        old = await here.hire("tom", "--comp-id", "ALGO")
        algo = await here.algo("tom", old)
        await algo.logon()

        tom = await here.enters(script=script)
        await tom.opens("/sign-in")
        await tom.follows("Forgotten password or lost authenticator")
        await tom.types("User", "tom")
        await tom.ticks("My authenticator (phone, app)")
        await tom.presses("Send me a link")
        await tom.is_told("a link is on its way")
        await tom.opens(await here.link("tom", "Replace the authenticator"))
        await tom.is_at("New authenticator")
        new = await enrols(tom)
        await tom.types("Your password", "not his")
        await tom.types("Code of the new authenticator", await new.code())
        await tom.presses("Finish")
        await tom.is_refused("Refused")
        assert len(await live(here.gateway)) == 1
        await tom.types("Your password", PASSWORD)
        await tom.types("Code of the new authenticator", await new.code())
        await tom.presses("Finish")
        await tom.is_told("Sign in with it now")

        await algo.until("disconnect")
        await algo.logon(expect="logout")
        await algo.ask("logout")
        again = await here.algo("tom", new, name="new-phone")
        await again.logon(reset=True)


@pytest.mark.req("M7-7", "HK-5")
async def test_a_forgotten_password_is_replaced_by_mail_and_code(floor: Floor) -> None:
    async with house(floor) as here:
        app = await here.hire("tom", "--comp-id", "ALGO")
        tom = await here.enters()
        await tom.opens("/forgot")
        await tom.types("User", "tom")
        await tom.ticks("My password")
        await tom.presses("Send me a link")
        link = await here.link("tom", "Reset the password")
        await tom.opens(link)
        await tom.is_at("New password")
        await tom.types("Code of your authenticator", await app.code())
        await chooses(tom)
        await tom.presses("Finish")
        await tom.is_told("Sign in with it now")

        await tom.opens(link)
        await tom.is_at("This link is not good any more")
        await here.signs_in(tom, "tom", app, NEW)
        await tom.is_at("Overview")
        algo = await here.algo("tom", app)
        await algo.logon(expect="logout")
        await algo.ask("logout")


@pytest.mark.req("HK-5", "M7-16")
async def test_a_recovery_code_stands_in_for_the_phone_once(floor: Floor) -> None:
    async with house(floor) as here:
        app = await here.hire("tom")
        tom = await here.enters()
        await here.signs_in(tom, "tom", app)
        await tom.follows("Recovery codes")
        await tom.types("Your password", PASSWORD)
        await tom.presses("Show me new codes")
        await tom.is_at("Your recovery codes")
        codes = (await tom.page.locator("#codes").inner_text()).split()
        async with tom.page.expect_download() as download:
            await tom.follows("Download as text")
        assert (await (await download.value).path()).read_text().split() == codes
        await tom.follows("I have kept them")
        await tom.is_at("Overview")
        await tom.follows("Sign out")
        await tom.presses("Sign out")
        await tom.is_told("You are signed out.")

        async def signs_in(recovery: str) -> None:
            await tom.types("User", "tom")
            await tom.types("Password", PASSWORD)
            await tom.unfolds("I lost my authenticator")
            await tom.types("Recovery code", recovery)
            await tom.presses("Sign in")

        await signs_in(codes[0])
        await tom.is_at("Overview")
        await expect(tom.page.get_by_role("link", name="9 recovery codes left")).to_be_visible()
        await tom.page.context.clear_cookies()
        await tom.opens("/sign-in")
        await signs_in(codes[0])
        await tom.is_refused("Refused")


@pytest.mark.req("TW-2")
async def test_a_passkey_is_made_and_used_and_order_entry_still_wants_a_code(floor: Floor) -> None:
    async with house(floor, tls=False) as here:
        app = await here.hire("tom", "--comp-id", "ALGO")
        tom = await here.enters()
        await tom.passkeys()
        await here.signs_in(tom, "tom", app)
        await tom.follows("Passkeys")
        await tom.types("Name", "laptop")
        await tom.types("Your password", "not his")
        await tom.presses("Make a passkey")
        await tom.is_told("Refused")
        await tom.types("Your password", PASSWORD)
        await tom.presses("Make a passkey")
        await tom.is_told("The passkey counts from now on")
        await tom.follows("Sign out")
        await tom.presses("Sign out")
        await tom.types("User", "tom")
        await tom.types("Password", PASSWORD)
        await tom.presses("Sign in")
        await tom.is_at("One more thing")
        await tom.presses("Use my passkey")
        await tom.is_at("Overview")

        await tom.follows("Passkeys")
        await tom.follows("Change laptop")
        await tom.types("Your password", PASSWORD)
        await tom.presses("Remove")
        await tom.is_told("The passkey is removed.")
        algo = await here.algo("tom", app)
        await algo.code("none")
        await algo.logon(expect="logout")
        await algo.ask("logout")


@pytest.mark.req("HK-4", "M7-14", "TW-3")
async def test_an_expired_password_is_changed_before_anything_else(floor: Floor) -> None:
    async with house(floor) as here:
        app = await here.hire("tom", "--comp-id", "ALGO")
        with sqlite3.connect(here.gateway.folder / "gateway.db") as database:
            database.execute("UPDATE users SET password_changed = password_changed - 91 * 86400")
        tom = await here.enters()
        await here.signs_in(tom, "tom", app)
        await tom.is_at("Choose your password")
        await tom.opens("/devices")
        await tom.is_at("Choose your password")
        await tom.types("Current password", PASSWORD)
        await chooses(tom, PASSWORD)
        await tom.presses("Change password")
        await tom.is_refused("This password can't be taken")
        await tom.types("Current password", PASSWORD)
        await chooses(tom)
        await tom.presses("Change password")
        await tom.is_at("Overview")
        algo = await here.algo("tom", app, NEW)
        await algo.logon()


@pytest.mark.req("M7-16")
async def test_signing_in_and_out_needs_no_mouse(floor: Floor) -> None:
    async with house(floor) as here:
        app = await here.hire("tom")
        tom = await here.enters()
        await tom.opens("/sign-in")
        keys = tom.page.keyboard
        for text in ("tom", PASSWORD, await app.code()):
            await keys.type(text)
            await keys.press("Tab")
        await expect(tom.page.locator("summary")).to_be_focused()
        await keys.press("Shift+Tab")
        await keys.press("Enter")
        await tom.is_at("Overview")

        await keys.press("Tab")
        await expect(tom.page.get_by_role("link", name="Skip to content")).to_be_focused()
        await keys.press("Enter")
        await expect(tom.page.get_by_role("main")).to_be_focused()
        await tom.opens("/")
        await reaches(tom, "Sign out")
        await keys.press("Enter")
        await tom.is_at("Sign out")
        await reaches(tom, "Sign out", role="button")
        await keys.press("Enter")
        await tom.is_told("You are signed out.")


async def reaches(walker: Walker, name: str, role: Literal["link", "button"] = "link") -> None:
    """Press Tab until the focus is there, as somebody without a mouse does."""
    wanted = walker.page.get_by_role(role, name=name, exact=True)
    for _ in range(40):
        await walker.page.keyboard.press("Tab")
        if await wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"no way to {name!r} with the keyboard")


@SCRIPTED
@pytest.mark.req("TW-8")
async def test_where_many_failed_the_next_one_gets_in_by_work_or_patience(floor: Floor, script: bool) -> None:
    async with house(floor) as here:
        app, eve = await here.hire("tom"), await here.enters()
        for number in range(10):
            await eve.opens("/sign-in")
            await eve.types("User", f"nobody{number}")
            await eve.types("Password", PASSWORD)
            await eve.presses("Sign in")
            await eve.is_refused("Refused")
        tom = await here.enters(script=script)
        await tom.opens("/sign-in")
        await tom.is_told("your browser has a little work to do first")
        await here.signs_in(tom, "tom", app)
        if not script:
            await tom.is_refused("Send the form again in 5 seconds")
            await asyncio.sleep(5)
            await tom.types("Password", PASSWORD)
            await tom.types("One-time code", await app.code())
            await tom.presses("Sign in")
        await tom.is_at("Overview")
