"""The AMQP story, told line by line: API applications log in to M7 through the gateway.

Each step is ticked only after it was seen to happen: at the application, at the exchange, or in the gateway's own log.
"""

import json
from collections.abc import Callable

from simulators.m7_stage import IDLE, USER, VHOST, Market
from simulators.stage import PASSWORD, expect, expect_reason, wait
from simulators.steer import Process


def direct(market: Market) -> None:
    """Whoever reaches the broker without the gateway gets nowhere, right password or not."""
    broker = market.broker
    where = ["--port", str(broker.amqps), "--vhost", VHOST, "--user", USER, "--ca", broker.ca]
    secret = ["--password-file", str(market.folder / "password")]
    arguments = ["simulators.m7_client", "--json", "--library", "pika", *where, *secret]
    with Process("direct", arguments, folder=market.folder) as app:
        told = app.until("answer")
        expect(f"a refusal, got {told}", holds="error" in told)


def good_login(market: Market) -> None:
    """Before the login nothing passes; a right code opens the session, and orders flow."""
    story, app = market.story, market.robust
    with story.step("straight to the broker with the right password, but without the gateway's certificate: no way in"):
        direct(market)
    with story.step("through the gateway the same user and password connect, and declare their queues"):
        app.tell("connect")
    with story.step("an order before the login: ErrResp, and the exchange never saw it"):
        answer = market.order(app, "too-early")
        expect(f"an ErrResp, got {answer}", holds=answer["message"] == "ErrResp")
        expect("no order at the exchange", holds=not market.account()["early"])
        story.note(f"Error err: {answer['text']}")
    with story.step("LoginReq with a fresh authVerificationCode: the exchange's UserRprt came back"):
        answer = market.log_in(app)
        expect(f"a UserRprt, got {answer}", holds=answer["message"] == "UserRprt")
    with story.step("the code was cut out: the exchange saw the LoginReq without authVerificationCode"):
        seen = market.exchange.until("request", lambda event: event["message"] == "LoginReq")
        expect(f"no code, got {seen['attributes']}", holds=not seen["with_code"])
    with story.step("3 orders: 3 AckResp, and 3 OrdrExeRprt on the broadcast queue"):
        trade(market, app, "morning", 3)


def trade(market: Market, app: Process, prefix: str, count: int) -> None:
    """Send orders; each must be acknowledged and executed."""
    for number in range(1, count + 1):
        answer = market.order(app, f"{prefix}-{number}")
        expect(f"an AckResp, got {answer}", holds=answer["message"] == "AckResp")
        app.until("broadcast", lambda event: event["message"] == "OrdrExeRprt")


def dropped(market: Market) -> None:
    """A dropped connection ends the session at the exchange; a library that comes back by itself is not logged in."""
    story, app = market.story, market.robust
    app.forget()
    with story.step("the line drops: the exchange gets a LogoutReq on the user's behalf (M7-10, M7-12)"):
        app.tell("drop")
        closed = market.exchange.until("session-closed")
        expect(f"the session that was open, got {closed}", holds=bool(closed["known"]))
    with story.step("connect_robust is back by itself and orders on: ErrResp, nothing reaches the exchange"):
        app.until("reconnected")
        answer = market.order(app, "after-the-drop")
        expect(f"an ErrResp, got {answer}", holds=answer["message"] == "ErrResp")
        expect("no order without a session", holds=not market.account()["early"])
    with story.step("after a new LoginReq with a code of now orders flow again"):
        expect("a UserRprt", holds=market.log_in(app)["message"] == "UserRprt")
        trade(market, app, "again", 1)


def taken_over(market: Market) -> None:
    """One session for each user, whatever library or protocol: force decides."""
    story, older, newer = market.story, market.robust, market.blocking
    newer.tell("connect")
    with story.step('the same user from pika with force="false": refused, the older session goes on'):
        answer = market.log_in(newer, force="n")
        expect(f"an ErrResp, got {answer}", holds=answer["message"] == "ErrResp")
        expect("an AckResp", holds=market.order(older, "still")["message"] == "AckResp")
    older.forget()
    seen = len(market.exchange.events)
    with story.step('with force="true": admitted, and the exchange saw the older session\'s LogoutReq first'):
        expect("a UserRprt", holds=market.log_in(newer, force="y")["message"] == "UserRprt")
        wait(lambda: "LoginReq" in requests(market, seen), "the LoginReq at the exchange")
        names = requests(market, seen)
        expect(f"LogoutReq, then LoginReq, got {names}", holds=names == ["LogoutReq", "LoginReq"])
    with story.step("the older application was told so: LogoutRprt, then a closed connection"):
        older.until("response", lambda event: event["message"] == "LogoutRprt")
        older.until("closed")
        older.until("reconnected")
        older.tell("close")  # the broadcasts of a user are one queue: each message goes to one consumer
        trade(market, newer, "taken-over", 1)
    with story.step("pika logs out in order: LogoutReq, AckResp; its next order is refused"):
        newer.tell("logout")
        newer.until("response", lambda event: event["message"] == "AckResp")
        expect("an ErrResp", holds=market.order(newer, "after-logout")["message"] == "ErrResp")
    with story.step("the same user logs on over FIX, and a LoginReq with force takes that session over as well"):
        market.algo.tell("logon")
        market.algo.until("logon")
        expect("a UserRprt", holds=market.log_in(newer, force="y")["message"] == "UserRprt")
        market.algo.until("disconnect")
        market.algo.tell("logout")


