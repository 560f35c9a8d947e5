"""People from CSV: every fault with its line, and nothing but values out."""

from dataclasses import replace

import pytest

from gateway.auth.intake.rows import read_csv
from gateway.auth.intake.values import MOST_BYTES
from gateway.core.secret import Secret
from gateway.policy.rules import SecondFactor
from gateway.policy.snapshot import Device, Method, User

KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def same(one: Device | None, other: Device) -> bool:
    """Two secrets are never equal; what they hide is compared here."""
    return one is not None and one.key.reveal() == other.key.reveal() and replace(one, key=other.key) == other


def faults(text: str | bytes) -> list[tuple[int, str]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [(fault.line, fault.text) for fault in read_csv(data).faults]


@pytest.mark.req("HK-8", "HK-7", "CQ-4")
def test_a_line_becomes_a_person_with_an_authenticator():
    text = (
        "user,organisation,email,method,second_factor,processes,certificates,routes,valid_from,valid_until,totp_key,digits\r\n"
        f'B01610A1,"ACME, Ltd",a@x.example,password,optional,A; B,,main,2026-01-01,2026-12-31T18:00:00Z,{KEY},8\r\n'
    )
    (one,) = read_csv(text.encode()).candidates
    assert one.user == User(
        "", "B01610A1", "ACME, Ltd", method=Method.PASSWORD, second_factor=SecondFactor.OPTIONAL,
        valid_from=1767225600.0, valid_until=1798740000.0, processes=frozenset({"A", "B"}),
        routes=frozenset({"main"}), email="a@x.example",
    )  # fmt: skip
    assert (one.line, one.label) == (2, "imported")
    assert same(one.device, Device("", Secret(b"12345678901234567890"), digits=8))


def test_a_byte_order_mark_and_missing_columns_do_no_harm():
    (one,) = read_csv("\ufeffuser\ntom\n".encode()).candidates
    assert one.user == User("", "tom")


@pytest.mark.req("HK-8")
def test_every_fault_of_every_line_is_found():
    text = "user,method,digits,valid_until\n,password,6,\nok,,,\nbad,magic,7,soon\nshort,password\nlong,password,6,,extra\n"
    assert [line for line, _ in faults(text)] == [2, 4, 4, 4, 5, 6]
    assert [one.user.name for one in read_csv(text.encode()).candidates] == ["ok"]


@pytest.mark.parametrize(
    ("header", "word"),
    [("name\n", "no column user"), ("user,user\n", "twice"), ("user,passwort\n", "passwort"), ("", "no column user")],
)
def test_a_header_that_is_not_understood_is_the_only_fault(header: str, word: str):
    assert word in " ".join(text for _, text in faults(header))


@pytest.mark.req("TW-10")
def test_a_key_that_is_wrong_is_not_shown():
    wrong = faults(f"user,totp_key\ntom,{KEY}!!!\nzoe,GEZDGNBV\n")
    assert [line for line, _ in wrong] == [2, 3]
    assert "GEZDGNBV" not in str(wrong)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe",
        b"user\n\xc3(\n",
        b'user\n"open\n',
        b"user\n" + b"x" * 1_000_000,
        b"\0",
        b"user\n\0\n",
        b"user\r\ra\n",
    ],
)
def test_hostile_bytes_are_faults_or_names_and_never_an_error(data: bytes):
    found = read_csv(data)
    assert found.faults or found.candidates


def test_a_file_that_is_too_large_is_refused_whole():
    assert faults(b"user\n" + b"a" * MOST_BYTES)[0][0] == 1


def test_where_a_quote_went_wrong_reading_ends():
    found = read_csv(b'user\ngood\n"a"b\nlater\n')
    assert ([one.user.name for one in found.candidates], [one.line for one in found.faults]) == (["good"], [3])


def test_a_line_is_counted_where_it_begins():
    found = read_csv(b'user,label\n\n"tom","one\ntwo"\n"zoe",\n')
    assert [(one.line, one.user.name) for one in found.candidates] == [(3, "tom"), (5, "zoe")]
