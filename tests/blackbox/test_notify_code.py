"""HKEX's other way to a code: asked for with the password, brought by a real mail server, and good for one login over QuickFIX."""

import re

import pytest

from tests.blackbox.floor import Floor
from tests.blackbox.gated import config
from tests.blackbox.ledger import closed
from tests.blackbox.mail_server import Mailbox

PASSWORD = "correct-Horse-7-battery"
MAIL = """
[notify.mail]
server = "127.0.0.1:{port}"
tls = "plain"
sender = "Gateway <gateway@example.com>"
"""


@pytest.mark.req("HK-2", "SF-1")
async def test_a_code_that_came_by_mail_logs_on_over_quickfix_once(floor: Floor) -> None:
    async with Mailbox() as mail:
        engine = await floor.engine()
        more = MAIL.format(port=mail.port)
        gateway = await floor.gateway(config(engine.port, profile="hkex", policy="", more=more))
        how = ("--comp-id", "ALGO", "--email", "tom@example.com", "--channel", "email", "--password-stdin")
        await gateway.run("user", "add", "tom", *how, stdin=PASSWORD + "\n")
        asked = await gateway.run("my", "code", "tom", "--stdin", stdin=PASSWORD + "\n")
        (letter,) = await mail.until(1, to="tom@example.com", subject="one-time code")
        code = re.search(r"^\d{6}\b", letter.get_content())[0]

        algo = await floor.algo(gateway.port, user="tom", password=PASSWORD, wait=True)
        await algo.code(code)
        await algo.logon()
        await algo.order("first")
        await algo.until("report", exec_type="F")
        await algo.logout()
        await gateway.until_recorded("session.ended", 1)
        await algo.ask("logon")
        await gateway.until(event="login", outcome="refused", reason="replayed_code")
        await gateway.run("my", "code", "tom", "--stdin", stdin=PASSWORD + "\n")
        _, letter = await mail.until(2, to="tom@example.com", subject="one-time code")
        await algo.code(re.search(r"^\d{6}\b", letter.get_content())[0])
        await algo.until("logon")

        assert code not in asked
        assert len(await gateway.logins(2, outcome="admitted")) == 2
        books = await closed(algo, engine)
        assert books.in_order
