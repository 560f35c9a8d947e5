import json

import pytest

from gateway.core.dialect import Answered, Farewell, Found, Pass, Side, Violation
from gateway.core.login import Admitted, Memory, Moment, Refused
from gateway.core.reason import Reason
from gateway.protocols.fix.dialect import FixDialect
from gateway.protocols.fix.venue import Acceptance, Refusal, Venue
from tests.fixbytes import SENDING, from_engine, logon, message, read, split

NOW = Moment(0.0, SENDING)
LATER = Moment(600.0, SENDING + 600)
ANSWER = ((98, 0), (108, 30))
ORDER = message("D", 3, (11, "order"))
REPORT = from_engine("8", 2, (37, "report"))


def value(out, into=2, holes=(), ok=1, again=0):
    return json.dumps({"v": 1, "out": out, "in": into, "ok": ok, "holes": list(holes), "again": again}).encode()


FRESH = Memory("k")


def session(memory=FRESH, first=1, venue=None, **how):
    """A passing session; `first` is the number of the engine's Logon."""
    dialect = FixDialect(venue)
    dialect.feed(Side.CLIENT, logon(how.pop("number", 2), *how.pop("fields", ())), NOW)
    dialect.admitted(Admitted("s", "alice", 1790, 86400, memory))
    outputs = dialect.feed(Side.UPSTREAM, from_engine("A", first, *ANSWER), NOW)
    dialect.released(NOW)
    return dialect, outputs


def arrive(dialect, side, data, now=NOW):
    out = dialect.watch(side)(data)
    if out is not None:
        return [Pass(side.other, out)] if out else []
    return dialect.feed(side, data, now)


def texts(outputs, to):
    return [read(one) for output in outputs if output.to is to for one in split(output.data)]


def refuse(memory, reason=Reason.BAD_CODE, *, number=1, refusal=Refusal.AUTO, begin="FIX.4.4", fields=()):
    acceptance = Acceptance(refusal=refusal)
    dialect = FixDialect(acceptance=acceptance)
    (found,) = dialect.feed(Side.CLIENT, logon(number, *fields, begin=begin), NOW)
    assert isinstance(found, Found)
    return dialect.refused(Refused(reason, "Login refused", memory=memory))


# ── refusing ──


@pytest.mark.req("BY-1")
def test_a_refusal_is_a_logout_with_text_whose_number_is_committed_as_a_hole():
    farewell = refuse(Memory("k"))
    (logout,) = split(farewell.message)
    said = read(logout)
    assert {35: "5", 49: "EXCH", 56: "CLIENT", 34: "1", 58: "Login refused"}.items() <= said.items()
    assert {43, 122, 1409}.isdisjoint(said)
    assert json.loads(farewell.value)["holes"] == [1]


@pytest.mark.parametrize(
    ("reason", "status"), [(Reason.BAD_CODE, "5"), (Reason.LOCKED, "5"), (Reason.UNAVAILABLE, "7")]
)
def test_session_status_is_said_on_fixt_only_and_neutral_reasons_read_the_same(reason, status):
    assert read(refuse(Memory("k"), reason, begin="FIXT.1.1").message)[1409] == status
    assert 1409 not in read(refuse(Memory("k"), reason, begin="FIX.4.2").message)


def test_sub_identifiers_are_mirrored():
    said = read(refuse(Memory("k"), fields=[(50, "desk"), (142, "LDN"), (57, "floor")]).message)
    assert (said[57], said[143], said[50]) == ("desk", "LDN", "floor")


def test_a_listener_that_closes_never_says_a_byte_and_one_that_must_speak_always_does():
    broken = Memory("k", 4, value(20, 2, ok=0))
    assert refuse(Memory("k"), refusal=Refusal.CLOSE) == Farewell()
    assert refuse(broken, number=9) == Farewell()
    assert read(refuse(broken, number=9, refusal=Refusal.LOGOUT).message)[34] == "21"


def test_a_foreign_value_is_answered_with_silence():
    assert refuse(Memory("k", 1, b"?"), number=9) == Farewell()


# ── admitting ──


@pytest.mark.req("CQ-7")
def test_the_engines_answer_carries_the_inactivity_timeout_in_minutes_where_the_venue_has_it():
    _, outputs = session(venue=Venue(inactivity_tag=20190))
    (answer,) = texts(outputs[:1], Side.CLIENT)
    assert answer[20190] == "30"
    assert outputs[1] == Answered(accepted=True)


