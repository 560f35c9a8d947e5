"""BY-4: whatever a login waited for, the authority is asked about it as of when it came."""

import pytest

from gateway.core import events as ev
from gateway.core.dialect import Side
from gateway.core.login import Moment, Origin, Refused
from gateway.core.reason import Reason
from gateway.core.session import Limits, Session

from .conversation import GRANT, ROUTES
from .lines import ManyLogins

NO = Refused(Reason.BAD_CODE, "text")


def moment(seconds):
    return Moment(1000.0 + seconds, 1.7e9 + seconds)


class Line:
    """A connection that outlives its logins; `asked` are the questions to the authority, in order."""

    def __init__(self):
        self.session = Session(ManyLogins(), ROUTES, Origin("c1", "l", "192.0.2.1", 9), Limits(60, 60), moment(0))
        self.asked = []
        self.at(0, ev.Connected()).at(0, ev.Dialled())

    def at(self, seconds, event):
        actions = self.session.handle(event, moment(seconds))
        self.asked += [action.attempt for action in actions if isinstance(action, ev.Verify)]
        return self

    def client(self, text, *, came, read):
        return self.at(read, ev.Received(Side.CLIENT, text, moment(came)))

    def judged(self, seconds, verdict):
        return self.at(seconds, ev.Judged(verdict, self.asked[-1]))

    @property
    def arrived(self):
        return [attempt.arrived for attempt in self.asked]


@pytest.mark.req("BY-4")
def test_a_login_that_waited_outside_is_judged_by_when_it_came():
    line = Line().client(b"LOGIN alice 1", came=3, read=33)

    assert line.arrived == [moment(3)]


@pytest.mark.req("BY-4")
def test_a_login_behind_one_that_is_refused_late_is_judged_by_when_it_came():
    line = Line().client(b"LOGIN alice 1/LOGIN alice 2", came=1, read=1).judged(40, NO)

    assert line.arrived == [moment(1), moment(1)]


@pytest.mark.req("BY-4")
def test_a_login_behind_one_that_the_engine_refuses_late_is_judged_by_when_it_came():
    line = Line().client(b"LOGIN alice 1/LOGIN alice 2", came=1, read=1).judged(20, GRANT)

    line.at(40, ev.Received(Side.UPSTREAM, b"NO", moment(40)))

    assert line.arrived == [moment(1), moment(1)]


@pytest.mark.req("BY-4")
def test_a_renewal_is_judged_by_when_it_came():
    line = Line().client(b"LOGIN alice 1", came=1, read=1).judged(2, GRANT)
    line.at(3, ev.Received(Side.UPSTREAM, b"OK", moment(3)))

    line.client(b"NEW 2", came=5, read=35)

    assert line.arrived == [moment(1), moment(5)]
