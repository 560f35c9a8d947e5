"""A program at the HTTP API: it has a token and sends JSON. It keeps no cookies and follows no redirect."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.contract.portal_rig import SITE, Web
from tests.contract.staff import PASSWORD

ROOT = "/api/v1"
PROBLEM = "application/problem+json"


@dataclass
class Program:
    """One client. `token` "" where it has not signed in."""

    client: httpx.AsyncClient
    token: str = ""

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            more["json"] = body
        return await self.client.request(method, ROOT + path, headers=headers | more.pop("headers", {}), **more)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.send("GET", path, params=params or None)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.send("POST", path, body, **more)

    async def signs_in(self, web: Web, name: str, **more: str) -> httpx.Response:
        """Make a token and keep it."""
        given = {"user": name, "password": PASSWORD, "code": web.staff.code(name).reveal().decode()} | more
        answer = await self.post("/tokens", given)
        self.token = answer.json().get("token", "")
        return answer


def program(web: Web, address: str = "192.0.2.8") -> Program:
    transport = httpx.ASGITransport(web.app, client=(address, 50000), raise_app_exceptions=False)
    return Program(httpx.AsyncClient(transport=transport, base_url=SITE.url))


async def signed_in(web: Web, name: str) -> Program:
    client = program(web)
    answer = await client.signs_in(web, name)
    assert answer.status_code == 201, answer.text
    return client


def problem(answer: httpx.Response) -> tuple[int, str]:
    """The status and the last word of the type, once the rest of the problem was looked at (RFC 9457)."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["detail"]
    return answer.status_code, said["type"].removeprefix(f"{ROOT}/problems/")