def test_without_holes_the_engines_answer_is_untouched():
    _, outputs = session()
    assert outputs == [Pass(Side.CLIENT, from_engine("A", 1, *ANSWER)), Answered(accepted=True)]


@pytest.mark.parametrize("kind", ["5", "3"])
def test_an_engine_that_says_no_is_passed_on_and_reported(kind):
    dialect = FixDialect()
    dialect.feed(Side.CLIENT, logon(1), NOW)
    dialect.admitted(Admitted("s", "alice", 1800, 86400, Memory("k")))
    no = from_engine(kind, 1, (58, "no"))
    assert dialect.feed(Side.UPSTREAM, no, NOW) == [Pass(Side.CLIENT, no), Answered(accepted=False)]


# ── passing with holes ──


@pytest.mark.req("BY-1")
def test_the_engines_numbers_step_over_the_holes_and_the_clients_references_back():
    dialect, outputs = session(Memory("k", 2, value(21, 2, [21])), first=21)
    assert texts(outputs[:1], Side.CLIENT)[0][34] == "22"
    down = texts(arrive(dialect, Side.UPSTREAM, from_engine("8", 22)), Side.CLIENT)
    assert down[0][34] == "23"
    up = texts(arrive(dialect, Side.CLIENT, message("3", 3, (45, 23), (369, 23))), Side.UPSTREAM)
    assert (up[0][34], up[0][45], up[0][369]) == ("3", "22", "22")


@pytest.mark.req("BY-1")
def test_a_resend_request_across_a_hole_is_answered_by_both():
    dialect, _ = session(Memory("k", 2, value(21, 2, [20, 21])), first=20)
    outputs = arrive(dialect, Side.CLIENT, message("2", 3, (7, 20), (16, 0)))
    assert texts(outputs, Side.UPSTREAM)[0][7] == "20"
    fills = texts(outputs, Side.CLIENT)
    assert [(fill[34], fill[36]) for fill in fills] == [("20", "21"), ("21", "22")]
    for fill in fills:
        assert {35: "4", 43: "Y", 123: "Y"}.items() <= fill.items()
        assert fill[122] == fill[52]


@pytest.mark.req("BY-1")
def test_the_last_of_a_long_row_of_holes_is_filled_by_itself():
    """QuickFIX takes a resend for finished when it sees the last number it asked for; else it never asks again."""
    dialect, _ = session(Memory("k", 2, value(23, 2, [20, 21, 22, 23])), first=20)
    outputs = arrive(dialect, Side.CLIENT, message("2", 3, (7, 20), (16, 23)))
    assert [(fill[34], fill[36]) for fill in texts(outputs, Side.CLIENT)] == [("20", "23"), ("23", "24")]


@pytest.mark.req("BY-1")
def test_a_resend_request_for_holes_only_reaches_the_engine_as_a_heartbeat_that_keeps_its_number():
    dialect, _ = session(Memory("k", 2, value(21, 2, [21])), first=21)
    outputs = arrive(dialect, Side.CLIENT, message("2", 3, (7, 21), (16, 21)))
    (beat,) = texts(outputs, Side.UPSTREAM)
    assert (beat[35], beat[34], beat.get(7), beat.get(16)) == ("0", "3", None, None)
    assert [(fill[34], fill[36]) for fill in texts(outputs, Side.CLIENT)] == [("21", "22")]


@pytest.mark.req("BY-1")
def test_a_hole_in_the_middle_of_a_resend_is_filled_where_the_client_comes_to_it():
    dialect, _ = session(Memory("k", 2, value(21, 2, [11])), first=21)
    arrive(dialect, Side.CLIENT, message("2", 3, (7, 10), (16, 0)))
    down = texts(arrive(dialect, Side.UPSTREAM, from_engine("8", 10, dup=True)), Side.CLIENT)
    assert [(one[35], one[34], one.get(36)) for one in down] == [("8", "10", None), ("4", "11", "12")]
    skip = from_engine("4", 11, (123, "Y"), (36, 22), dup=True)
    down = texts(arrive(dialect, Side.UPSTREAM, skip), Side.CLIENT)
    assert [(one[34], one[36]) for one in down] == [("12", "23")]


