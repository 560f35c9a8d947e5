"""Canary secrets (TW-10): nothing a gateway writes, stores or answers ever shows a password, a code or a key."""

import base64
import hashlib
import json
import time

import pyotp
import pytest

from tests.blackbox.fix_bytes import build, now
from tests.blackbox.toy_peers import CountingEngine, ToyFixInitiator
from tests.blackbox.toy_session import ToySession

CONFIG = """
profile = "default"
[store]
url = "sqlite:///{folder}/gateway.db"
[[listener]]
name = "in"
address = "127.0.0.1:{port}"
plain = true
[[route]]
name = "out"
upstream = ["127.0.0.1:ENGINE"]
plain = true
[policy.totp]
reuse = "within_step"
[log]
level = "debug"
[admin]
address = "{admin}"
"""
PASSWORD = "Canary-pAssword-81-zebra"
WRONG_PASSWORD = "Wrong-cAnary-44-walrus"
WRONG_CODE = "73519264"
DIGITS = 8


def credentials(password: str, code: str):
    return [(553, "carol"), (554, password), (20030, code)]


def spellings(secret: str) -> set[bytes]:
    """The ways in which a secret might be written down."""
    raw = secret.encode()
    return {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), hashlib.sha256(raw).hexdigest().encode()}


def key_spellings(secret: str) -> set[bytes]:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return {secret.encode(), key, key.hex().encode(), base64.b64encode(key).rstrip(b"="), repr(key).encode()}


def written(gateway) -> dict[str, bytes]:
    """Everything the gateway left: its files, but the configuration and the tests' own."""
    return {
        str(path.relative_to(gateway.folder)): path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file()
    }


@pytest.mark.req("TW-10", "TW-11", "CQ-7", "M7-4")
async def test_no_secret_is_found_in_any_log_file_database_audit_metric_or_answer(floor):
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine:
        gateway = await floor.gateway(CONFIG.replace("ENGINE", str(engine.port)))
        await gateway.run("user", "add", "carol", "--comp-id", "ALGO", "--password-stdin", stdin=PASSWORD + "\n")
        enrolled = json.loads(await gateway.run("totp", "enroll", "carol", "--digits", "8", "--confirmed", "--json"))
        secret = enrolled["secret"]
        good = pyotp.TOTP(secret, digits=DIGITS).now()
        client = ToyFixInitiator(gateway.port, ToySession("ALGO", "EXCHANGE"))
        answers = []
        async with client:
            for fields in (
                credentials(PASSWORD, WRONG_CODE),
                credentials(WRONG_PASSWORD, pyotp.TOTP(secret, digits=DIGITS).now()),
                credentials(PASSWORD, pyotp.TOTP(secret, digits=DIGITS).at(time.time() - 300)),
                [*credentials(PASSWORD, WRONG_CODE), (554, PASSWORD)],
            ):
                assert await client.logon(fields) != "A"
                answers.append(bytes(client.raw))
            good = pyotp.TOTP(secret, digits=DIGITS).now()
            assert await client.logon(credentials(PASSWORD, good)) == "A"
            answers.append(bytes(client.raw))
            await client.send(garbled_with(PASSWORD))
            commands = ("user show carol --json", "sessions --json", "user list --json")
            answers += [(await gateway.run(*command.split())).encode() for command in commands]
            answers.append((await gateway.page("/metrics")).encode())
        await gateway.until(event="session_ended")
        await gateway.terminate()

        places = {
            **written(gateway),
            "log": json.dumps(gateway.lines).encode(),
            "stderr": "".join(gateway.stderr).encode(),
            **{f"answer {number}": answer for number, answer in enumerate(answers)},
        }
        canaries = {
            "the password": spellings(PASSWORD),
            "the wrong password": spellings(WRONG_PASSWORD),
            "the wrong code": spellings(WRONG_CODE),
            "the good code": spellings(good),
            "the TOTP key": key_spellings(secret),
        }
        found = [
            (what, where)
            for what, forms in canaries.items()
            for form in forms
            for where, content in places.items()
            if form in content
        ]
        assert found == []
        assert WRONG_CODE.encode() not in engine.received
        assert good.encode() not in engine.received


@pytest.mark.req("TW-10")
async def test_the_search_would_find_a_secret_that_was_written(floor):
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine:
        gateway = await floor.gateway(CONFIG.replace("ENGINE", str(engine.port)))
        await gateway.run("user", "add", PASSWORD, "--comp-id", "ALGO", "--password-stdin", stdin=WRONG_PASSWORD + "\n")
        await gateway.terminate()
        assert any(PASSWORD.encode() in content for content in written(gateway).values())


def garbled_with(password: str) -> bytes:
    """A message with a secret where none belongs, and a checksum that is wrong."""
    fields = [(35, "D"), (49, "ALGO"), (56, "EXCHANGE"), (34, 99), (52, now()), (58, password)]
    return build("FIX.4.4", fields)[:-4] + b"000\x01"
