"""What `gateway serve` tells: real logins, a real mail server that is away and comes back, a killed gateway, a real hook."""

import base64
import hashlib
import json
from pathlib import Path

import pyotp
import pytest

from tests.blackbox.fix_bytes import Field
from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.mail_server import Mailbox, Receiver
from tests.blackbox.ports import free_port
from tests.blackbox.toy_peers import CountingEngine, ToyFixInitiator
from tests.blackbox.toy_session import ToySession

PASSWORD = "Canary-pAssword-81-zebra"
WRONG = "Wrong-cAnary-44-walrus"
HOOK_SECRET = "hook-canary-0123456789abcdef0123456789"
OPS = "ops@example.com"
CONFIG = """
profile = "default"
[store]
url = "sqlite:///{folder}/gateway.db"
[argon2]
time_cost = 1
memory_cost = 8192
[[listener]]
name = "in"
address = "127.0.0.1:{port}"
plain = true
[[route]]
name = "out"
upstream = ["127.0.0.1:ENGINE"]
plain = true
[policy]
refusal_floor = "50 ms"
[policy.totp]
reuse = "REUSE"
[policy.lockout]
threshold = 4
[portal]
url = "https://portal.example"
[log]
level = "debug"
[admin]
address = "{admin}"
[notify]
operations = ["ops@example.com"]
[notify.mail]
server = "127.0.0.1:MAIL"
tls = "plain"
sender = "Gateway <gateway@example.com>"
"""
HOOK = """
[[notify.webhook]]
name = "siem"
url = "http://127.0.0.1:HOOK/events"
secret = "SECRET"
"""


def configured(engine: CountingEngine, mail: int, *, reuse: str = "within_step", hook: int = 0) -> str:
    text = CONFIG + (HOOK.replace("HOOK", str(hook)).replace("SECRET", HOOK_SECRET) if hook else "")
    for name, value in (("ENGINE", engine.port), ("MAIL", mail), ("REUSE", reuse)):
        text = text.replace(name, str(value))
    return text


class Trader:
    """Tom, who has a mail address and an authenticator, and logs in as often as he is asked to."""

    def __init__(self, gateway: GatewayProcess, name: str = "tom") -> None:
        self.gateway = gateway
        self.name = name
        self.secret = ""

    async def settle(self) -> "Trader":
        run, name = self.gateway.run, self.name
        mail = ("--email", f"{name}@example.com")
        await run("user", "add", name, "--comp-id", "ALGO", *mail, "--password-stdin", stdin=PASSWORD + "\n")
        made = json.loads(await run("totp", "enroll", name, "--digits", "8", "--confirmed", "--json"))
        self.secret = made["secret"]
        return self

    def code(self) -> str:
        return pyotp.TOTP(self.secret, digits=8).now()

    def fields(self, password: str = PASSWORD, code: str = "") -> list[Field]:
        return [(553, self.name), (554, password), (20030, code or self.code())]

    async def login(self, fields: list[Field] | None = None) -> str:
        async with ToyFixInitiator(self.gateway.port, ToySession("ALGO", "EXCHANGE")) as client:
            return await client.logon(fields or self.fields(), reset=True)

    async def logins(self, times: int) -> None:
        """Log in so often; a code that went stale on its way is replaced by the next one."""
        done = 0
        for _ in range(4 * times):
            done += await self.login() == "A"
            if done == times:
                return
        raise AssertionError(f"{done} of {times} logins\n{self.gateway.report()}")


@pytest.mark.req("SF-11")
async def test_with_the_mail_server_away_logins_go_on_and_then_each_one_is_told_once(floor: Floor):
    mail = Mailbox()
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine:
        gateway = await floor.gateway(configured(engine, mail.port))
        tom = await Trader(gateway).settle()
        await tom.logins(10)
        await gateway.until(event="channel_away", channel="mail")
        await gateway.restart(crash=True)  # nothing of what waits is lost with the process
        await tom.logins(10)
        waiting = json.loads(await gateway.run("notify", "list", "--json"))
        async with mail:
            told = await mail.until(20, to="tom@example.com", subject="Login of tom")
            await gateway.until_recorded("login.admitted", 20)

        assert len({one["Message-ID"] for one in told}) == len(told) == 20
        assert sum("login.admitted" in one["tag"] for one in waiting) >= 10
        assert "gateway_outbox_waiting" in await gateway.page("/metrics")
        assert 'gateway_notices_total{channel="mail",outcome="sent"}' in await gateway.page("/metrics")


