"""What is said about logins, sessions and contacts: one log line and its metric each, in the words of `Reason`."""

from typing import Any

import structlog

from gateway.core.fault import Told
from gateway.core.login import Admitted, Attempt, Origin
from gateway.core.reason import Reason
from gateway.observe.metrics import Metrics
from gateway.policy.sightings import RaiseAlert

_QUIET = frozenset({Reason.CLIENT_LEFT})
"""Contacts that are every health check's and port scan's: counted, and logged at debug only."""


class Journal:
    """One method per event; also the Observer of `gateway.auth`. Never raises, never blocks, never sees a secret."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics()
        self._log: Any = structlog.get_logger()

    # ── logins ──

    def decided(self, attempt: Attempt, reason: Reason | None, took: float, drift: int | None) -> None:
        """Say how a login was judged (None: admitted), `took` seconds after its bytes arrived, its code `drift` steps off."""
        login, outcome = attempt.login, "refused" if reason else "admitted"
        key = reason.key if reason else outcome
        self.metrics.add("gateway_logins_total", outcome, key)
        self.metrics.observe("gateway_verify_seconds", value=took)
        self._log.info(
            "login", outcome=outcome, reason=key, user=login.user, process=login.process, target=login.target,
            version=login.version, protocol=login.protocol, route=attempt.route, seconds=round(took, 4),
            **_contact(attempt.origin), **_if(meaning=reason.meaning if reason else "", drift=drift),
        )  # fmt: skip

    def alerted(self, attempt: Attempt, alert: RaiseAlert) -> None:
        """Say what detection found in a login, and whether it refuses more of them: `outcome` is "block" or "alarm"."""
        outcome = "block" if alert.blocks else "alarm"
        self.metrics.add("gateway_alerts_total", alert.rule.value, outcome)
        self._log.warning(
            "alert", rule=alert.rule.value, outcome=outcome, subject=alert.subject, user=alert.user,
            protocol=attempt.login.protocol, **_contact(attempt.origin), **_if(country=alert.country),
        )  # fmt: skip

    def verify_overdue(self, origin: Origin) -> None:
        """Say that the authority did not answer in time; the login was refused."""
        self.metrics.add("gateway_failures_total", "verify")
        self._log.error("verify_overdue", **_contact(origin))

    # ── contacts ──

    def crowd(self, listener: str, total: int) -> None:
        """Note how many connections are open."""
        self.metrics.set("gateway_connections", listener, value=total)

    def contact_refused(self, origin: Origin, reason: Reason, detail: str = "") -> None:
        """Say that a contact was closed before there was a login to judge."""
        self.metrics.add("gateway_contacts_refused_total", reason.key)
        log = self._log.debug if reason in _QUIET else self._log.info
        log("contact_refused", reason=reason.key, meaning=reason.meaning, **_contact(origin), **_if(detail=detail))

    def message_declined(self, origin: Origin, reason: Reason, *, first: bool) -> None:
        """Count a swallowed message; only the `first` of its kind is a line: a publisher may send thousands a second."""
        self.metrics.add("gateway_messages_declined_total", reason.key)
        if first:
            self._log.info("message_declined", reason=reason.key, meaning=reason.meaning, **_contact(origin))

    # ── sessions ──

    def session_started(self, origin: Origin, grant: Admitted, upstream: str) -> None:
        """Say that the engine took the login."""
        self.metrics.add("gateway_sessions")
        self.metrics.add("gateway_sessions_started_total", origin.listener)
        self._log.info("session_started", session=grant.session, user=grant.user, upstream=upstream, **_contact(origin))

    def session_ended(
        self, origin: Origin, grant: Admitted, reason: Reason, seconds: float | None, *, owed: bool = False
    ) -> None:
        """Say why a session ended; `seconds` is None where it never became live, `owed` where the venue is not told yet."""
        if seconds is not None:
            self.metrics.add("gateway_sessions", amount=-1)
        self.metrics.add("gateway_sessions_ended_total", reason.key)
        self._log.info(
            "session_ended", session=grant.session, user=grant.user, reason=reason.key, meaning=reason.meaning,
            seconds=round(seconds or 0.0, 1), **_contact(origin), **_if(detail="the venue is not told yet" if owed else ""),
        )  # fmt: skip

    def will_delivered(self, session: str, route: str) -> None:
        """Say that the venue has taken the word of a session's end from the courier."""
        self.metrics.add("gateway_wills_total", route, "delivered")
        self._log.info("will_delivered", session=session, route=route)

    def will_owed(self, session: str, route: str, error: BaseException) -> None:
        """Say that the venue could not be told of a session's end yet; it is tried again."""
        self.metrics.add("gateway_wills_total", route, "owed")
        self._log.warning("will_owed", session=session, route=route, error=type(error).__name__)

    # ── the courier ──

    def courier_connected(self, route: str, address: str) -> None:
        """Say that the gateway's own connection to the broker of a route is there."""
        self._log.info("courier_connected", route=route, upstream=address)

    def courier_failed(self, route: str, address: str, error: BaseException) -> None:
        """Say that it could not be had or broke. Only the kind of error is shown: its text may hold the account."""
        self.metrics.add("gateway_courier_failures_total", route)
        self._log.warning("courier_failed", route=route, upstream=address, error=type(error).__name__)

    # ── notices ──

    def notice_sent(self, channel: str) -> None:
        """Count a notice that went out."""
        self.metrics.add("gateway_notices_total", channel, "sent")

    def notice_put_off(self, channel: str, kind: str, error: str, seconds: float) -> None:
        """Say that a notice was not taken, and is tried again after so many seconds."""
        self.metrics.add("gateway_notices_total", channel, "put_off")
        self._log.warning("notice_put_off", channel=channel, detail=kind, error=error, seconds=round(seconds, 1))

    def notice_given_up(self, channel: str, kind: str, error: str) -> None:
        """Say that a notice will not go out."""
        self.metrics.add("gateway_notices_total", channel, "given_up")
        self._log.error("notice_given_up", channel=channel, detail=kind, error=error)

    def channel_away(self, channel: str, error: str) -> None:
        """Say that the server behind a channel cannot be reached; what waits is tried again."""
        self.metrics.add("gateway_notices_total", channel, "away")
        self._log.warning("channel_away", channel=channel, error=error)

    def outbox(self, waiting: int) -> None:
        """Note how many notices wait."""
        self.metrics.set("gateway_outbox_waiting", value=waiting)

    # ── the gateway itself ──

    def dial_failed(self, route: str, address: str, error: str) -> None:
        """Say that an upstream address did not take a connection."""
        self.metrics.add("gateway_dial_failures_total", route)
        self._log.warning("dial_failed", route=route, upstream=address, error=error)

    def failed(self, call: str, error: BaseException) -> None:
        """Say that something of our own failed. Of other errors than Told only the kind is shown: their text may hold anything."""
        self.metrics.add("gateway_failures_total", call)
        told = {"detail": str(error)} if isinstance(error, Told) else {}
        self._log.error("failed", call=call, error=type(error).__name__, **told)

    def record_lost(self, call: str, error: BaseException) -> None:
        """Say that a session's record could not be stored."""
        self.metrics.add("gateway_records_lost_total", call)
        self._log.error("record_lost", call=call, error=type(error).__name__)

    def errand_dropped(self, call: str) -> None:
        """Count a report or an answer that a flood of its kind crowded out."""
        self.metrics.add("gateway_errands_dropped_total", call)

    def lag(self, seconds: float) -> None:
        """Note how late the sweep was."""
        self.metrics.set("gateway_loop_lag_seconds", value=seconds)

    def say(self, event: str, **keys: Any) -> None:
        """Say something about the process itself (start, stop, reload)."""
        self._log.info(event, **keys)

    def warn(self, event: str, **keys: Any) -> None:
        """Say something that an operator should look at."""
        self._log.warning(event, **keys)


def _contact(origin: Origin) -> dict[str, Any]:
    keys = {
        "connection": origin.connection,
        "listener": origin.listener,
        "address": origin.address,
        "port": origin.port,
    }
    return keys | _if(certificate=origin.certificate)


def _if(**keys: Any) -> dict[str, Any]:
    """Return only what says something."""
    return {key: value for key, value in keys.items() if value}
