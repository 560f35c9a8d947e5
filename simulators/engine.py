"""What the exchange and the algorithm have in common as QuickFIX engines: settings, stores, dictionaries, messages.

QuickFIX's sessions are global to a process, so one process plays one side.
It must not know what an order or a password is.
"""

import argparse
import datetime as dt
import functools
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec

import quickfix as fix

SPECS = Path(__file__).resolve().parent.parent / "fix_specs"
FIXT = "FIXT.1.1"
_DICTIONARY = {"FIX.4.2": "FIX42.xml", "FIX.4.4": "FIX44.xml"}
_SECRET_TAGS = frozenset({89, 96, 554, 925, 1402, 1404, 20030})
_SHOWN_AS = "(present)"


P = ParamSpec("P")
_SOFTWARE_ERROR = 70  # sysexits.h


def callback(function: Callable[P, None]) -> Callable[P, None]:
    """Wrap what QuickFIX calls: its own exceptions pass, any other ends the process at once, with the traceback.

    Left to itself QuickFIX calls exit() on its thread, which waits for ever for the one that reads commands.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except fix.FIXException:
            raise
        except BaseException:  # noqa: BLE001  anything else is our mistake, and nobody above us could see it
            traceback.print_exc()
            os._exit(_SOFTWARE_ERROR)

    return wrapped


@dataclass(frozen=True)
class Setup:
    """One side's settings, common to all its sessions. `begin_string` is FIX.4.2, FIX.4.4 or FIXT.1.1 (= FIX.5.0SP2).

    Invariant: nothing here is secret; it is written to a file that QuickFIX reads.
    """

    begin_string: str
    sender: str
    targets: tuple[str, ...]
    store: Path | None
    log_dir: Path | None
    spec_dir: Path
    heartbeat: int
    switches: tuple[str, ...]

    def session_ids(self) -> list[Any]:
        """Return QuickFIX's ids of the sessions, one for each target."""
        return [fix.SessionID(self.begin_string, self.sender, target) for target in self.targets]

    def settings(self, special: Mapping[str, object]) -> Any:
        """Return QuickFIX's settings, `special` being what only an acceptor or only an initiator has."""
        sections = [("DEFAULT", {**self._common(), **special})]
        sections += [("SESSION", {"TargetCompID": target}) for target in self.targets]
        lines = [line for name, values in sections for line in _section(name, values)]
        with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            return fix.SessionSettings(file.name)

    def store_factory(self) -> Any:
        """Return a file store, or one in memory when no folder was given."""
        if self.store is None:
            return fix.MemoryStoreFactory()
        self.store.mkdir(parents=True, exist_ok=True)
        return fix.FileStoreFactory(str(self.store))

    def log_factory(self) -> Any:
        """Return QuickFIX's own log in files, or None. It shows every message, passwords included."""
        if self.log_dir is None:
            return None
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return fix.FileLogFactory(str(self.log_dir))

    def _common(self) -> dict[str, object]:
        return {
            "BeginString": self.begin_string,
            "SenderCompID": self.sender,
            "NonStopSession": "Y",  # no end of day: numbers are reset when somebody asks for it, never by the clock
            "HeartBtInt": self.heartbeat,
            "SocketNodelay": "Y",
            "ValidateUserDefinedFields": "Y",
            **self._dictionaries(),
            **dict.fromkeys(self.switches, "Y"),
        }

    def _dictionaries(self) -> dict[str, object]:
        if self.begin_string == FIXT:
            return {
                "DefaultApplVerID": "FIX.5.0SP2",
                "TransportDataDictionary": self.spec_dir / "FIXT11.xml",
                "AppDataDictionary": self.spec_dir / "FIX50SP2.xml",
            }
        return {"DataDictionary": self.spec_dir / _DICTIONARY[self.begin_string]}


def _section(name: str, values: Mapping[str, object]) -> Iterator[str]:
    yield f"[{name}]"
    yield from (f"{key}={value}" for key, value in values.items())


SWITCHES = {
    "--reset-on-logon": "ResetOnLogon",
    "--reset-on-logout": "ResetOnLogout",
    "--reset-on-disconnect": "ResetOnDisconnect",
    "--next-expected": "SendNextExpectedMsgSeqNum",
}


def add_arguments(parser: argparse.ArgumentParser, *, sender: str, target: str) -> None:
    """Add the options that both sides have."""
    add = parser.add_argument
    versions = [*_DICTIONARY, FIXT, "FIX.5.0SP2"]
    add("--begin-string", choices=versions, default="FIX.4.4", help="FIX.5.0SP2 travels as FIXT.1.1 (default FIX.4.4)")
    add("--sender", default=sender, metavar="COMPID", help=f"our CompID (default {sender})")
    add("--target", action="append", metavar="COMPID", help=f"their CompID; repeat for more sessions ({target})")
    add("--store", type=Path, metavar="DIR", help="keep numbers and messages in files here (default: in memory)")
    add("--log-dir", type=Path, metavar="DIR", help="QuickFIX's own message log; it shows passwords (default: none)")
    add("--spec-dir", type=Path, default=SPECS, metavar="DIR", help="data dictionaries (default: fix_specs)")
    add("--heartbeat", type=int, default=30, metavar="SECONDS", help="HeartBtInt(108) (default 30)")
    for option, setting in SWITCHES.items():
        add(option, action="append_const", const=setting, dest="switches", help=f"QuickFIX's {setting} (default off)")
    add("--json", action="store_true", help="events and answers as JSON, one object a line")
    add("--no-control", action="store_true", help="don't read commands: run until SIGTERM")


def setup(options: argparse.Namespace, default_target: str) -> Setup:
    """Return the settings that the parsed options ask for."""
    return Setup(
        begin_string=FIXT if options.begin_string == "FIX.5.0SP2" else options.begin_string,
        sender=options.sender,
        targets=tuple(options.target or [default_target]),
        store=options.store,
        log_dir=options.log_dir,
        spec_dir=options.spec_dir,
        heartbeat=options.heartbeat,
        switches=tuple(options.switches or ()),
    )


def message(begin_string: str, msg_type: str, fields: Mapping[int, object]) -> Any:
    """Return a QuickFIX message; header and trailer are the engine's business."""
    built = fix.Message()
    built.getHeader().setField(8, begin_string)
    built.getHeader().setField(35, msg_type)
    for tag, value in fields.items():
        built.setField(tag, str(value))
    return built


def value(fields: Any, tag: int) -> str | None:
    """Return the field's value in a message or header, or None."""
    field = fix.StringField(tag)
    return str(field.getString()) if fields.getFieldIfSet(field) else None


def named(fields: Any, names: Mapping[int, str]) -> dict[str, str]:
    """Return the fields that are there, by the names given for their tags."""
    found = {name: value(fields, tag) for tag, name in names.items()}
    return {name: text for name, text in found.items() if text is not None}


def shown(received: Any) -> dict[str, str]:
    """Return a message's fields by tag, secrets replaced by a word; a data field with SOH inside is cut short there."""
    pairs = (field.partition("=") for field in str(received.toString()).split("\x01"))
    return {tag: _SHOWN_AS if int(tag) in _SECRET_TAGS else text for tag, _, text in pairs if tag.isdigit()}


def now() -> str:
    """Return the time as FIX's UTCTimestamp with milliseconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def first_or_matching(session_ids: Sequence[Any], target: str) -> Any | None:
    """Return the session with that TargetCompID, the first one when no name is given, None when there is none."""
    wanted = [session for session in session_ids if target in ("", session.getTargetCompID().getString())]
    return wanted[0] if wanted else None
