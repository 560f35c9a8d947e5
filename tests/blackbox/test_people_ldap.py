"""Passwords that a directory checks (M7-18): through a gateway, and the gateway's own line to a real slapd."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.auth.directory import Directory, DirectoryAway, DirectorySpec, Search, escaped
from gateway.cli.checkup import passwords as checkup
from gateway.core.secret import Secret
from gateway.policy.snapshot import User
from gateway.settings.model import Settings
from tests.blackbox.directory import BASE, IN_DIRECTORY, PEOPLE, SERVICE, SERVICE_PASSWORD, Slapd, passwords
from tests.blackbox.fix_peers import Guarded, credentials, guarded, toy
from tests.blackbox.gated import SAME_CODE_AGAIN
from tests.blackbox.net_certificates import Authority
from tests.blackbox.people import PASSWORD, People
from tests.blackbox.ports import free_port
from tests.blackbox.relay import Wire

ODD = ("o'neil, j+r", "#hash", " led", "a*b", "(c)", "back\\slash", "x=y", "Зоя")
NO_BACKOFF = SAME_CODE_AGAIN + 'lockout.backoff_base = 0\nlockout.counts = ["password", "code"]\n'


@pytest.fixture
def slapd(tmp_path: Path) -> Iterator[Slapd]:
    """A directory that runs."""
    directory = Slapd(tmp_path / "directory", ("trader", "quick", "other", *ODD))
    directory.start()
    yield directory
    directory.stop()


class Trader:
    """The trader's algorithm, whose FIX session goes on over all its logins."""

    def __init__(self, place: Guarded) -> None:
        self._place = place
        self._client = toy(place.gateway.port, place.people.trader)

    async def logs_in(self, password: str) -> str:
        """Log in and out again; returns "A", or why not."""
        mark = len(self._place.gateway.lines)
        async with self._client as client:
            if await client.logon(credentials(self._place.people.trader, password=password)) == "A":
                await client.logout()
                await self._place.gateway.until(event="session_ended", after=mark)
                return "A"
        return str((await self._place.gateway.until(event="login", after=mark))["reason"])


# ── through a gateway ──


@pytest.mark.req("M7-18")
@pytest.mark.parametrize("search", [False, True], ids=["template", "search"])
@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
async def test_the_directory_alone_says_whose_password_is_right(
    slapd: Slapd, people: People, tmp_path: Path, scheme: str, search: bool
) -> None:
    more = passwords(slapd.url(scheme), ca=slapd.ca, search=search)
    async with guarded(tmp_path / "gateway", people, policy=NO_BACKOFF, more=more) as place:
        trader = Trader(place)
        assert await trader.logs_in(PASSWORD) == "bad_password"
        assert await trader.logs_in(IN_DIRECTORY) == "A"

        assert IN_DIRECTORY not in str(place.gateway.lines) + "".join(place.gateway.stderr)


@pytest.mark.req("M7-18", "M7-11")
async def test_a_password_that_the_directory_refuses_counts_as_ever(
    slapd: Slapd, people: People, tmp_path: Path
) -> None:
    policy = NO_BACKOFF + "lockout.threshold = 2\n"
    more = passwords(slapd.url(), ca=slapd.ca)
    async with guarded(tmp_path / "gateway", people, policy=policy, more=more) as place:
        trader = Trader(place)
        said = [await trader.logs_in(password) for password in ("wrong 1", "wrong 1", "wrong 2", IN_DIRECTORY)]

    assert said == ["bad_password", "repeated", "bad_password", "locked"]


@pytest.mark.req("M7-18")
async def test_while_the_directory_is_away_nobody_gets_in_and_nobody_is_charged(
    slapd: Slapd, people: People, tmp_path: Path
) -> None:
    policy = NO_BACKOFF + "lockout.threshold = 2\n"
    more = passwords(slapd.url(), ca=slapd.ca)
    async with guarded(tmp_path / "gateway", people, policy=policy, more=more) as place:
        trader = Trader(place)
        assert await trader.logs_in(IN_DIRECTORY) == "A"
        slapd.stop()
        assert [await trader.logs_in(password) for password in ("x", "y", IN_DIRECTORY)] == ["unavailable"] * 3
        slapd.start()
        assert await trader.logs_in(IN_DIRECTORY) == "A"

        away = await place.gateway.until(event="failed", error="DirectoryAway")
        assert away["detail"] == f"{slapd.url()}: Connection refused"