@pytest.mark.req("SF-11")
async def test_several_workers_tell_each_login_once(floor: Floor):
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine, Mailbox() as mail:
        gateway = await floor.gateway(configured(engine, mail.port), "--workers", "2")
        tom = await Trader(gateway).settle()
        await tom.logins(12)
        await mail.until(12, subject="Login of tom")
        waiting = [line for line in (await gateway.page("/metrics")).splitlines() if "gateway_outbox_waiting{" in line]
        assert len(waiting) <= 1  # every worker sees the same outbox: it is not added up
        await gateway.terminate()

        logins = [one for one in mail.mails if "Login of tom" in one["Subject"]]
        assert len({one["Message-ID"] for one in logins}) == len(logins) == 12


@pytest.mark.req("BY-8", "CQ-6")
async def test_a_replayed_code_a_lock_and_an_enrolment_are_told_by_mail_and_hook(floor: Floor):
    async with (
        CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine,
        Mailbox() as mail,
        Receiver(answers=["503 Later", "200 OK"]) as hook,
    ):
        gateway = await floor.gateway(configured(engine, mail.port, reuse="never", hook=hook.port))
        tom = await Trader(gateway).settle()
        used = tom.fields()
        assert await tom.login(used) == "A"
        assert await tom.login(used) != "A"
        for number in range(4):
            await tom.login(tom.fields(code=f"0000000{number}"))
        await mail.until(1, to="tom@example.com", subject="came again")
        await mail.until(1, to=OPS, subject="came again")
        await mail.until(1, to="tom@example.com", subject="is locked")
        await mail.until(1, to="tom@example.com", subject="new authenticator")
        await gateway.run("user", "unlock", "tom", "--proof", "called back")
        await mail.until(1, to="tom@example.com", subject="is unlocked")
        await hook.until_event("account.unlocked")
        events = {post.data["event"] for post in hook.posts}

    assert {"login.admitted", "code.replayed", "account.locked", "authenticator.added", "account.unlocked"} <= events
    assert OPS not in {str(one["To"]) for one in mail.mails if "is locked" in one["Subject"]}
    assert hook.posts[0].data["id"] in {post.data["id"] for post in hook.posts[1:]}  # what was declined came again


@pytest.mark.req("CQ-5", "TW-9", "TW-10", "TW-11")
async def test_a_links_letter_arrives_and_its_token_stands_nowhere_else(floor: Floor):
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine, Mailbox() as mail:
        gateway = await floor.gateway(configured(engine, mail.port))
        initial = ("--email", "new@example.com", "--must-change", "--password-stdin")
        await gateway.run("user", "add", "new", *initial, stdin=PASSWORD + "\n")
        printed = json.loads(await gateway.run("link", "setup", "new", "--json"))["url"]
        (letter,) = await mail.until(1, to="new@example.com", subject="Set up your account")

        assert printed in letter.get_content()
        token = printed.rpartition("/")[2]
        opened = json.loads(await gateway.run("link", "open", "--stdin", "--json", stdin=token + "\n"))
        assert opened["user"] == "new"
        listed = await gateway.run("notify", "list", "--json")
        await gateway.terminate()

        places = {**written(gateway), "list": listed.encode(), "log": said(gateway)}
        forms = spellings(token)
        assert [where for where, content in places.items() for form in forms if form in content] == []


