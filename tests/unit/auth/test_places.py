"""Countries of addresses: from the shipped table, never an error."""

from pathlib import Path

import pytest

from gateway.auth.places import Places, TableUnusable


def never(call: str, error: BaseException) -> None:
    raise AssertionError(call) from error


@pytest.fixture(scope="module")
def places() -> Places:
    return Places(never)


@pytest.mark.req("SF-19")
@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("133.243.3.1", "JP"),
        ("85.214.132.117", "DE"),
        ("::ffff:85.214.132.117", "DE"),
        ("2001:2f8::1", "JP"),
    ],
)
def test_a_public_address_has_a_country(places: Places, address: str, country: str):
    assert places(address) == country


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.1.2.3", "192.168.0.9", "fe80::1%eth0", "192.0.2.1", "", "no address", "1.2.3.999"],
)
def test_a_private_address_and_what_is_none_have_no_country(places: Places, address: str):
    assert places(address) == ""


def test_a_table_that_fails_costs_the_country_and_one_line(monkeypatch: pytest.MonkeyPatch):
    said = []
    places = Places(lambda call, error: said.append((call, type(error))))
    monkeypatch.setattr(places, "_table", None)
    assert [places("133.243.3.1"), places("85.214.132.117")] == ["", ""]
    assert said == [("country", AttributeError)]


@pytest.mark.parametrize("content", [None, b"junk", b""])
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None):
    file = tmp_path / "table.dat.gz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TableUnusable, match=r"table\.dat\.gz: is no table of countries, which detection\.travel needs"):
        Places(never, file)
