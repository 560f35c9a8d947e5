"""Who is told what: rows of the audit chain in, notices out."""

import json
from dataclasses import replace

import pytest

from gateway.auth.desk import standing_of
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.notify.kinds import Kind
from gateway.notify.spec import BrokerSpec, HookSpec, MailSpec, NotifySpec
from gateway.notify.told import told, wanted
from gateway.policy.roles import Grant, Role
from gateway.policy.snapshot import User
from gateway.store.audit import AuditEntry, AuditRow, Event, seal
from gateway.store.notices import Notice
from gateway.store.ports import Account, DeviceInfo

NOW = 1_800_000_000.0
OPS = "ops@example.com"
SPEC = NotifySpec(mail=MailSpec("mail.example", 587, "starttls", "gateway@example.com"), operations=(OPS,))
HOOK = HookSpec("siem", "https://siem.example/", Secret("s" * 32), events=("account.*", "code.replayed"))


def row(
    event: Event, user: str = "tom", *, seq: int = 7, reason: Reason | None = None, wall: float = NOW, **details
) -> AuditRow:
    return seal(seq, b"", AuditEntry(wall, event, reason, user, "s1", "192.0.2.7", details))


def account(name: str, role: Role | None = None, **changes) -> Account:
    grant = Grant(role, NOW + 86400) if role else None
    phone = DeviceInfo("d1", "phone", "SHA1", 6, 30, confirmed=True, created=NOW, last_used=None)
    user = User(name, name, organisation="ACME", email=f"{name}@example.com", grant=grant)
    return replace(Account(user, 1, NOW, (phone,)), **changes)


def tell(found: AuditRow, *accounts: Account, spec: NotifySpec = SPEC, administrators=()) -> list[Notice]:
    known = {one.user.name: one for one in accounts or (account("tom"),)}
    return list(told(found, spec, known, administrators))


def addressed(notices: list[Notice]) -> list[tuple[str, str]]:
    bodies = [json.loads(one.body.reveal()) for one in notices]
    return [(body["kind"], body["to"]) for body in bodies]


@pytest.mark.req("SF-11")
@pytest.mark.parametrize("event", [Event.LOGIN_ADMITTED, Event.WEB_SIGNED_IN])
def test_each_login_is_told_to_its_user(event):
    assert addressed(tell(row(event))) == [("login.admitted", "tom@example.com")]


@pytest.mark.req("SF-11")
def test_who_opted_out_is_told_of_no_login_but_of_everything_else():
    quiet = account("tom", quiet_since=NOW - 1)

    assert tell(row(Event.LOGIN_ADMITTED), quiet) == []
    for event in (Event.PASSWORD_SET, Event.CODE_REPLAYED, Event.ALERT_RAISED, Event.NOTICES_STOPPED):
        assert ("tom@example.com") in {to for _, to in addressed(tell(row(event), quiet))}
    locked = row(Event.LOGIN_REFUSED, reason=Reason.BAD_CODE, failures=5, locked_until=NOW + 900)
    assert addressed(tell(locked, quiet)) == [("account.locked", "tom@example.com")]


@pytest.mark.req("CQ-6")
@pytest.mark.parametrize(
    ("event", "details", "kind"),
    [
        (Event.DEVICE_CONFIRMED, {}, Kind.ENROLLED),
        (Event.DEVICE_ADDED, {"fields": "confirmed"}, Kind.ENROLLED),
        (Event.DEVICE_REMOVED, {}, Kind.REMOVED),
        (Event.PASSKEY_ADDED, {}, Kind.PASSKEY_ADDED),
        (Event.PASSKEY_REMOVED, {}, Kind.PASSKEY_REMOVED),
        (Event.PASSWORD_SET, {}, Kind.PASSWORD),
        (Event.USER_UNLOCKED, {}, Kind.UNLOCKED),
        (Event.USER_CHANGED, {"fields": "organisation,email"}, Kind.CHANGED),
        (Event.ROLE_GRANTED, {"role": "auditor"}, Kind.ROLE_GRANTED),
        (Event.ROLE_ENDED, {"role": "auditor"}, Kind.ROLE_ENDED),
        (Event.RECOVERY_MADE, {}, Kind.RECOVERY_MADE),
        (Event.RECOVERY_USED, {}, Kind.RECOVERY_USED),
    ],
)
def test_a_change_of_credentials_is_told(event, details, kind):
    assert addressed(tell(row(event, **details))) == [(kind.value, "tom@example.com")]


@pytest.mark.parametrize(
    ("event", "details"),
    [
        (Event.DEVICE_ADDED, {}),
        (Event.USER_CHANGED, {"fields": "failures"}),
        (Event.PROOF_GIVEN, {}),
        (Event.LINK_ISSUED, {}),
        (Event.SESSION_STARTED, {}),
        (Event.STORE_CREATED, {}),
    ],
)
def test_most_rows_are_nobodys_news(event, details):
    assert tell(row(event, **details)) == []
    assert wanted([row(event, **details)]) == frozenset()


def test_a_storm_of_refusals_is_not_a_storm_of_mail():
    storm = [
        row(Event.LOGIN_REFUSED, seq=seq, reason=Reason.BAD_PASSWORD, failures=1, wall=NOW + seq) for seq in range(50)
    ]

    assert [notice for found in storm for notice in tell(found)] == []


@pytest.mark.parametrize("event", [Event.LOGIN_REFUSED, Event.PROOF_REFUSED])
@pytest.mark.parametrize("lock", [{"locked_until": NOW + 900}, {"revoked": True}])
def test_the_failure_that_locks_is_told(event, lock):
    assert addressed(tell(row(event, reason=Reason.BAD_CODE, **lock))) == [("account.locked", "tom@example.com")]


