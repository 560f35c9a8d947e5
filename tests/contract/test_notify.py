"""From the audit chain to a channel: each happening told once, declined ones later, nothing lost while a server is away."""

import asyncio
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from gateway.auth.house import House
from gateway.auth.proofs import Denied
from gateway.auth.reminders import Reminder, reminders
from gateway.core.secret import Secret
from gateway.notify.carrier import FIRST_REST, JITTER, LEASE, LONGEST_REST, LONGEST_WAIT, Carrier, wait_after
from gateway.notify.channel import Away, Declined, Message, Undeliverable
from gateway.notify.follower import DAY, Follower
from gateway.notify.post import Queue
from gateway.notify.spec import MAIL, BrokerSpec, MailSpec, NotifySpec
from gateway.notify.told import KEEP
from gateway.policy.links import Purpose
from gateway.policy.organisations import Policies
from gateway.policy.rules import (
    Action,
    Channel,
    CrowdRules,
    DetectionRules,
    PasswordRules,
    Policy,
    SprayRules,
    TravelRules,
)
from gateway.policy.snapshot import User
from gateway.store.audit import AuditEntry, Event
from gateway.store.errors import Conflict, StoreUnavailable
from gateway.store.notices import Fate, Notice
from gateway.store.ports import Account
from gateway.store.store import Store
from tests.contract.staff import PASSWORD, Staff
from tests.contract.world import ADMIN, NOW, Hands

SPEC = NotifySpec(mail=MailSpec("mail.example", 25, "plain", "gateway@example.com"))
MACHINES = NotifySpec(broker=BrokerSpec(Secret("amqps://x"), "events"))


