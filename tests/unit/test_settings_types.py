import pytest

from gateway.settings.types import seconds, split_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250 ms", 0.25),
        ("40 s", 40),
        ("40s", 40),
        ("30 min", 1800),
        ("24 h", 86400),
        ("90 d", 7776000),
        ("1.5 h", 5400),
    ],
)
def test_a_duration_reads_with_its_unit(text: str, expected: float):
    assert expected == seconds(text)


@pytest.mark.parametrize("text", ["soon", "30 m", "-1 s", "1 h 30 min", " 1 s", "", "1e3 s", True])
def test_anything_else_is_no_duration(text: object):
    with pytest.raises(ValueError, match="a duration is"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("engine-a.example:65535", ("engine-a.example", 65535)),
        ("[::1]:9878", ("::1", 9878)),
    ],
)
def test_an_address_splits_into_host_and_port(text: str, expected: tuple[str, int]):
    assert expected == split_address(text)


@pytest.mark.parametrize(
    "text", ["host", "host:", ":1", "host:65536", "::1:9878", "ho st:1", "host:-1", "host:\uff11", "[x]:1"]
)
def test_anything_else_is_no_address(text: str):
    with pytest.raises(ValueError, match="an address is"):
        split_address(text)
