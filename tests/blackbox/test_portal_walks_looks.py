"""Every page of the portal as it looks, in every state that a person meets: pictures are kept, and none has a fault.

The pictures are in the folder that GATEWAY_TEST_PICTURES names, else with the test's own files.
"""

from tests.blackbox.floor import Floor
from tests.blackbox.people import PASSWORD
from tests.blackbox.portal_walk import NEW, House, chooses, enrols, house
from tests.blackbox.portal_walk_browser import App, Walker
from tests.blackbox.portal_walk_looks import Looks
from tests.blackbox.test_portal_walks_desk import FILE, administrator


async def test_public_pages_can_be_read_by_everybody(floor: Floor) -> None:
    async with house(floor, tls=False) as here:
        looks, nina = Looks(here.pictures), await here.enters()
        await nina.opens("/sign-in")
        await looks.at(nina, "sign-in")
        await here.signs_in(nina, "nobody", App(20 * "JBSW"))
        await nina.is_refused("Refused")
        await looks.at(nina, "sign-in-refused")
        await nina.follows("Forgotten password or lost authenticator")
        await nina.is_at("Forgotten or lost")
        await looks.at(nina, "forgot")
        await nina.opens("/link/gone")
        await looks.at(nina, "link-gone")

        await nina.opens(await here.bootstrap("root1"))
        await looks.at(nina, "link")
        app = await enrols(nina)
        await looks.at(nina, "link-key")
        await chooses(nina, "weak")
        await nina.types("Code of the new authenticator", await app.code())
        await nina.presses("Finish")
        await nina.is_refused("This password can't be taken")
        await looks.at(nina, "link-refused")

        await initial(here, "tom")
        await nina.opens("/sign-in")
        await nina.types("User", "tom")
        await nina.types("Password", PASSWORD)
        await nina.presses("Sign in")
        await nina.is_at("Choose your password")
        await looks.at(nina, "setup-password")
        await nina.types("Current password", PASSWORD)
        await chooses(nina)
        await nina.presses("Change password")
        await nina.is_at("Set up your authenticator")
        await looks.at(nina, "setup-authenticator")
        assert looks.wrong == [], "\n".join(looks.wrong)


async def test_ones_own_pages_can_be_read_by_everybody(floor: Floor) -> None:
    async with house(floor, tls=False, more=DETECTION) as here:
        app = await here.hire("tom", "--comp-id", "ALGO", "--phone", "+49 30 1234567")
        algo = await here.algo("tom", app)
        await algo.logon()
        looks, tom = Looks(here.pictures), await here.enters()
        await tom.passkeys()
        await here.signs_in(tom, "tom", app)
        await tom.is_at("Overview")
        await looks.at(tom, "overview")
        await has_a_passkey(tom)
        for link, title in (
            ("Authenticators", "Authenticators"),
            ("Change authenticator", "authenticator"),
            ("Passkeys", "Passkeys"),
            ("Change laptop", "laptop"),
            ("Recovery codes", "Recovery codes"),
            ("Password", "Password"),
            ("Sessions and logins", "Sessions and logins"),
            ("Notifications", "Notifications"),
            ("Sign out", "Sign out"),
        ):
            await tom.follows(link)
            await tom.is_at(title)
            await looks.at(tom, link.lower().replace(" ", "-"))
        await tom.opens("/devices")
        await tom.types("Name", "desk")
        await tom.types("Your password", PASSWORD)
        await tom.presses("Show me a key")
        await tom.is_at("New authenticator")
        await looks.at(tom, "authenticator-key")
        await tom.opens("/devices")
        await tom.page.get_by_role("link", name="Change desk").click()
        await tom.is_at("desk")
        await looks.at(tom, "authenticator-begun")
        await tom.opens("/recovery")
        await tom.types("Your password", PASSWORD)
        await tom.presses("Show me new codes")
        await tom.is_at("Your recovery codes")
        await looks.at(tom, "recovery-codes-new")
        await tom.opens("/nothing")
        await looks.at(tom, "problem")
        await tom.opens("/sign-out")
        await tom.presses("Sign out")
        await tom.types("User", "tom")
        await tom.types("Password", PASSWORD)
        await tom.presses("Sign in")
        await tom.is_at("One more thing")
        await looks.at(tom, "code")
        assert looks.wrong == [], "\n".join(looks.wrong)


