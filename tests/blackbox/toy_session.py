"""A FIX session in one page, for the clients that QuickFIX isn't: it may leave a Logout's number uncounted.

Messages in, messages out, no sockets: `receive` returns what to send. Both sides of a session can be played with it.
It keeps what it sent, answers a ResendRequest with the orders it has and GapFill for the rest, and asks for what it misses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.blackbox.fix_bytes import Field, Message, build, now

_ADMIN = frozenset("0123445A")


@dataclass
class ToySession:
    """One side's numbers and memory, which live on when the connection is gone.

    Invariants: `next_in` grows only over messages taken in order or gap-filled; `taken` holds each application
    message once, in order; `faults` holds what a strict engine would have closed the line for.
    """

    sender: str
    target: str
    begin_string: str = "FIX.4.4"
    counts_logout: bool = True
    next_out: int = 1
    next_in: int = 1
    logged_on: bool = False
    taken: list[Message] = field(default_factory=list)
    admin: list[Message] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    sent: dict[int, list[Field]] = field(default_factory=dict)
    waiting: dict[int, Message] = field(default_factory=dict)
    asked_up_to: int = 0

    def message(self, msg_type: str, fields: Sequence[Field] = ()) -> bytes:
        """Return the next outgoing message and count it."""
        number = self.next_out
        self.next_out += 1
        if msg_type not in _ADMIN:
            self.sent[number] = [(35, msg_type), *fields]
        return self._build(msg_type, number, fields)

    def logon(self, fields: Sequence[Field] = (), *, reset: bool = False, heartbeat: int = 30) -> bytes:
        """Return a Logon; `reset` starts both numbers at 1 and puts 141=Y in."""
        if reset:
            self._reset()
        standard: list[Field] = [(98, 0), (108, heartbeat)]
        return self.message("A", [*standard, *([(141, "Y")] if reset else []), *fields])

    def logon_answer(self, logon: Message) -> bytes:
        """Return the Logon that answers one, to be sent before that is taken in: numbers begin again first if it says so."""
        if logon.get(141) == "Y":
            self._reset()
        return self.message("A", [(98, 0), (108, logon[108]), *([(141, "Y")] if logon.get(141) == "Y" else [])])

    def disconnected(self) -> None:
        """The line is gone: what was out of order is asked for again next time."""
        self.logged_on = False
        self.waiting.clear()
        self.asked_up_to = 0

    def receive(self, message: Message) -> list[bytes]:
        """Take one message in; returns what it makes this side send."""
        if message.type == "5":
            return self._logout(message)
        if message.type == "A" and message.get(141) == "Y" and self.next_in != 1:
            self._reset()
        if message.type == "4" and message.get(123) != "Y":
            self.next_in = int(message[36])
            return []
        if message.seq < self.next_in:
            if message.get(43) != "Y":
                self.faults.append(f"MsgSeqNum too low, expecting {self.next_in} but received {message.seq}")
            return []
        if message.seq > self.next_in:
            return self._too_high(message)
        return self._in_order(message) + self._waiting_ones()

    # Inside.

    def _in_order(self, message: Message) -> list[bytes]:
        self.next_in = message.seq + 1
        if message.type == "4":
            self.next_in = int(message[36])
        return self._act(message)

    def _waiting_ones(self) -> list[bytes]:
        answers: list[bytes] = []
        while (message := self.waiting.pop(self.next_in, None)) is not None:
            acted = message.type in {"A", "2"}  # acted upon when it came, ahead of its turn
            self.next_in = message.seq + 1
            answers += [] if acted else self._act(message)
        return answers

    def _too_high(self, message: Message) -> list[bytes]:
        self.waiting[message.seq] = message
        answers = self._act(message) if message.type in {"A", "2"} else []
        if message.seq > self.asked_up_to:
            self.asked_up_to = message.seq
            answers.append(self.message("2", [(7, self.next_in), (16, 0)]))
        return answers

    def _act(self, message: Message) -> list[bytes]:
        if message.type not in _ADMIN:
            self.taken.append(message)
            return []
        self.admin.append(message)
        if message.type == "A":
            self.logged_on = True
        if message.type == "1":
            return [self.message("0", [(112, message[112])])]
        if message.type == "2":
            return self._resent(int(message[7]), int(message[16]) or self.next_out - 1)
        return []

    def _logout(self, message: Message) -> list[bytes]:
        self.admin.append(message)
        if self.counts_logout and message.seq == self.next_in:
            self.next_in += 1
        return [self.message("5")] if self.logged_on else []

    def _resent(self, begin: int, end: int) -> list[bytes]:
        answers: list[bytes] = []
        number = begin
        while number <= min(end, self.next_out - 1):
            if number in self.sent:
                (_, msg_type), *fields = self.sent[number]
                answers.append(self._build(str(msg_type), number, fields, again=True))
                number += 1
            else:
                following = [later for later in self.sent if later > number]
                new = min([*following, end + 1, self.next_out])
                answers.append(self._build("4", number, [(123, "Y"), (36, new)], again=True))
                number = new
        return answers

    def _reset(self) -> None:
        self.next_in = self.next_out = 1
        self.sent.clear()
        self.waiting.clear()
        self.asked_up_to = 0

    def _build(self, msg_type: str, number: int, fields: Sequence[Field], *, again: bool = False) -> bytes:
        time = now()
        header: list[Field] = [(35, msg_type), (34, number), (49, self.sender), (56, self.target), (52, time)]
        if again:
            header += [(43, "Y"), (122, time)]
        return build(self.begin_string, [*header, *fields])
