"""Events out, commands in: how a person or a test steers a simulator.

One line is one event on standard output and one command on standard input. With `--json` both are JSON objects;
without it events are readable text, and commands may be typed as `send count=5`.
It must not know what any event or command means, nor print a secret: callers leave those out.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

Result = Mapping[str, object]


class CommandError(Exception):
    """The command is unknown, malformed or can't be carried out; the text says what is allowed."""


class Command:
    """One line of the control channel: `{"do": "send", "count": 5, "id": 7}` or `send count=5`.

    Invariant: `name` is never empty.
    """

    def __init__(self, line: str) -> None:
        fields = _fields(line)
        self.name = str(fields.pop("do", ""))
        self.id = fields.pop("id", None)
        self._fields = fields
        if not self.name:
            raise CommandError('a command needs a name: {"do": "state"} or: state')

    def text(self, name: str, default: str = "") -> str:
        """Return the named value as text."""
        return str(self._fields.get(name, default))

    def number(self, name: str, default: int) -> int:
        """Return the named value as an integer; CommandError if it isn't one."""
        value = self._fields.get(name, default)
        try:
            return int(str(value))
        except ValueError:
            raise CommandError(f"{name} must be a whole number, not {value!r}") from None

    def flag(self, name: str) -> bool:
        """Return whether the named value says yes: true, 1, y or yes."""
        return str(self._fields.get(name, "")).lower() in {"true", "1", "y", "yes"}


Handler = Callable[[Command], Result | None]


def _fields(line: str) -> dict[str, object]:
    if not line.lstrip().startswith("{"):
        name, *pairs = line.split()
        return {"do": name, **dict(pair.split("=", 1) for pair in pairs if "=" in pair)}
    try:
        value = json.loads(line)
    except ValueError as error:
        raise CommandError(f"not a JSON object: {error}") from None
    return dict(value)


class Console:
    """Writes whole lines, even when several engine threads speak at once."""

    def __init__(self, out: TextIO = sys.stdout, *, as_json: bool) -> None:
        self._out = out
        self._as_json = as_json
        self._lock = threading.Lock()

    def event(self, name: str, /, **fields: object) -> None:
        """Write one event; a reader that has gone away is not an error."""
        record = {"event": name, **{key: value for key, value in fields.items() if value is not None}}
        line = json.dumps(record) if self._as_json else _readable(record)
        try:
            with self._lock:
                self._out.write(line + "\n")
                self._out.flush()
        except BrokenPipeError:
            pass  # whoever read us is gone; the end of standard input will stop us

    def serve(self, lines: Iterable[str], handlers: Mapping[str, Handler]) -> None:
        """Carry out commands until the input ends or `stop` has been carried out."""
        for line in lines:
            if line.strip() and not self._carry_out(line, handlers):
                return

    def _carry_out(self, line: str, handlers: Mapping[str, Handler]) -> bool:
        command_id: object = None
        try:
            command = Command(line)
            command_id = command.id
            result = _handler(command, handlers)(command) or {}
        except CommandError as error:
            self.event("answer", id=command_id, error=str(error))
            return True
        self.event("answer", id=command.id, do=command.name, **result)
        return command.name != "stop"


def _handler(command: Command, handlers: Mapping[str, Handler]) -> Handler:
    if command.name not in handlers:
        raise CommandError(f"unknown command {command.name!r}; known: {', '.join(sorted(handlers))}")
    return handlers[command.name]


def _readable(record: Mapping[str, object]) -> str:
    fields = "  ".join(f"{key}={value}" for key, value in record.items() if key != "event")
    return f"{time.strftime('%H:%M:%S')}  {record['event']:<16}  {fields}".rstrip()
