"""Authenticators from otpauth URIs."""

import pytest

from gateway.auth.intake.otpauth import read_otpauth
from gateway.core.secret import Secret
from gateway.policy.snapshot import Device
from tests.unit.auth.intake.test_rows import same

KEY = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.req("HK-8", "M7-5")
def test_a_uri_becomes_an_authenticator_of_its_account():
    text = f"# export\n\notpauth://totp/Old%20Gateway:tom?secret={KEY}&issuer=x&algorithm=SHA256&digits=8&period=60\n"
    (one,) = read_otpauth(text.encode()).candidates
    assert (one.line, one.user.name, one.label) == (3, "tom", "Old Gateway")
    assert same(one.device, Device("", Secret(b"12345678901234567890"), "SHA256", 8, 60))


@pytest.mark.req("HK-8", "TW-10")
@pytest.mark.parametrize(
    "line",
    [
        f"otpauth://hotp/tom?secret={KEY}", f"http://totp/tom?secret={KEY}", "otpauth://totp/tom", "tom",
        f"otpauth://totp/?secret={KEY}", f"otpauth://totp/tom?secret={KEY}&digits=7",
        f"otpauth://totp/tom?secret={KEY}&algorithm=MD5", f"otpauth://totp/tom?secret={KEY}1!",
        f"otpauth://totp/tom?secret={KEY}&period=x", f"otpauth://totp/tom?secret={KEY}&period=٣٠", f"otpauth://[{KEY}",
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_a_fault_and_shows_no_key(line: str):
    found = read_otpauth(f"\n{line}\n".encode())
    assert ([fault.line for fault in found.faults], found.candidates) == ([2], ())
    assert KEY not in str(found)


def test_bytes_that_are_no_text_are_a_fault():
    assert [one.line for one in read_otpauth(b"\xff\xff").faults] == [1]