@pytest.mark.req("M7-18")
async def test_a_login_that_waits_for_the_directory_keeps_nobody_else_waiting(people: People, tmp_path: Path) -> None:
    ca = Authority(tmp_path).ca
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, nobody answers
        more = passwords(f"ldaps://127.0.0.1:{silent.getsockname()[1]}", ca=ca, more='timeout = "60 s"')
        async with guarded(tmp_path / "gateway", people, policy=NO_BACKOFF, more=more) as place:
            waiting = asyncio.ensure_future(Trader(place).logs_in(IN_DIRECTORY))
            taken, _ = await asyncio.to_thread(silent.accept)  # it is being asked
            with taken:
                assert await place.gateway.get("/readyz") == 200
                async with toy(place.gateway.port, people.other) as stranger:
                    await stranger.connect()
                    await stranger.send(b"GET / HTTP/1.1\r\n")
                    await stranger.until(lambda: stranger.closed)
                assert not waiting.done()
            assert await waiting == "unavailable"


@pytest.mark.req("M7-18", "M7-14")
async def test_how_old_a_password_may_be_is_the_directorys_affair(slapd: Slapd, people: People, tmp_path: Path) -> None:
    policy = SAME_CODE_AGAIN + 'password.max_age = "1 s"\n'
    async with guarded(tmp_path / "gateway", people, policy=policy, more=passwords(slapd.url(), ca=slapd.ca)) as place:
        trader = Trader(place)
        assert await trader.logs_in(IN_DIRECTORY) == "A"


# ── the doctor ──


def checked(*servers: str, ca: Path, **search: str) -> list[tuple[str, str]]:
    """Return what the doctor finds: state and words."""
    way = {"search": {"base": BASE, "bind_dn": SERVICE, **search}} if search else {"user_dn": f"uid={{user}},{PEOPLE}"}
    ldap = {"servers": servers, "ca": ca, "timeout": 20.0, **way}
    found = Settings.model_validate({"passwords": {"backend": "ldap", "ldap": ldap}})
    return [(one.state.value, one.found) for one in checkup.directories(found)]


@pytest.mark.req("M7-18")
def test_the_doctor_asks_each_directory(slapd: Slapd, tmp_path: Path) -> None:
    nowhere = f"ldaps://127.0.0.1:{free_port()}"
    good = [("ok", f"{slapd.url()} answers with TLS, its certificate holds")]

    assert checked(slapd.url(), ca=slapd.ca) == good
    assert checked(nowhere, slapd.url(), ca=slapd.ca) == [("warning", f"{nowhere}: Connection refused"), *good]
    assert checked(nowhere, ca=slapd.ca) == [("failed", f"{nowhere}: Connection refused")]
    assert checked(slapd.url("ldap"), ca=slapd.ca, password=SERVICE_PASSWORD)[0][0] == "ok"
    assert "is refused" in checked(slapd.url(), ca=slapd.ca, password="wrong")[0][1]
    assert "certificate verify failed" in checked(slapd.url(), ca=Authority(tmp_path).ca)[0][1]


# ── the line itself ──

Connect = Callable[..., Directory]


@asynccontextmanager
async def directory(
    *servers: str, ca: Path, user: str | Search = f"uid={{user}},{PEOPLE}", within: float = 20.0, connections: int = 4
) -> AsyncIterator[Directory]:
    opened = Directory(DirectorySpec(servers, ca, user, within, connections))
    yield opened
    opened.close()


def named(name: str) -> User:
    return User("1", name)


RIGHT = Secret(IN_DIRECTORY)
SEARCH = Search(BASE, "(uid={user})", SERVICE, Secret(SERVICE_PASSWORD))


@pytest.mark.req("M7-18")
@pytest.mark.parametrize("way", [f"uid={{user}},{PEOPLE}", SEARCH], ids=["template", "search"])
async def test_a_name_is_a_value_and_nothing_else(slapd: Slapd, way: str | Search) -> None:
    async with directory(slapd.url(), ca=slapd.ca, user=way) as found:
        assert [name for name in ODD if not await found.check(named(name), RIGHT)] == []
        for name in ("*", "trad*", "trader)(uid=*", "trader,ou=people", "trader+cn=trader", "trader\0", "a\\2ab"):
            assert not await found.check(named(name), RIGHT), name


@pytest.mark.parametrize("name", ["trader", "o'neil, j+r", "Зоя", "\udcff", "\0", ""])
def test_an_escaped_name_holds_no_sign_that_means_anything(name: str) -> None:
    assert not set('*()\0,+"<>;=# ') & set(escaped(name))


@pytest.mark.req("M7-18")
@pytest.mark.parametrize(
    "password", [b"", b"\0", b"\0rest", b"x" * 1025], ids=["empty", "NUL", "NUL first", "too long"]
)
async def test_a_password_that_would_be_an_anonymous_bind_is_never_sent(slapd: Slapd, password: bytes) -> None:
    """This directory answers such a bind with success."""
    async with directory(slapd.url(), ca=slapd.ca) as found:
        assert not await found.check(named("trader"), Secret(password))
    assert "BIND" not in slapd.log()