async def test_the_pages_about_people_can_be_read_by_everybody(floor: Floor) -> None:
    async with house(floor) as here:
        app = await here.hire("nina", "--comp-id", "ALGO", "--organisation", "Acme")
        await initial(here, "ben")
        await here.gateway.run("group", "set", "desk-a", "--route", "exchange")
        await here.gateway.run("group", "join", "desk-a", "nina")
        algo = await here.algo("nina", app)
        await algo.logon()
        boss, _ = await administrator(here, "root1")
        looks = Looks(here.pictures)
        await looks.at(boss, "overview-of-an-administrator")
        await boss.follows("People")
        await looks.at(boss, "people")
        await boss.follows("Add a person")
        await boss.is_at("Add a person")
        await looks.at(boss, "person-new")
        await boss.opens("/people/nina")
        await looks.at(boss, "person")
        await boss.unfolds("Change dates")
        await boss.unfolds("Give a role")
        await looks.at(boss, "person-unfolded")
        asked = boss.page.locator("details", has_text="Give a role")
        await asked.get_by_label("Why").fill("she is the desk's second administrator now")
        await asked.get_by_label("Role").select_option("delegated_admin")
        await asked.get_by_label("Until").fill("2027-01-31")
        await asked.get_by_role("button", name="Ask").click()
        await boss.is_told("Another administrator has to approve it")
        await looks.at(boss, "request-of-ones-own")
        await boss.follows("Requests")
        await boss.is_at("Requests")
        await looks.at(boss, "requests")
        await boss.opens("/people/ben")
        await boss.presses("Make a setup link")
        await boss.is_at("A setup link for ben")
        await looks.at(boss, "person-link")
        other, _ = await administrator(here, "root2")
        await other.follows("Requests")
        await other.page.get_by_role("link", name="Look at the request").click()
        await other.page.get_by_role("button", name="Approve").wait_for()
        await looks.at(other, "request")
        assert looks.wrong == [], "\n".join(looks.wrong)


async def test_the_pages_about_many_can_be_read_by_everybody(floor: Floor) -> None:
    async with house(floor) as here:
        await here.gateway.run("group", "set", "desk-a", "--route", "exchange")
        boss, app = await administrator(here, "root1")
        looks = Looks(here.pictures)
        for path, name in (
            ("/groups", "groups"),
            ("/groups/desk-a", "group"),
            ("/people/import", "import"),
        ):
            await boss.opens(path)
            await looks.at(boss, name)
        file = {"name": "people.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
        await boss.field("File").set_input_files(file)
        await boss.presses("Check it")
        await boss.is_at("Check before the import")
        await looks.at(boss, "import-check")
        await boss.page.get_by_role("button", name="without faults").click()
        await boss.is_at("Imported")
        await looks.at(boss, "import-done")

        again = await here.enters()
        used = App(app.key, app.told - 1)
        await here.signs_in(again, "root1", used, NEW)
        await again.is_refused("Refused")
        await boss.follows("Alerts")
        await boss.is_at("Alerts")
        await boss.sees("A used code again")
        await looks.at(boss, "alerts")
        assert looks.wrong == [], "\n".join(looks.wrong)


DETECTION = "".join(f'[detection.{rule}]\naction = "alarm"\n' for rule in ("crowd", "travel", "spray"))


async def initial(here: House, name: str) -> None:
    """Make somebody whose password is an initial one."""
    options = ("--email", f"{name}@example.com", "--must-change", "--password-stdin")
    await here.gateway.run("user", "add", name, *options, stdin=PASSWORD + "\n")


async def has_a_passkey(walker: Walker) -> None:
    await walker.follows("Passkeys")
    await walker.types("Name", "laptop")
    await walker.types("Your password", PASSWORD)
    await walker.presses("Make a passkey")
    await walker.is_told("The passkey counts from now on")
