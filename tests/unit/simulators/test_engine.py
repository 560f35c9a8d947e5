"""Dictionaries and settings that QuickFIX itself accepts."""

from pathlib import Path

import pytest
import quickfix as fix

from simulators import engine

FILES = {"FIX42.xml": "FIX.4.2", "FIX44.xml": "FIX.4.4", "FIXT11.xml": "FIXT.1.1", "FIX50SP2.xml": "FIX.5.0"}
SESSION_LAYER = [name for name in FILES if name != "FIX50SP2.xml"]


@pytest.mark.parametrize(("file", "version"), FILES.items())
def test_quickfix_reads_each_dictionary(file: str, version: str) -> None:
    assert fix.DataDictionary(str(engine.SPECS / file)).getVersion() == version


@pytest.mark.parametrize("file", SESSION_LAYER)
@pytest.mark.parametrize("tag", [95, 96, 141, 553, 554, 925, 1400, 1401, 1402, 1403, 1404, 20030, 20190])
def test_a_logon_may_carry_what_venues_put_there(file: str, tag: int) -> None:
    assert fix.DataDictionary(str(engine.SPECS / file)).isMsgField("A", tag)


@pytest.mark.parametrize("file", SESSION_LAYER)
@pytest.mark.parametrize("tag", [91, 96, 213, 355, 1402, 1404])
def test_data_fields_are_read_by_their_length(file: str, tag: int) -> None:
    assert fix.DataDictionary(str(engine.SPECS / file)).isDataField(tag)


@pytest.mark.parametrize(("file", "known"), [("FIX42.xml", False), ("FIX44.xml", False), ("FIXT11.xml", True)])
def test_session_status_is_known_to_fixt_only(file: str, *, known: bool) -> None:
    assert fix.DataDictionary(str(engine.SPECS / file)).isMsgField("5", 1409) == known


def setup(begin_string: str, store: Path | None = None) -> engine.Setup:
    return engine.Setup(begin_string, "US", ("THEM", "OTHERS"), store, None, engine.SPECS, 30, ("ResetOnLogon",))


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_settings_hold_a_session_for_each_target(begin_string: str) -> None:
    wanted = setup(begin_string)

    settings = wanted.settings({"ConnectionType": "acceptor"})

    for session_id in wanted.session_ids():
        assert settings.get(session_id).getString("ResetOnLogon") == "Y"


def test_a_session_is_found_by_its_target_or_is_the_first() -> None:
    sessions = setup("FIX.4.4").session_ids()

    assert engine.first_or_matching(sessions, "OTHERS") is sessions[1]
    assert engine.first_or_matching(sessions, "") is sessions[0]
    assert engine.first_or_matching(sessions, "NOBODY") is None


def test_fields_are_shown_without_secrets() -> None:
    logon = engine.message("FIX.4.4", "A", {108: 30, 553: "alice", 554: "canary", 20030: "123456"})

    fields = engine.shown(logon)

    assert fields["553"] == "alice"
    assert {fields["554"], fields["20030"]} == {"(present)"}


def test_only_fields_that_are_there_are_named() -> None:
    logout = engine.message("FIX.4.4", "5", {58: "bye"})

    assert engine.named(logout, {58: "text", 1409: "status"}) == {"text": "bye"}