@pytest.mark.req("BY-1")
def test_an_engine_that_restarted_its_numbers_makes_the_logouts_of_the_day_the_holes():
    _, outputs = session(Memory("k", 2, value(21, 40, [21], again=2)), first=1)
    assert texts(outputs[:1], Side.CLIENT)[0][34] == "3"


@pytest.mark.req("BY-1")
def test_a_reset_forgets_the_holes():
    dialect, outputs = session(Memory("k", 2, value(21, 40, [21], again=2)), first=1, number=1, fields=[(141, "Y")])
    assert texts(outputs[:1], Side.CLIENT)[0][34] == "1"
    assert arrive(dialect, Side.UPSTREAM, REPORT) == [Pass(Side.CLIENT, REPORT)]


def test_a_sequence_reset_of_the_engine_forgets_the_holes():
    dialect, _ = session(Memory("k", 2, value(21, 2, [21])), first=21)
    reset = from_engine("4", 22, (36, 100))
    assert arrive(dialect, Side.UPSTREAM, reset) == [Pass(Side.CLIENT, reset)]
    later = from_engine("8", 100)
    assert arrive(dialect, Side.UPSTREAM, later) == [Pass(Side.CLIENT, later)]


def test_next_expected_msg_seq_num_is_mapped_and_its_hole_filled_behind_the_answer():
    dialect = FixDialect()
    dialect.feed(Side.CLIENT, logon(2, (789, 21)), NOW)
    (forwarded,) = dialect.admitted(Admitted("s", "a", 1800, 86400, Memory("k", 2, value(21, 2, [21]))))
    assert read(forwarded.data)[789] == "21"
    outputs = dialect.feed(Side.UPSTREAM, from_engine("A", 21, *ANSWER), NOW)
    fill = read(outputs[2].data)
    assert (fill[35], fill[34], fill[36]) == ("4", "21", "22")


# ── a Logon in mid-session ──


def test_the_same_identity_may_log_on_again_and_its_secrets_stay_here():
    dialect, _ = session()
    outputs = arrive(dialect, Side.CLIENT, logon(1, (141, "Y")))
    assert outputs == [Pass(Side.UPSTREAM, logon(1, (141, "Y"), code=None))]


@pytest.mark.req("CQ-3")
def test_an_encrypted_password_in_mid_session_stays_here_and_nothing_has_to_be_opened():
    dialect, _ = session(venue=Venue(password_tag=1402, encrypted=True, forward_password=False))
    again = logon(1, (141, "Y"), (1400, 1), (1401, 3), (1402, b"\x01=\x01"), password=None)
    assert arrive(dialect, Side.CLIENT, again) == [Pass(Side.UPSTREAM, logon(1, (141, "Y"), password=None, code=None))]


def test_a_reset_in_mid_session_forgets_the_holes():
    dialect, _ = session(Memory("k", 2, value(21, 2, [21])), first=21)
    arrive(dialect, Side.CLIENT, logon(1, (141, "Y")))
    answer = from_engine("A", 1, *ANSWER, (141, "Y"))
    assert arrive(dialect, Side.UPSTREAM, answer) == [Pass(Side.CLIENT, answer)]
    assert read(dialect.dismissed(Reason.IDLE, "idle", LATER).message)[34] == "2"


def test_a_report_between_a_reset_and_its_answer_has_the_new_numbers_already():
    dialect, _ = session(Memory("k", 2, value(21, 2, [21])), first=21)
    arrive(dialect, Side.CLIENT, logon(1, (141, "Y")))
    early, answer = from_engine("8", 1), from_engine("A", 2, *ANSWER, (141, "Y"))
    assert arrive(dialect, Side.UPSTREAM, early) == [Pass(Side.CLIENT, early)]
    assert arrive(dialect, Side.UPSTREAM, answer) == [Pass(Side.CLIENT, answer)]


def test_what_an_engine_sends_before_it_has_seen_the_reset_keeps_the_old_numbers():
    dialect, _ = session(Memory("k", 2, value(21, 2, [21])), first=21)
    arrive(dialect, Side.CLIENT, logon(1, (141, "Y")))
    (late,) = texts(arrive(dialect, Side.UPSTREAM, from_engine("8", 22)), Side.CLIENT)
    assert late[34] == "23"


@pytest.mark.parametrize("other", [{"user": "bob"}, {"sender": "OTHER"}, {"target": "OTHER"}, {"user": None}])
def test_another_identity_is_a_violation(other):
    dialect, _ = session()
    assert arrive(dialect, Side.CLIENT, logon(9, **other)) == [Violation(Reason.IDENTITY_CHANGED)]