@pytest.mark.req("M7-18", "SF-16")
async def test_a_directory_with_a_strangers_certificate_is_not_asked(slapd: Slapd, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    async with directory(slapd.url(), slapd.url("ldap"), ca=Authority(stranger).ca) as found:
        with pytest.raises(DirectoryAway, match=r"certificate verify failed; .*certificate verify failed"):
            await found.check(named("trader"), RIGHT)
    assert "BIND" not in slapd.log()


@pytest.mark.req("M7-18", "SF-16")
async def test_a_directory_under_another_name_is_not_asked(slapd: Slapd) -> None:
    """Its certificate is good, for localhost and 127.0.0.1."""
    async with directory(slapd.url().replace("127.0.0.1", "127.0.0.2"), ca=slapd.ca) as found:
        with pytest.raises(DirectoryAway, match="certificate verify failed"):
            await found.check(named("trader"), RIGHT)
    assert "BIND" not in slapd.log()


@pytest.mark.req("M7-18", "TW-4")
async def test_where_starttls_is_refused_no_password_is_sent(tmp_path: Path) -> None:
    plain = Slapd(tmp_path / "plain", ("trader",), tls=False)
    plain.start()
    try:
        async with Wire(plain.ldap) as wire:
            async with directory(f"ldap://127.0.0.1:{wire.port}", ca=plain.ca) as found:
                with pytest.raises(DirectoryAway):
                    await found.check(named("trader"), RIGHT)
            assert IN_DIRECTORY.encode() not in wire.forth.seen
            assert wire.forth.seen
    finally:
        plain.stop()


@pytest.mark.req("M7-18")
async def test_one_that_hangs_leaves_time_for_the_next(slapd: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts, nobody answers
        hung = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        async with directory(hung, slapd.url(), ca=slapd.ca, within=4.0) as found:
            assert await found.check(named("trader"), RIGHT)
            assert not await found.check(named("trader"), Secret("wrong"))


async def test_one_that_hangs_alone_is_away(slapd: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hung = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        async with directory(hung, ca=slapd.ca, within=1.0) as found:
            with pytest.raises(DirectoryAway):
                await found.check(named("trader"), RIGHT)


@pytest.mark.req("M7-18")
async def test_a_connection_that_broke_while_unused_is_opened_anew(slapd: Slapd) -> None:
    async with Wire(slapd.ldaps) as wire, directory(f"ldaps://127.0.0.1:{wire.port}", ca=slapd.ca) as found:
        assert await found.check(named("trader"), RIGHT)
        assert await found.check(named("trader"), RIGHT)
        assert wire.connections == 1
        wire.cut()
        assert await found.check(named("trader"), RIGHT)
        assert not await found.check(named("trader"), Secret("wrong"))
        assert wire.connections == 2


async def test_a_crowd_shares_a_few_connections_and_everybody_gets_the_own_answer(slapd: Slapd) -> None:
    async with Wire(slapd.ldaps) as wire:
        async with directory(f"ldaps://127.0.0.1:{wire.port}", ca=slapd.ca, connections=2) as found:
            asked = [(name, word) for name in ("trader", "quick", "other") for word in ("wrong", IN_DIRECTORY)] * 5
            said = await asyncio.gather(*(found.check(named(name), Secret(word)) for name, word in asked))
        assert said == [word == IN_DIRECTORY for _, word in asked]
        assert wire.connections <= 2


@pytest.mark.req("M7-18")
async def test_a_service_account_that_is_refused_is_the_operators_fault_not_the_users(slapd: Slapd) -> None:
    wrong = Search(BASE, "(uid={user})", SERVICE, Secret("wrong"))
    async with directory(slapd.url(), ca=slapd.ca, user=wrong) as found:
        with pytest.raises(DirectoryAway, match="bind_dn is refused"):
            await found.check(named("trader"), RIGHT)


async def test_a_search_that_finds_two_is_nobodys_login(slapd: Slapd) -> None:
    vague = Search(BASE, "(|(uid={user})(uid=quick))", SERVICE, Secret(SERVICE_PASSWORD))
    async with directory(slapd.url(), ca=slapd.ca, user=vague) as found:
        assert await found.check(named("quick"), RIGHT)
        with pytest.raises(DirectoryAway, match="more than one entry"):
            await found.check(named("trader"), RIGHT)


@pytest.mark.req("TW-10")
async def test_no_password_is_in_what_is_said_of_a_failure_nor_kept_in_the_line(slapd: Slapd) -> None:
    async with directory(slapd.url(), ca=slapd.ca, user=SEARCH) as found:
        assert await found.check(named("trader"), RIGHT)
        line = found._spares[0].line
        kept = f"{vars(line._connection)} {line._connection!r} {line._connection.server!r} {found._spec!r}"
        assert IN_DIRECTORY not in kept
        assert SERVICE_PASSWORD not in kept
