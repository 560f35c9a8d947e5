"""One-time codes against the vectors of RFC 6238 and the rows that say which interval counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.secret import Secret
from gateway.policy import totp
from gateway.policy.snapshot import Device

SEEDS = {
    "SHA1": b"12345678901234567890",
    "SHA256": b"12345678901234567890123456789012",
    "SHA512": b"1234567890123456789012345678901234567890123456789012345678901234",
}
APPENDIX_B = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]
DEVICE = Device("phone", Secret(SEEDS["SHA1"]))
AT_59 = Secret("287082")
"""The six-digit code of step 1 (seconds 30 to 59)."""


@pytest.mark.req("M7-1", "CQ-1")
@pytest.mark.parametrize(("at", "sha1", "sha256", "sha512"), APPENDIX_B)
def test_every_vector_of_rfc_6238_appendix_b_matches(at, sha1, sha256, sha512):
    for algorithm, code in (("SHA1", sha1), ("SHA256", sha256), ("SHA512", sha512)):
        device = Device("vector", Secret(SEEDS[algorithm]), algorithm=algorithm, digits=8)
        assert at // 30 == totp.match(device, Secret(code), float(at), window=0)


@pytest.mark.req("M7-1")
def test_six_digits_are_the_last_six_of_eight():
    assert totp.match(DEVICE, AT_59, 59.0, window=0) == 1


@pytest.mark.req("M7-8")
def test_without_a_window_the_code_of_the_interval_that_just_ended_is_refused():
    assert totp.match(DEVICE, AT_59, 59.999, window=0) == 1
    assert totp.match(DEVICE, AT_59, 60.0, window=0) is None


@pytest.mark.req("M7-8")
def test_a_window_of_one_accepts_one_interval_back_and_never_one_ahead():
    assert totp.match(DEVICE, AT_59, 89.9, window=1) == 1
    assert totp.match(DEVICE, AT_59, 90.0, window=1) is None
    assert totp.match(DEVICE, AT_59, 29.9, window=1) is None


def test_a_code_of_another_interval_is_recognised_as_old_or_as_from_the_future():
    old, ahead = totp.recognise(DEVICE, AT_59, 59.0 + 240), totp.recognise(DEVICE, AT_59, 0.0)
    assert old is not None
    assert ahead is not None
    assert (old.drift, ahead.drift) == (-8, 1)
    assert totp.recognise(DEVICE, AT_59, 59.0 + 30 * 11) is None


@pytest.mark.parametrize("typed", [b"", b"28708", b"2870820", b" 287082", b"287082 ", b"\xff" * 6, b"\xef\xbc\x92" * 6])
def test_only_the_exact_digits_match(typed):
    assert totp.match(DEVICE, Secret(typed), 59.0, window=1) is None


@pytest.mark.parametrize(
    "device",
    [
        Device("short", Secret(b"tooshort")),
        Device("hash", Secret(SEEDS["SHA1"]), algorithm="MD5"),
        Device("digits", Secret(SEEDS["SHA1"]), digits=7),
        Device("period", Secret(SEEDS["SHA1"]), period=0),
        Device("slow", Secret(SEEDS["SHA1"]), period=3600),
    ],
)
def test_a_device_that_cannot_make_codes_matches_nothing(device):
    assert not totp.usable(device)
    assert totp.match(device, AT_59, 59.0, window=1) is None


@pytest.mark.parametrize("at", [-1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_matches_nothing(at):
    assert totp.match(DEVICE, AT_59, at, window=1) is None


@pytest.mark.req("BY-3")
@pytest.mark.parametrize(("now", "wait"), [(0.0, 30), (29.2, 1), (30.0, 30), (31.0, 29)])
def test_the_next_code_is_never_promised_too_early(now, wait):
    assert wait == totp.until_next_step([DEVICE], now)


@given(st.floats(min_value=0, max_value=4e9), st.sampled_from([15, 30, 60]))
def test_after_the_promised_wait_the_step_is_another(now, period):
    device = Device("any", Secret(SEEDS["SHA1"]), period=period)
    later = now + totp.until_next_step([device], now)
    assert totp.step_at(device, now) < totp.step_at(device, later)