# ── the end ──


@pytest.mark.req("BY-5")
def test_a_forced_logout_takes_the_number_behind_the_last_one_sent_and_the_engine_gets_nothing():
    dialect, _ = session()
    assert arrive(dialect, Side.UPSTREAM, REPORT + from_engine("8", 3)) == [
        Pass(Side.CLIENT, REPORT + from_engine("8", 3))
    ]
    farewell = dialect.dismissed(Reason.IDLE, "idle", LATER)
    assert (read(farewell.message)[34], read(farewell.message)[58]) == ("4", "idle")
    assert json.loads(farewell.value)["holes"] == [4]
    assert dialect.epilogue().value == farewell.value


@pytest.mark.req("BY-5")
def test_while_the_client_waits_for_a_resend_nothing_is_said():
    dialect, _ = session()
    arrive(dialect, Side.UPSTREAM, REPORT)
    arrive(dialect, Side.CLIENT, message("2", 3, (7, 1), (16, 0)))
    assert dialect.dismissed(Reason.IDLE, "idle", LATER) == Farewell()
    arrive(dialect, Side.UPSTREAM, from_engine("4", 1, (123, "Y"), (36, 2), dup=True))
    arrive(dialect, Side.UPSTREAM, from_engine("8", 2, dup=True))
    assert read(dialect.dismissed(Reason.IDLE, "idle", LATER).message)[34] == "3"


@pytest.mark.req("BY-5")
@pytest.mark.parametrize("last", [b"garbage", REPORT[:-7] + b"\x01\x01\x01\x01\x01\x01\x01", from_engine("5", 2)])
def test_where_the_number_is_not_certain_nothing_is_said(last):
    dialect, _ = session()
    arrive(dialect, Side.UPSTREAM, last)
    arrive(dialect, Side.UPSTREAM, b"\x01\x01")
    assert dialect.dismissed(Reason.IDLE, "idle", LATER) == Farewell()


def test_both_logouts_make_an_orderly_end():
    dialect, _ = session()
    arrive(dialect, Side.CLIENT, message("5", 3))
    assert not dialect.epilogue().orderly
    arrive(dialect, Side.UPSTREAM, from_engine("5", 2))
    end = dialect.epilogue()
    assert end.orderly
    assert json.loads(end.value) == {"v": 1, "out": 2, "in": 4, "ok": 1, "holes": [], "again": 0}


def test_a_login_that_never_reached_the_engine_leaves_the_stream_as_it_was_but_for_the_hole():
    dialect = FixDialect()
    dialect.feed(Side.CLIENT, logon(2), NOW)
    memory = Memory("k", 2, value(20, 2))
    farewell = dialect.refused(Refused(Reason.UPSTREAM_UNREACHABLE, "no", memory=memory))
    assert read(farewell.message)[34] == "21"
    assert dialect.epilogue().value == farewell.value


# ── untouched ──


@pytest.mark.parametrize(
    "odd",
    [
        message("D", 3, (11, "x"), checksum=7),
        message("D", 3, (11, "x"), length=99999),
        b"hello world\x01",
        message("D", 3, (58, "a"), (58, "b")),
        message("D", 3, (95, 3), (96, b"\x00\x01\x00")),
        message("D", 3, (95, 1_000_000), (96, b"\x01" * 1_000_000)),
    ],
)
def test_after_admission_the_stream_is_the_engines_own(odd):
    dialect, _ = session()
    outputs = arrive(dialect, Side.CLIENT, odd)
    outputs += arrive(dialect, Side.CLIENT, ORDER)
    assert b"".join(output.data for output in outputs) == odd + ORDER


@pytest.mark.req("SF-10")
@pytest.mark.parametrize(("kind", "business"), [("0", 0), ("1", 0), ("2", 0), ("4", 0), ("5", 0), ("D", 1), ("AE", 1)])
def test_only_business_messages_count_against_idleness(kind, business):
    dialect, _ = session()
    arrive(dialect, Side.CLIENT, message(kind, 3, (7, 1), (16, 1), (36, 4)))
    watch = dialect.watch(Side.CLIENT)
    assert watch.business == bool(business)
    watch.business = False
    arrive(dialect, Side.CLIENT, message(kind, 4) * 5)
    assert watch.business == bool(business)
