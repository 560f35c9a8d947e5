"""The HTTP API against its own description: whatever is sent, it answers as it says it does, and never fails (schemathesis).

A real store behind it; what is generated is bounded and the same each time.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.auth.passwords import Passwords
from gateway.policy.roles import Role
from tests.contract.api_rig import ROOT, Program, program, signed_in
from tests.contract.conftest import database
from tests.contract.portal_rig import SITE, Web
from tests.contract.staff import PASSWORD, Staff

EXAMPLES = 8
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Rig:
    """One portal, in a loop of its own, and one program at it that stays signed in."""

    runner: asyncio.Runner
    web: Web
    name: str
    client: Program
    found: dict[str, list[str]] = field(default_factory=dict)

    def send(self, sent: requests.PreparedRequest) -> requests.Response | object:
        return self.runner.run(self._send(sent))

    async def _send(self, sent: requests.PreparedRequest):
        answer = await self._once(sent)
        if sent.path_url.endswith("/tokens/current") and answer.status_code == 204:
            self.client = await fresh(self.web, self.name)
        return answer

    async def _once(self, sent: requests.PreparedRequest):
        headers = {
            name: value for name, value in sent.headers.items() if name.lower() not in {"cookie", "content-length"}
        }
        headers["Authorization"] = f"Bearer {self.client.token}"
        return await self.client.client.request(sent.method, sent.url, content=sent.body, headers=headers)


async def fresh(web: Web, name: str) -> Program:
    """Sign in, whatever was tried in the name of this person before."""
    await web.staff.store.users.unlock(name, web.staff.by("root2"))
    web.staff.clock.move(600)
    return await signed_in(web, name)


async def populated(staff: Staff) -> Web:
    for name, role, firm in (
        ("root1", Role.EXCHANGE_ADMIN, ""), ("root2", Role.EXCHANGE_ADMIN, ""), ("acme1", Role.DELEGATED_ADMIN, "ACME"),
        ("tom", Role.USER, "ACME"), ("zoe", Role.USER, "ZEN"),
    ):  # fmt: skip
        await staff.hire(name, role, firm)
    return Web.over(staff)


@pytest.fixture(params=["sqlite", "postgresql"])
def runner_and_web(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[asyncio.Runner, Web]]:
    passwords = Passwords(time_cost=1, memory_cost=64, workers=2)
    with asyncio.Runner() as runner:
        place = database(request.param, tmp_path / "gateway.db")
        here = runner.run(place.__aenter__())
        try:
            web = runner.run(populated(Staff.make(runner.run(here.open()), passwords)))
            yield runner, web
            assert not web.errors
        finally:
            runner.run(place.__aexit__(None, None, None))
            passwords.close()


async def known(web: Web, client: Program, name: str) -> dict[str, list[str]]:
    """What there is, so that not everything that is asked for is unheard of."""
    staff = web.staff
    devices = [one.id for one in await staff.store.devices.devices(name)]
    root = await signed_in(web, "root2")
    asked = await root.post("/requests", {"act": "reset_password", "user": "zoe", "why": "lost it"})
    await root.post("/groups", {"name": "algos", "routes": ["engine"]})
    sent = await client.post("/imports", {"form": "csv", "data": "dXNlcgpuaW5hCg=="})
    tried = {"user": "zoe", "password": PASSWORD, "code": staff.code("zoe").reveal().decode()}
    for _ in range(2):
        await program(web, "192.0.2.99").post("/tokens", tried)
    alerts = (await root.get("/alerts")).json()["alerts"]
    return {
        "name": ["tom", "zoe", "algos", "root1"], "device": devices, "request": [asked.json()["id"]],
        "file": [sent.json().get("id", "none")], "alert": [one["id"] for one in alerts], "key": ["conflict"],
    }  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.req("TW-8")
@pytest.mark.parametrize("name", ["tom", "root1"], ids=["user", "exchange administrator"])
def test_every_operation_answers_as_described(runner_and_web, name: str):
    runner, web = runner_and_web
    client = runner.run(signed_in(web, name))
    rig = Rig(runner, web, name, client, runner.run(known(web, client, name)))
    said = runner.run(client.get("/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(said)
    schema.config.generation.with_security_parameters = False  # the token is the rig's: other tests are about it
    seen = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.NEGATIVE and not (operation.body or operation.query or operation.path_parameters):
                continue
            conforms(rig, operation, mode)
            seen += 1
    assert seen > len(said["paths"])


def conforms(rig: Rig, operation, mode: GenerationMode) -> None:
    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def one(case, data) -> None:
        if mode is GenerationMode.POSITIVE:
            for name in sorted(set(case.path_parameters or ()) & set(rig.found)):
                case.path_parameters[name] = data.draw(st.sampled_from(rig.found[name] or ["none"]))
            if isinstance(case.body, dict) and "password" in case.body and data.draw(st.booleans()):
                case.body["password"] = PASSWORD
        sent = requests.Request(**case.as_transport_kwargs(base_url=SITE.url + ROOT)).prepare()
        case.validate_response(rig.send(sent), checks=CHECKS)

    rig.runner.run(rig.web.staff.store.users.unlock(rig.name, rig.web.staff.by("root2")))
    one()