def test_a_lock_that_is_over_is_told_no_more():
    assert tell(row(Event.LOGIN_REFUSED, reason=Reason.BAD_CODE, locked_until=NOW - 1)) == []


@pytest.mark.req("BY-8")
@pytest.mark.parametrize("event", [Event.CODE_REPLAYED, Event.PROOF_REFUSED])
def test_a_replayed_code_warns_its_owner_and_operations(event):
    assert addressed(tell(row(event, reason=Reason.REPLAYED_CODE))) == [
        ("code.replayed", OPS),
        ("code.replayed", "tom@example.com"),
    ]


def test_a_replay_that_also_locks_is_told_as_both():
    found = tell(row(Event.CODE_REPLAYED, reason=Reason.REPLAYED_CODE, locked_until=NOW + 900))

    assert {kind for kind, _ in addressed(found)} == {"code.replayed", "account.locked"}


def test_a_storm_of_replays_is_told_once_a_minute():
    storm = [row(Event.CODE_REPLAYED, seq=seq, reason=Reason.REPLAYED_CODE, wall=NOW + seq) for seq in range(60)]

    tags = {notice.tag for found in storm for notice in tell(found)}

    assert len(tags) == 2  # the user's and operations'


def test_two_alerts_of_one_minute_are_two():
    alerts = [row(Event.ALERT_RAISED, name, rule="travel", subject=name) for name in ("tom", "zoe")]

    assert len({notice.tag for found in alerts for notice in tell(found) if OPS in notice.tag}) == 2


@pytest.mark.req("SF-18")
def test_a_hundred_addresses_in_one_minute_are_one_mail_and_a_hundred_events():
    """Who has many addresses cannot bury what operations have to read."""
    spec = replace(SPEC, hooks=(replace(HOOK, events=("*",)),))
    alerts = [row(Event.ALERT_RAISED, "", seq=n, rule="crowd", subject=f"2001:db8:0:{n}::/64") for n in range(100)]
    found = {(notice.channel, notice.tag) for alert in alerts for notice in tell(alert, spec=spec)}

    assert [channel for channel, _ in sorted(found)].count("mail") == 1
    assert len(found) == 101


def test_operations_hear_of_locks_of_administrators_only():
    locked = row(Event.LOGIN_REFUSED, reason=Reason.BAD_CODE, locked_until=NOW + 900)

    assert OPS not in {to for _, to in addressed(tell(locked))}
    assert OPS in {to for _, to in addressed(tell(locked, account("tom", Role.DELEGATED_ADMIN)))}


@pytest.mark.req("SF-18")
def test_an_alert_about_nobody_goes_to_operations():
    found = tell(row(Event.ALERT_RAISED, "", rule="crowd", subject="192.0.2.7"))

    assert addressed(found) == [("alert.raised", OPS)]


@pytest.mark.req("HK-6")
def test_a_request_is_told_to_its_user_and_to_those_who_may_decide_it():
    staff = [
        account("asker", Role.DELEGATED_ADMIN), account("checker", Role.DELEGATED_ADMIN),
        account("exchange", Role.EXCHANGE_ADMIN), account("eye", Role.AUDITOR),
    ]  # fmt: skip
    made = row(Event.REQUEST_MADE, actor="asker", act="reset_password", request="r1", why="lost")
    assert all(standing_of(one, NOW).active for one in staff)

    found = addressed(tell(made, account("tom"), administrators=staff))

    assert {to for _, to in found} == {"tom@example.com", "checker@example.com", "exchange@example.com"}


@pytest.mark.req("HK-6")
@pytest.mark.parametrize(
    ("event", "readers"),
    [
        (Event.REQUEST_APPROVED, ["asker@example.com", "tom@example.com"]),
        (Event.REQUEST_REFUSED, ["asker@example.com"]),
    ],
)
def test_a_decision_is_told_to_who_asked(event, readers):
    decided = row(event, actor="checker", source="asker", act="reset_password", request="r1")
    assert wanted([decided]) == {"tom", "asker"}

    assert [to for _, to in addressed(tell(decided, account("tom"), account("asker")))] == readers


def test_who_has_no_address_is_told_nothing():
    bare = account("tom")

    assert tell(row(Event.LOGIN_ADMITTED), replace(bare, user=replace(bare.user, email=""))) == []


def test_a_name_nobody_has_is_told_to_nobody():
    assert tell(row(Event.LOGIN_ADMITTED, "somebody else")) == []


def test_machines_get_what_they_ask_for_whoever_it_is_about():
    spec = NotifySpec(
        hooks=(HOOK, replace(HOOK, name="sms", sms=True)), broker=BrokerSpec(Secret("amqp://x"), "events")
    )

    login = tell(row(Event.LOGIN_ADMITTED), spec=spec)
    unlocked = tell(row(Event.USER_UNLOCKED, actor="ops"), spec=spec)

    assert [one.channel for one in login] == ["broker"]
    assert [one.channel for one in unlocked] == ["hook:siem", "broker"]
    assert json.loads(unlocked[0].body.reveal())["facts"] == {
        "actor": "ops", "user": "tom", "session": "s1", "address": "192.0.2.7",
    }  # fmt: skip


def test_every_tag_of_a_row_is_its_own():
    spec = replace(SPEC, hooks=(replace(HOOK, events=("*",)),), broker=BrokerSpec(Secret("amqp://x"), "events"))
    found = tell(row(Event.CODE_REPLAYED, reason=Reason.REPLAYED_CODE, locked_until=NOW + 1), spec=spec)

    assert len({one.tag for one in found}) == len(found) == 7