@dataclass
class Line:
    """A channel whose answers are laid out: an error is raised, nothing is a success; the last one stays."""

    answers: list[Exception | None] = field(default_factory=lambda: [None])
    tried: list[Message] = field(default_factory=list)
    closed: bool = False

    async def send(self, message: Message) -> None:
        self.tried.append(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer

    async def close(self) -> None:
        self.closed = True


@dataclass
class Notes:
    """An observer that writes everything down."""

    said: list[tuple] = field(default_factory=list)

    def __getattr__(self, name: str):
        return lambda *what: self.said.append((name, *what))


class Forgetful:
    """An outbox whose store is away whenever a message is to be put off."""

    def __init__(self, outbox) -> None:
        self._outbox = outbox

    def __getattr__(self, name: str):
        return getattr(self._outbox, name)

    async def later(self, *_) -> None:
        raise StoreUnavailable("gone")


def carrier(store: Store, line: Line, clock: Hands, notes: Notes | None = None, name: str = MAIL) -> Carrier:
    return Carrier(name, line, store.outbox, notes or Notes(), clock=lambda: clock.wall)


async def nobody():
    for nothing in ():
        yield nothing


def quiet(_accounts: Iterable[Account], _now: float) -> Iterator[Reminder]:
    return iter(())


def follower(store: Store, clock: Hands, spec: NotifySpec = SPEC, notes: Notes | None = None) -> Follower:
    return Follower(store.readers, spec, nobody, quiet, notes or Notes(), clock=lambda: clock.wall)


async def put(store: Store, *tags: str, expires: float = NOW + KEEP) -> None:
    body = json.dumps({"kind": "login.admitted", "to": "tom@example.com", "wall": NOW, "facts": {}}).encode()
    await store.outbox.put([Notice(tag, MAIL, Secret(body), NOW, expires) for tag in tags])


async def admitted(store: Store, user: str = "tom", times: int = 1, wall: float = NOW) -> None:
    for _ in range(times):
        await store.audit.append(AuditEntry(wall, Event.LOGIN_ADMITTED, user=user, address="192.0.2.7"))


# ── the carrier ──


async def test_what_is_taken_is_sent_once(store: Store):
    await put(store, "1", "2")
    line, clock, notes = Line(), Hands(), Notes()

    assert await carrier(store, line, clock, notes).round()
    assert not await carrier(store, line, clock).round()

    assert len(line.tried) == 2
    assert notes.said == [("notice_sent", MAIL)] * 2
    assert await store.outbox.waiting() == 0


async def test_what_is_declined_is_tried_again_later_and_says_why(store: Store):
    await put(store, "1")
    line, clock, notes = Line([Declined("SMTPDataError 451"), None]), Hands(), Notes()
    way = carrier(store, line, clock, notes)

    await way.round()
    (entry,) = await store.outbox.entries()
    assert (entry.error, entry.tries) == ("SMTPDataError 451", 1)
    assert NOW + 1 - JITTER <= entry.due <= NOW + 1 + JITTER
    assert notes.said[0][:4] == ("notice_put_off", MAIL, "login.admitted", "SMTPDataError 451")
    assert not await way.round()
    clock.move(2)
    assert await way.round()
    assert await store.outbox.waiting() == 0


def test_the_wait_doubles_up_to_an_hour():
    for tries, wait in ((1, 1), (2, 2), (5, 16), (12, 2048), (13, LONGEST_WAIT), (4000, LONGEST_WAIT)):
        found = {wait_after(tries) for _ in range(20)}
        assert all(wait * (1 - JITTER) <= one <= wait * (1 + JITTER) for one in found)
        assert len(found) > 1


async def test_while_a_server_is_away_one_message_asks_and_none_waits_longer_for_it(store: Store):
    await put(store, *map(str, range(20)))
    line, clock = Line([Away("ConnectError")]), Hands()
    way = carrier(store, line, clock)

    rests = []
    for _ in range(9):
        await way.round()
        rests.append(way.rest)
    assert rests == [min(LONGEST_REST, FIRST_REST * 2**n) for n in range(9)]
    assert len(line.tried) == 4 + 8  # a handful once, then one at a time

    line.answers = [None]
    while await way.round():
        pass
    assert way.rest == 0.0
    assert await store.outbox.waiting() == 0
    assert len(line.tried) == 4 + 8 + 20


async def test_after_three_days_a_notice_is_given_up_with_its_last_error(store: Store):
    await put(store, "1")
    line, clock, notes, step = Line([Declined("HTTP 500")]), Hands(), Notes(), 1.3 * LONGEST_WAIT
    way = carrier(store, line, clock, notes)
    for _ in range(200):
        await way.round()
        clock.move(step)
        if not await store.outbox.waiting():
            break

    (entry,) = await store.outbox.entries()
    assert (entry.state, entry.error) == (Fate.GIVEN_UP, "too late: HTTP 500")
    assert notes.said[-1] == ("notice_given_up", MAIL, "login.admitted", "too late: HTTP 500")
    assert clock.wall <= NOW + KEEP + 2 * step


async def test_a_letter_is_not_sent_after_its_link_is_over(store: Store):
    await put(store, "letter:1", expires=NOW + 60)
    line, clock = Line([Declined("SMTPDataError 451"), None]), Hands()
    way = carrier(store, line, clock)
    await way.round()
    clock.move(61)
    await way.round()

    assert len(line.tried) == 1
    assert (await store.outbox.entries())[0].state is Fate.GIVEN_UP


async def test_what_can_never_arrive_is_given_up_at_once(store: Store):
    await put(store, "1")
    await carrier(store, Line([Undeliverable("that is no mail address")]), Hands()).round()

    assert (await store.outbox.entries())[0].state is Fate.GIVEN_UP


async def test_a_message_that_breaks_a_library_holds_up_no_other(store: Store):
    await put(store, "1", "2", "3")
    line = Line([ZeroDivisionError("canary"), None])

    await carrier(store, line, Hands()).round()

    (left,) = await store.outbox.entries()
    assert left.error == "ZeroDivisionError"


async def test_what_another_version_queued_is_given_up_and_holds_up_no_other(store: Store):
    await store.outbox.put([Notice("1", MAIL, Secret(b'{"words": "of tomorrow"}'), NOW, NOW + KEEP)])
    await put(store, "2")
    line, clock = Line(), Hands()

    await carrier(store, line, clock).round()

    (left,) = await store.outbox.entries()
    assert (left.tag, left.state, len(line.tried)) == ("1", Fate.GIVEN_UP, 1)


async def test_what_went_out_is_marked_even_where_the_store_fails_with_another_message(store: Store):
    await put(store, "1", "2", "3")
    line, clock = Line([None, Declined("HTTP 500"), None]), Hands()

    with pytest.raises(StoreUnavailable):
        await Carrier(MAIL, line, Forgetful(store.outbox), Notes(), clock=lambda: clock.wall).round()
    clock.move(LEASE)
    await carrier(store, line, clock).round()

    first, declined, third, again = line.tried
    assert (again.key, len({first.key, declined.key, third.key})) == (declined.key, 3)


async def test_a_carrier_killed_between_sending_and_marking_sends_again_under_the_same_id(store: Store):
    await put(store, "1")
    line, clock = Line(), Hands()

    class Dies(Line):
        async def send(self, message: Message) -> None:
            await line.send(message)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await carrier(store, Dies(), clock).round()
    clock.move(LEASE)
    await carrier(store, line, clock).round()

    first, again = line.tried
    assert first.key == again.key
    assert await store.outbox.waiting() == 0


async def test_two_processes_send_each_message_once(place):
    one, other = await place.open(), await place.open()
    await put(one, *map(str, range(40)))
    line, clock = Line(), Hands()

    async def empty(way: Carrier) -> None:
        while await way.round():
            pass

    await asyncio.gather(*(empty(carrier(store, line, clock)) for store in (one, other) for _ in range(2)))

    assert len({message.key for message in line.tried}) == len(line.tried) == 40


async def test_it_stops_when_told_and_lets_its_connections_go(store: Store):
    line, stop = Line([Away("ConnectError")]), asyncio.Event()
    await put(store, "1")
    running = asyncio.create_task(carrier(store, line, Hands()).run(stop))
    async with asyncio.timeout(60):
        while not line.tried:  # noqa: ASYNC110  a bounded poll
            await asyncio.sleep(0.01)
        stop.set()
        await running

    assert line.closed


# ── the follower ──


@pytest.mark.req("SF-11")
async def test_each_login_is_told_once_however_many_processes_follow(place):
    one, other = await place.open(), await place.open()
    await one.users.add(User("", "tom", email="tom@example.com"), ADMIN)
    followers = [follower(store, Hands()) for store in (one, other)]
    for each in followers:
        await each.begin()
    await admitted(one, times=30)

    async def catch_up(each: Follower) -> None:
        while await each.step():
            pass

    await asyncio.gather(*(catch_up(each) for each in followers))

    assert await one.outbox.waiting() == 30


async def test_what_was_before_the_first_start_is_nobodys_news(store: Store):
    await store.users.add(User("", "tom", email="tom@example.com"), ADMIN)
    await admitted(store)
    each = follower(store, Hands())
    await each.begin()

    assert not await each.step()


async def test_a_gateway_that_was_off_for_long_does_not_tell_old_news(store: Store):
    await store.users.add(User("", "tom", email="tom@example.com"), ADMIN)
    clock = Hands()
    each = follower(store, clock)
    await each.begin()
    await admitted(store, times=3)
    clock.move(KEEP)
    await admitted(store, wall=clock.wall)

    await each.step()

    assert await store.outbox.waiting() == 1


async def test_a_row_that_cannot_be_told_holds_up_no_other(store: Store):
    await store.users.add(User("", "tom", email="tom@example.com"), ADMIN)
    notes = Notes()
    each = follower(store, Hands(), notes=notes)
    await each.begin()
    for act in ("no such act", "reset_password"):
        await store.audit.append(AuditEntry(NOW, Event.REQUEST_MADE, user="tom", details={"act": act, "actor": "x"}))
    await store.audit.append(AuditEntry(NOW, Event.LOGIN_REFUSED, user="tom", details={"locked_until": "soon"}))
    await store.users.grant("tom", None, ADMIN)
    await admitted(store)

    await each.step()

    assert "login.admitted" in " ".join(one.tag for one in await store.outbox.entries())


async def test_machines_are_told_without_any_account(store: Store):
    each = follower(store, Hands(), MACHINES)
    await each.begin()
    await admitted(store, user="somebody")
    await each.step()

    (taken,) = await store.outbox.claim("broker", NOW, LEASE, 5)
    assert json.loads(taken.notice.body.reveal())["facts"] == {"user": "somebody", "address": "192.0.2.7"}


@pytest.mark.req("SF-7", "HK-4")
async def test_an_old_password_is_reminded_of_once_in_seven_days(staff: Staff):
    policy, house = Policy(password=PasswordRules(max_age=0.0)), House()
    clock = Hands()

    async def everybody():
        for account in await staff.store.users.list():
            yield account

    def remind(accounts: Iterable[Account], now: float) -> Iterator[Reminder]:
        return reminders(accounts, Policies(policy), house, now)

    each = Follower(staff.store.readers, SPEC, everybody, remind, Notes(), clock=lambda: clock.wall)
    await each.begin()
    told = []
    clock.move(89 * DAY)
    for day in range(89, 106):
        before = await staff.store.outbox.waiting()
        for _ in range(3):
            await each.day()
        if await staff.store.outbox.waiting() > before:
            told.append(day)
        clock.move(DAY)

    assert [later - day for day, later in itertools.pairwise(told)] == [7] * (len(told) - 1)
    assert told[0] == 90
    tags = [one.tag for one in await staff.store.outbox.entries()]
    assert sum("tom" in tag for tag in tags) == len(told)


@pytest.mark.req("SF-7", "HK-4")
async def test_a_clock_that_was_wrong_for_a_day_silences_no_reminder(staff: Staff):
    policy, clock = Policy(password=PasswordRules(max_age=0.0)), Hands()

    async def everybody():
        for account in await staff.store.users.list():
            yield account

    def remind(accounts: Iterable[Account], now: float) -> Iterator[Reminder]:
        return reminders(accounts, Policies(policy), House(), now)

    each = Follower(staff.store.readers, SPEC, everybody, remind, Notes(), clock=lambda: clock.wall)
    await each.begin()
    clock.move(1000 * DAY)
    await each.day()
    wrong = await staff.store.outbox.waiting()
    clock.move(-900 * DAY)
    for _ in range(3):
        await each.day()

    assert await staff.store.outbox.waiting() == 2 * wrong > 0


# ── letters and codes ──


@pytest.mark.req("TW-9", "CQ-5", "TW-11")
async def test_a_letter_waits_sealed_and_only_its_mail_has_the_token(store, passwords):
    clock = Hands()
    staff = Staff.make(store, passwords)
    queue = Queue(store.outbox, mail=True, clock=lambda: clock.wall)
    staff.office.links._post = queue
    await staff.hire("tom")
    await staff.office.links.ask(Purpose.RESET_PASSWORD, "tom", staff.by("tom"))

    (taken,) = await store.outbox.claim(MAIL, NOW + 60, LEASE, 5)
    message = Message.of(taken)
    assert (message.kind, message.to) == ("letter.reset_password", "tom@example.com")
    assert message.facts["url"].startswith("https://portal.example/link/")
    assert taken.notice.expires == pytest.approx(NOW + 3600, abs=60)
    token = message.facts["url"].rpartition("/")[2]
    await staff.office.links.open(Secret(token), staff.clock.wall)
    assert token not in repr(message) + repr(taken) + repr(await store.outbox.entries())
    assert token not in "".join(row.details for row in await store.audit.rows())


@pytest.mark.req("CQ-5")
async def test_without_mail_a_letter_goes_nowhere_and_its_link_is_copied(store, passwords):
    staff = Staff.make(store, passwords)
    staff.office.links._post = Queue(store.outbox)
    await staff.hire("tom", device=False, password_hash="")

    letter = await staff.office.links.setup("tom", ADMIN)

    assert letter.url.reveal().startswith(b"https://portal.example/link/")
    assert await store.outbox.waiting() == 0


@pytest.mark.req("HK-2", "SF-1")
@pytest.mark.parametrize(
    ("channel", "to", "way"), [(Channel.EMAIL, "tom@example.com", MAIL), (Channel.SMS, "+886900000000", "hook:sms")]
)
async def test_a_code_goes_out_by_the_users_channel(store: Store, channel, to, way):
    queue = Queue(store.outbox, mail=True, sms="hook:sms", clock=lambda: NOW)

    await queue.send_code("tom", channel, to, Secret("123456"), NOW + 300)

    (taken,) = await store.outbox.claim(way, NOW, LEASE, 5)
    message = Message.of(taken)
    assert (message.kind, message.to, message.facts["code"]) == ("code", to, "123456")
    assert taken.notice.expires == NOW + 300


@pytest.mark.req("HK-2")
@pytest.mark.parametrize("channel", Channel)
async def test_a_code_that_nothing_could_carry_is_refused(store: Store, channel):
    with pytest.raises(Conflict, match=channel.value):
        await Queue(store.outbox).send_code("tom", channel, "x", Secret("123456"), NOW + 300)


async def test_letters_do_not_come_back_with_a_restored_back_up_but_notices_do(place, target):
    from io import BytesIO

    from gateway.store.restore import Archive, restore
    from gateway.store.strongbox import SealingWriter

    store = await place.open()
    await put(store, "letter:1", "7:login.admitted")
    written = BytesIO()
    await store.backups.write(SealingWriter(written, Secret("passphrase")), ADMIN)
    written.seek(0)

    await restore(target.url, Archive(written, Secret("passphrase")), place.master, ADMIN)

    again = await target.open(master=place.master)
    assert [one.tag for one in await again.outbox.entries()] == ["7:login.admitted"]
    assert len(await again.outbox.claim(MAIL, NOW, LEASE, 5)) == 1


# ── who wants no notices ──

WATCHED = Policy(
    detection=DetectionRules(
        crowd=CrowdRules(Action.ALARM), travel=TravelRules(Action.ALARM), spray=SprayRules(Action.BLOCK)
    )
)


@pytest.mark.req("SF-11")
async def test_one_opts_out_with_the_password_and_only_where_irregular_logins_are_detected(store, passwords):
    staff = Staff.make(store, passwords)
    await staff.hire("tom")
    with pytest.raises(Conflict, match="SF-11"):
        await staff.office.myself.opt_out(Secret(PASSWORD), staff.by("tom"))

    watched = Staff.make(store, passwords, WATCHED)
    with pytest.raises(Denied):
        await watched.office.myself.opt_out(Secret("guessed Horse 1"), watched.by("tom"))
    assert (await store.users.show("tom")).quiet_since is None
    await watched.office.myself.opt_out(Secret(PASSWORD), watched.by("tom"))
    assert (await store.users.show("tom")).quiet_since is not None

    each = follower(store, watched.clock)
    await each.begin()
    await admitted(store, wall=watched.clock.wall)
    await each.step()
    assert await store.outbox.waiting() == 0
    await watched.office.myself.opt_in(watched.by("tom"))
    await admitted(store, wall=watched.clock.wall)
    await each.step()
    assert sorted(one.tag.split(":")[1] for one in await store.outbox.entries()) == [
        "login.admitted",
        "notices.resumed",
    ]