def requests(market: Market, since: int) -> list[str]:
    """Return what the exchange was asked for since it had told so many events."""
    return [str(event["message"]) for event in market.exchange.events[since:] if event["event"] == "request"]


def wrong_code(market: Market) -> None:
    """A wrong code is answered in the venue's words and counts."""
    story, app = market.story, market.blocking
    app.tell("logout")
    app.until("response", lambda event: event["message"] == "AckResp")
    before = market.account()["logins"]
    with story.step("LoginReq with a wrong code: ErrResp; the connection stays, the exchange saw nothing"):
        answer = market.log_in(app, code="000000")
        expect(f"an ErrResp, got {answer}", holds=answer["message"] == "ErrResp")
        expect("no further LoginReq", holds=market.account()["logins"] == before)
        story.note(f"Error err: {answer['text']}")
    with story.step("operations see the true reason: bad_code"):
        expect_reason(market.gateway, "bad_code")
    with story.step("the next LoginReq on the same connection, with a right code, is admitted"):
        expect("a UserRprt", holds=market.log_in(app)["message"] == "UserRprt")


def idle(market: Market) -> None:
    """Broadcasts are not business of the user's: a silent application is logged out."""
    story, app = market.story, market.robust
    market.blocking.tell("close")
    app.tell("connect")
    with story.step("pika closes in order: that is a logout, too; the other application logs in"):
        wait(lambda: not market.account()["session"], "the logout at the exchange")
        expect("a UserRprt", holds=market.log_in(app)["message"] == "UserRprt")
    app.forget()
    market.exchange.tell("alive", every_ms=500)
    with story.step(f"SYSTEM_ALIVE every half second, but no request for {IDLE} s: LogoutRprt INACTIVITY"):
        app.until("alive")
        report = app.until("response", lambda event: event["message"] == "LogoutRprt", seconds=IDLE + 20)
        expect(f"INACTIVITY, got {report}", holds=report["reason"] == "INACTIVITY")
    with story.step("the exchange was told: LogoutReq, no session left"):
        wait(lambda: not market.account()["session"], "the logout at the exchange")
    market.exchange.tell("alive", every_ms=0)
    with story.step("connect_robust is back, and a new LoginReq opens a session again"):
        app.until("reconnected")
        expect("a UserRprt", holds=market.log_in(app)["message"] == "UserRprt")
    app.tell("logout")
    app.until("response", lambda event: event["message"] == "AckResp")


def lock_out(market: Market) -> None:
    """Too many wrong codes lock the account on both protocols, until operations unlock it."""
    story, app = market.story, market.robust
    with story.step("5 wrong codes in a row: the account is locked (M7-11)"):
        for number in range(1, 6):
            expect("an ErrResp", holds=market.log_in(app, code=f"00000{number}")["message"] == "ErrResp")
        shown = json.loads(market.cli("user", "show", USER, "--json"))
        expect(f"a locked user, got {shown}", holds=bool(shown["locked"]))
    with story.step("locked: even a right code is refused"):
        expect("an ErrResp", holds=market.log_in(app)["message"] == "ErrResp")
        expect_reason(market.gateway, "locked")
    with story.step("and over FIX as well: one account, one policy"):
        seen = len(market.gateway.events)
        market.algo.tell("logon")
        fix_refusal(market, seen)
        market.algo.tell("logout")
    with story.step("operations unlock: gateway user unlock"):
        market.cli("user", "unlock", USER, "--proof", "called back on the registered number")
        expect("a UserRprt", holds=market.log_in(app, force="y")["message"] == "UserRprt")


def fix_refusal(market: Market, seen: int) -> None:
    """Wait until the gateway has refused a login since its log had so many lines, and insist on the lock."""
    wait(lambda: any(event.get("outcome") == "refused" for event in market.gateway.events[seen:]), "a refused Logon")
    expect_reason(market.gateway, "locked")


def record(market: Market) -> None:
    """What stays behind can be checked."""
    story, app = market.story, market.robust
    with story.step("gateway sessions shows the live session; gateway kick ends it"):
        sessions = json.loads(market.cli("sessions", "--json"))
        expect(f"one live session, got {sessions}", holds=len(sessions) == 1)
        trade(market, app, "not-idle", 1)
        app.forget()
        market.cli("kick", sessions[0]["id"])
        app.until("closed")
        wait(lambda: not market.account()["session"], "the logout at the exchange")
    with story.step("gateway audit verify: the hash chain is whole"):
        story.note(market.cli("audit", "verify").strip().splitlines()[-1])
    with story.step("every acknowledged order reached the exchange exactly once, none without a session, never a code"):
        account = market.account()
        acknowledged = [one for each in (market.robust, market.blocking) for one in each.tell("state")["acknowledged"]]
        orders = account["orders"]
        expect(f"orders once, got {orders}", holds=isinstance(orders, list) and sorted(orders) == sorted(acknowledged))
        expect(f"no early order, no code: {account}", holds=not account["early"] and account["codes"] == 0)
        expect("no password in the gateway's log", holds=PASSWORD not in str(market.gateway.events))


CHAPTERS: tuple[tuple[str, Callable[[Market], None]], ...] = (
    ("A good code", good_login),
    ("A dropped connection", dropped),
    ("Another application", taken_over),
    ("A wrong code", wrong_code),
    ("An idle session", idle),
    ("A lock-out", lock_out),
    ("The record", record),
)
