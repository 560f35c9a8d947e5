from datetime import date

import pytest

from gateway.compliance.lifetimes import assess, day, running

pytestmark = pytest.mark.req("SF-15")


@pytest.mark.parametrize(
    ("name", "version", "ends"),
    [
        ("python", "3.11.7", date(2027, 10, 31)),
        ("openssl", "3.0.19", date(2026, 9, 7)),
        ("openssl", "1.1.1w", date(2023, 9, 11)),
        ("postgresql", "15.20", date(2027, 11, 11)),
        ("postgresql", "18devel", date(2030, 11, 14)),
        ("python", "4.7.0", None),
        ("openssl", "unknown", None),
    ],
)
def test_a_version_belongs_to_its_release_line(name, version, ends):
    (found,) = assess({name: version})

    assert found.ends == ends


def test_a_line_is_mended_up_to_its_last_day_and_not_after_it():
    (found,) = assess({"openssl": "3.0.19"})

    assert (found.ended(date(2026, 9, 7)), found.ended(date(2026, 9, 8))) == (False, True)
    assert (found.ends_soon(date(2026, 6, 8)), found.ends_soon(date(2026, 6, 9))) == (False, True)
    assert found.words(date(2026, 9, 8)) == "OpenSSL 3.0.19: end of life since 2026-09-07"


def test_a_line_that_the_table_does_not_have_is_neither_good_nor_ended():
    (found,) = assess({"postgresql": "99.1"})

    assert not found.ended(date(2099, 1, 1))
    assert "not in config/end-of-life.toml" in found.words(date(2027, 1, 1))


def test_what_runs_here_is_in_the_table():
    """Whoever updates an interpreter or a server is told here that the table needs a line."""
    assert [one.version for one in assess(running()) if one.ends is None] == []


def test_a_day_is_utcs():
    assert day(1_800_000_000.0) == date(2027, 1, 15)