@pytest.mark.req("HK-2", "SF-1")
async def test_a_code_by_text_message_opens_a_session_once_and_no_other_hook_sees_it(floor: Floor):
    async with (
        CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine,
        Receiver() as siem,
        Receiver() as sms,
    ):
        config = configured(engine, free_port(), hook=siem.port)
        config += (
            HOOK.replace("HOOK", str(sms.port)).replace("SECRET", HOOK_SECRET).replace("siem", "sms") + "sms = true\n"
        )
        gateway = await floor.gateway(config)
        how = ("--comp-id", "ALGO", "--phone", "+886900000000", "--channel", "sms", "--password-stdin")
        await gateway.run("user", "add", "tom", *how, stdin=PASSWORD + "\n")
        await gateway.run("my", "code", "tom", "--stdin", stdin=PASSWORD + "\n")
        message = (await sms.until_event("sms")).data
        code = message["text"][:6]
        tom = Trader(gateway)
        assert await tom.login(tom.fields(code=code)) == "A"
        assert await tom.login(tom.fields(code=code)) != "A"
        await siem.until_event("login.admitted")
        await gateway.terminate()

    assert message["to"] == "+886900000000"
    assert "Never pass it on" in message["text"]
    assert {post.data["event"] for post in sms.posts} == {"sms"}
    assert not any(code.encode() in post.body for post in siem.posts)
    assert code.encode() not in said(gateway)


@pytest.mark.req("TW-10")
async def test_no_password_code_or_key_is_in_any_mail_hook_or_log(floor: Floor):
    async with (
        CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine,
        Mailbox() as mail,
        Receiver() as hook,
    ):
        gateway = await floor.gateway(configured(engine, mail.port, reuse="never", hook=hook.port))
        tom = await Trader(gateway).settle()
        odd = ("odd\r\nBcc: eve@example.com", "--email", "odd@example.com", "--password-stdin")
        await gateway.run("user", "add", *odd, stdin=PASSWORD + "\n")
        await gateway.run("user", "unlock", odd[0], "--proof", "called\r\nback")
        used = tom.code()
        assert await tom.login(tom.fields(code=used)) == "A"
        await tom.login(tom.fields(code=used))
        for number in range(4):
            await tom.login(tom.fields(WRONG, f"7351926{number}"))
        await mail.until(1, subject="is locked")
        await mail.until(1, to="odd@example.com", subject="odd  Bcc: eve@example.com is unlocked")
        await hook.until_event("account.locked")
        await gateway.terminate()

    places = {
        **written(gateway),
        "log": said(gateway),
        "mails": b"".join(mail.raw) + b"".join(one.get_content().encode() for one in mail.mails),
        "posts": b"".join(post.body + json.dumps(post.headers).encode() for post in hook.posts),
    }
    key = base64.b32decode(tom.secret + "=" * (-len(tom.secret) % 8))
    canaries = spellings(PASSWORD) | spellings(WRONG) | spellings(used) | spellings("73519260") | spellings(tom.secret)
    canaries |= {key, key.hex().encode(), HOOK_SECRET.encode()}
    found = [
        where for where, content in places.items() if where != "gateway.toml" for one in canaries if one in content
    ]
    assert found == []
    assert all(one["Bcc"] is None for one in mail.mails)
    assert "eve@example.com" not in {to for _, to in mail.envelopes}


async def test_the_command_line_tries_every_channel_and_says_what_happened(floor: Floor):
    async with CountingEngine(ToySession("EXCHANGE", "ALGO")) as engine, Mailbox() as mail, Receiver() as hook:
        gateway = await floor.gateway(configured(engine, mail.port, hook=hook.port))
        gateway.config_file.chmod(0o600)  # there is a secret in it
        found = json.loads(await gateway.run("notify", "test", "--to", "me@example.com", "--json"))
        assert found == [
            {"channel": "mail", "sent": True, "error": ""}, {"channel": "hook:siem", "sent": True, "error": ""},
        ]  # fmt: skip
        assert [one["To"] for one in mail.mails] == ["me@example.com"]
        assert [post.data["event"] for post in hook.posts] == ["test"]

        hook.answers = ["500 Oh"]
        with pytest.raises(AssertionError, match="HTTP 500"):
            await gateway.run("notify", "test")
        findings = json.loads(await gateway.run("doctor", "--json"))["findings"]
        assert [one["state"] for one in findings if one["subject"] == "mail"] == ["ok"]


def written(gateway: GatewayProcess) -> dict[str, bytes]:
    """Everything the gateway left in its folder."""
    files = [path for path in Path(gateway.folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(gateway.folder)): path.read_bytes() for path in files}


def said(gateway: GatewayProcess) -> bytes:
    return json.dumps(gateway.lines).encode() + "".join(gateway.stderr).encode()


def spellings(secret: str) -> set[bytes]:
    raw = secret.encode()
    return {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(), hashlib.sha256(raw).hexdigest().encode()}
