"""Every conversation again, with each step held against the table; and the table against them."""

import inspect

import pytest

from gateway.core.session import OUTPUTS, TRANSITIONS, Session
from gateway.core.states import Closed

from . import test_session, test_session_logins

CONVERSATIONS = [
    pytest.param(test, case, id=f"{name}-{number}")
    for module in (test_session, test_session_logins)
    for name, test in vars(module).items()
    if name.startswith("test_") and inspect.isfunction(test)
    for number, case in enumerate(
        next((mark.args[1] for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"), [()])
    )
]


@pytest.fixture(scope="module")
def seen():
    """Play all conversations; return the steps that were made: state, event, state."""
    steps, handle = set(), Session.handle

    def watched(self, event, now):
        before = type(self.state)
        actions = handle(self, event, now)
        steps.add((before, type(event), type(self.state)))
        return actions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "handle", watched)
        for conversation in CONVERSATIONS:
            test, case = conversation.values
            test(*(case if isinstance(case, tuple) else (case,)))
    return steps


def test_every_step_leads_only_where_the_table_says(seen):
    for before, event, after in seen:
        transition = TRANSITIONS.get((before, event))
        allowed = transition.leads_to if transition else (before,)
        assert after in allowed, f"{before.__name__} -{event.__name__}-> {after.__name__}"


def test_every_arrow_of_the_table_is_walked_by_a_conversation(seen):
    table = {(state, event, after) for (state, event), to in TRANSITIONS.items() for after in to.leads_to}
    unwalked = [" ".join(part.__name__ for part in arrow) for arrow in table - seen]
    assert sorted(unwalked) == []


def test_each_state_reaches_closed():
    reachable = {}
    for (state, _), transition in TRANSITIONS.items():
        reachable.setdefault(state, set()).update(transition.leads_to)
    for state in reachable:
        todo, done = [state], set()
        while todo:
            here = todo.pop()
            done.add(here)
            todo += [there for there in reachable[here] if there not in done]
        assert Closed in done


def test_every_output_of_a_dialect_is_heeded_somewhere():
    from typing import get_args

    from gateway.core.dialect import Output

    assert set(OUTPUTS) == set(get_args(Output))
