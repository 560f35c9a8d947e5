"""The control channel: what a line means, and what is written."""

import io
import json

import pytest

from simulators.console import Command, CommandError, Console


@pytest.mark.parametrize("line", ['{"do": "send", "count": 5, "stay": true}', "send count=5 stay=y"])
def test_a_command_may_be_json_or_typed(line: str) -> None:
    command = Command(line)

    assert (command.name, command.number("count", 1), command.flag("stay")) == ("send", 5, True)


def test_what_a_command_leaves_out_has_its_default() -> None:
    command = Command("send")

    assert (command.text("session"), command.number("count", 1), command.flag("stay")) == ("", 1, False)


@pytest.mark.parametrize("line", ['{"count": 5}', "{not json", "{}"])
def test_a_line_that_is_no_command_is_refused(line: str) -> None:
    with pytest.raises(CommandError):
        Command(line)


def test_a_number_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(CommandError, match="count must be a whole number"):
        Command("send count=many").number("count", 1)


def served(text: str) -> list[dict[str, object]]:
    out = io.StringIO()
    handlers = {"add": lambda command: {"sum": command.number("a", 0) + 1}, "stop": lambda _: None}
    Console(out, as_json=True).serve(text.splitlines(), handlers)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_answer_carries_the_commands_id() -> None:
    assert served('{"do": "add", "a": 4, "id": 9}') == [{"event": "answer", "id": 9, "do": "add", "sum": 5}]


def test_an_unknown_command_names_the_known_ones_and_the_next_is_carried_out() -> None:
    answers = served("jump\nadd a=1")

    assert answers[0]["error"] == "unknown command 'jump'; known: add, stop"
    assert answers[1]["sum"] == 2


def test_nothing_is_carried_out_after_stop() -> None:
    assert [answer["do"] for answer in served("stop\nadd")] == ["stop"]


def test_an_event_without_json_is_one_readable_line() -> None:
    out = io.StringIO()

    Console(out, as_json=False).event("fill", exec_id="E-1", cl_ord_id=None)

    assert out.getvalue().split()[1:] == ["fill", "exec_id=E-1"]
