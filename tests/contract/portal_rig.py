"""The portal over a real store, and a browser without JavaScript: it keeps cookies, follows redirects and fills in forms."""

from dataclasses import dataclass, field

import httpx
from lxml import html

from gateway.portal.app import application
from gateway.portal.spec import Portal, Site
from tests.contract.staff import PASSWORD, Staff

SITE = Site("https://portal.example", "Order entry access")


@dataclass
class Page:
    """One answer. `text` is what a person reads; `form(action)` are the fields a form would send as it stands."""

    answer: httpx.Response

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def path(self) -> str:
        return self.answer.url.path

    @property
    def tree(self) -> html.HtmlElement:
        return html.fromstring(self.answer.text)

    @property
    def text(self) -> str:
        return " ".join(self.tree.find("body").text_content().split())

    @property
    def title(self) -> str:
        return self.tree.findtext(".//h1")

    @property
    def fault(self) -> str:
        return " ".join(" ".join(one.text_content().split()) for one in self.tree.find_class("fault"))

    def form(self, action: str) -> dict[str, str]:
        for form in self.tree.forms:
            if form.action == action:
                return {name: value for name, value in form.form_values() if isinstance(value, str)}
        actions = [form.action for form in self.tree.forms]
        raise AssertionError(
            f"no form goes to {action} on {self.path} ({self.status}); there are {actions}\n{self.text}"
        )


@dataclass
class Browser:
    """One person's browser, at the page it sees."""

    client: httpx.AsyncClient
    page: Page | None = field(default=None)

    async def get(self, path: str) -> Page:
        self.page = Page(await self.client.get(path))
        return self.page

    async def send(self, action: str, values: dict[str, str] | None = None, files: dict | None = None) -> Page:
        """Fill in the form of the page at hand that goes to `action`, and send it."""
        fields = self.page.form(action) | (values or {})
        self.page = Page(await self.client.post(action, data=fields, files=files))
        return self.page

    async def post(self, path: str, values: dict[str, str] | None = None, **more) -> Page:
        """Send a form that stands on no page."""
        self.page = Page(await self.client.post(path, data=values, **more))
        return self.page

    def cookie(self, name: str = "__Host-session") -> str | None:
        return self.client.cookies.get(name)


@dataclass
class Web:
    """The portal with the staff's people."""

    staff: Staff
    app: object
    errors: list[BaseException]

    @classmethod
    def over(cls, staff: Staff) -> "Web":
        errors: list[BaseException] = []

        class Ear:
            def failed(self, call: str, error: BaseException) -> None:
                errors.append(error)

        digest, policies = staff.store.vault.credential_digest, staff.policies
        return cls(staff, application(Portal(staff.office, SITE, digest, staff.clock, policies, Ear())), errors)

    def browser(self, address: str = "192.0.2.7") -> Browser:
        transport = httpx.ASGITransport(self.app, client=(address, 50000), raise_app_exceptions=False)
        return Browser(httpx.AsyncClient(transport=transport, base_url=SITE.url, follow_redirects=True))

    async def signed_in(self, name: str, *, code: bool = True) -> Browser:
        """A browser in which this person of the staff has signed in."""
        browser = self.browser()
        await browser.get("/sign-in")
        given = {"user": name, "password": PASSWORD}
        if code:
            given["code"] = self.staff.code(name).reveal().decode()
        page = await browser.send("/sign-in", given)
        assert not page.fault, page.fault
        return browser
