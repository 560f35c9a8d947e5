"""The simulated exchange's books: what it answers and counts, whatever carries the messages."""

from typing import Any

import pytest

from simulators import m7_messages as m7
from simulators.m7_backend import Backend, Reply, Request


def request(body: bytes, *, user: str = "alice", user_id: str = "", encoding: str = "") -> Request:
    return Request(user, user_id or user, m7.INQUIRY, encoding, body)


def backend() -> tuple[Backend, list[tuple[str, dict[str, Any]]]]:
    told: list[tuple[str, dict[str, Any]]] = []
    return Backend(lambda name, **fields: told.append((name, fields))), told


def said(reply: Reply) -> m7.Message:
    assert reply.answer is not None
    return m7.read(reply.answer, "")


def test_a_login_opens_a_session_and_its_answer_fits_the_schema() -> None:
    exchange, _ = backend()

    reply = exchange.take(request(m7.login_request("alice", None, force=None)))

    assert reply.answer is not None
    assert m7.schema_problem(reply.answer, "") == ""
    assert said(reply).value("sessionId") == exchange.account("alice").session != ""


def test_a_logout_ends_only_the_session_that_it_names() -> None:
    exchange, _ = backend()
    first = said(exchange.take(request(m7.login_request("alice", None, force=True)))).value("sessionId")
    second = said(exchange.take(request(m7.login_request("alice", None, force=True)))).value("sessionId")

    stale = exchange.take(request(m7.logout_request(first)))
    right = exchange.take(request(m7.logout_request(second)))

    assert (said(stale).name, said(right).name) == ("ErrResp", "AckResp")
    assert exchange.account("alice").logouts == 2


@pytest.mark.parametrize(
    ("login", "user", "user_id"),
    [("bob", "alice", "alice"), ("alice", "alice", "bob"), ("alice", "bob", "alice")],
    ids=["named", "vouched for", "published as"],
)
def test_a_login_for_somebody_else_is_refused(login: str, user: str, user_id: str) -> None:
    exchange, _ = backend()

    reply = exchange.take(request(m7.login_request(login, None, force=True), user=user, user_id=user_id))

    assert said(reply).name == "ErrResp"
    assert exchange.account(user).session == ""


def test_a_code_is_counted_wherever_it_hides_and_never_told() -> None:
    exchange, told = backend()
    hidden = f'<OrdrEntry xmlns="{m7.NAMESPACE}"><Ordr clOrdrId="1" {m7.CODE}="123456"/></OrdrEntry>'.encode()

    exchange.take(request(m7.login_request("alice", "123456", force=None)))
    exchange.take(request(hidden))

    assert exchange.account("alice").codes == 2
    assert "123456" not in str(told)


def test_orders_without_a_session_are_kept_apart() -> None:
    exchange, _ = backend()

    exchange.take(request(m7.order_entry(["early"])))
    exchange.take(request(m7.login_request("alice", None, force=None)))
    reply = exchange.take(request(m7.order_entry(["one", "two"])))

    account = exchange.account("alice")
    assert (account.early, account.orders) == (["early"], ["one", "two"])
    assert [m7.read(body, "").each("OrdrExe")[0]["clOrdrId"] for body in reply.broadcasts] == ["one", "two"]


@pytest.mark.parametrize("body", [b"", b"SYSTEM_ALIVE", b"<LoginReq user='alice'/>", b"\xff\xfe", b"<a"])
def test_what_is_no_message_is_counted_and_answered(body: bytes) -> None:
    exchange, _ = backend()

    assert said(exchange.take(request(body))).name == "ErrResp"
    assert exchange.account("alice").unreadable == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", ""])
def test_packed_bodies_are_read(encoding: str) -> None:
    body = m7.packed(m7.login_request("alice", None, force=False), encoding)

    assert m7.read(body, encoding).shown() == {"user": "alice", "disconnectAction": "NO", "force": "false"}


def test_a_body_that_is_not_packed_as_it_says_is_no_message() -> None:
    exchange, _ = backend()

    exchange.take(request(b"not gzip", encoding="gzip"))

    assert exchange.account("alice").unreadable == 1


def test_silence_is_kept_but_the_books_are_too() -> None:
    exchange, _ = backend()
    exchange.behaviour.silent = True

    assert exchange.take(request(m7.login_request("alice", None, force=None))) == Reply()
    assert exchange.account("alice").logins == 1
