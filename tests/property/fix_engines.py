"""Two small FIX engines for tests: sequence numbers, resends, gap fills and stores, with no codec of the gateway's.

`counting` says what a client does with a Logout that answers its Logon: engines differ, and that is the point.
"""

from tests.fixbytes import fix, read, stamp

ADMIN = {"0", "1", "2", "3", "4", "5", "A"}


class TooLowError(AssertionError):
    """A number was lower than expected: a real engine would now ask for a manual reset."""


class Engine:
    """One side of a session. `delivered` is what its application got, `said` what its application sent."""

    def __init__(self, me, other, counting="always", burns=0):
        self.me, self.other, self.counting, self.burns = me, other, counting, burns
        self.said, self.delivered = [], []
        self.restart()
        self.drop()

    def restart(self):
        """Numbers begin at 1 again, the store is empty."""
        self.out, self.next_in, self.sent = 1, 1, {}
        self.said.clear()
        self.delivered.clear()

    def drop(self):
        """The connection is gone, or begins."""
        self.logged_on, self.asked, self.early, self.logout_sent, self.logon_number = False, 0, {}, False, 0
        self.closed = False

    # ── sending ──

    def say(self, payload):
        """The application sends; without a connection it waits in the store."""
        self.said.append(payload)
        return self.send("D", (58, payload))

    def send(self, kind, *fields):
        number = self.out
        self.out += 1
        self.sent[number] = (kind, fields)
        data = self.build(kind, number, *fields)
        return data if self.logged_on or kind in {"A", "5"} else b""

    def build(self, kind, number, *fields, dup=False):
        head = [(35, kind), (49, self.me), (56, self.other), (34, number), (52, stamp())]
        if dup:
            head += [(43, "Y"), (122, stamp())]
        return fix(*head, *fields)

    def logon(self, *fields, reset=False):
        if reset:
            self.restart()
        self.logon_number = self.out
        return self.send("A", (98, 0), (108, 30), *fields, *([(141, "Y")] if reset else []))

    # ── receiving ──

    def receive(self, data):
        """Take one message and return the answer."""
        got = read(data)
        kind, number = got[35], int(got[34])
        if kind == "A":
            return self.on_logon(got, number)
        if kind == "5" and not self.logged_on:
            return self.on_refusal(number)
        if kind == "4":
            return self.on_sequence_reset(got, number)
        if kind == "2":
            self.count(number, got)
            return self.resend(int(got[7]), int(got[16])) + self.ask_if_gap(number)
        if kind == "5":
            return self.on_logout(number)
        if number < self.next_in and got.get(43) != "Y":
            raise TooLowError(f"{self.me} expects {self.next_in}, got {number}")
        return self.in_order(number, got)

    def on_refusal(self, number):
        self.closed = True
        if self.counting == "always" or (self.counting == "in sequence" and number == self.next_in):
            self.next_in += 1
        self.out += self.burns
        return b""

    def on_logout(self, number):
        if number > self.next_in and self.counting != "always":
            return self.ask()
        if self.counting == "always" or number == self.next_in:
            self.next_in += 1
        answer = b"" if self.logout_sent else self.send("5")
        self.closed = True
        return answer

    def in_order(self, number, got):
        if number > self.next_in:
            self.early[number] = got
            return self.ask()
        if number == self.next_in:
            self.take(got)
            self.next_in += 1
        return self.drain()

    def count(self, number, got):
        if number == self.next_in:
            self.next_in += 1
        elif number < self.next_in and got.get(43) != "Y":
            raise TooLowError(f"{self.me} expects {self.next_in}, got {number}")

    def take(self, got):
        if got[35] not in ADMIN:
            self.delivered.append(got[58])

    def drain(self):
        while self.next_in in self.early:
            self.take(self.early.pop(self.next_in))
            self.next_in += 1
        if self.asked and self.next_in >= self.asked:
            self.asked = 0
        return b""

    def ask_if_gap(self, number):
        return self.ask() if number > self.next_in else b""

    def ask(self):
        if self.asked:
            return b""
        self.asked = max([self.next_in + 1, *self.early])
        return self.send("2", (7, self.next_in), (16, 0))

    def on_sequence_reset(self, got, number):
        if got.get(123) != "Y":
            self.next_in = int(got[36])
            return b""
        if number > self.next_in:
            return self.ask()
        if number == self.next_in:
            self.next_in = int(got[36])
        elif got.get(43) != "Y":
            raise TooLowError(f"{self.me} expects {self.next_in}, got gap fill {number}")
        return self.drain()

    def resend(self, begin, end):
        answer, gap = b"", 0
        last = self.out - 1 if end == 0 else min(end, self.out - 1)
        for number in range(begin, last + 1):
            kind, fields = self.sent.get(number, ("0", ()))
            if kind in ADMIN:
                gap = gap or number
                continue
            if gap:
                answer += self.build("4", gap, (123, "Y"), (36, number), dup=True)
                gap = 0
            answer += self.build(kind, number, *fields, dup=True)
        if gap:
            answer += self.build("4", gap, (123, "Y"), (36, last + 1), dup=True)
        return answer


class Client(Engine):
    def on_logon(self, got, number):
        self.logged_on = True
        if got.get(141) == "Y":
            assert number == 1
        if number < self.next_in:
            raise TooLowError(f"client expects {self.next_in}, got Logon {number}")
        if number > self.next_in:
            self.early[number] = got
            return self.ask()
        self.next_in += 1
        return b""


class Exchange(Engine):
    def on_logon(self, got, number):
        assert 20030 not in got
        reset = got.get(141) == "Y"
        if reset:
            self.restart()
        if number < self.next_in:
            raise TooLowError(f"exchange expects {self.next_in}, got Logon {number}")
        self.logged_on = True
        answer = self.logon(*([(141, "Y")] if reset else []))
        if number > self.next_in:
            self.early[number] = got
            return answer + self.ask()
        self.next_in += 1
        return answer
