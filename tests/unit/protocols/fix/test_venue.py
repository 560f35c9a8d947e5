import tomllib
from pathlib import Path

import pytest

from gateway.protocols.fix.venue import Venue

FOLDER = Path(__file__).parents[4] / "config" / "venues"


@pytest.mark.parametrize("name", ["default", "cqg", "appended", "encrypted"])
def test_a_shipped_venue_says_nothing_but_what_a_venue_knows(name):
    keys = tomllib.loads((FOLDER / f"{name}.toml").read_text())
    assert Venue(**keys).name == name


def test_the_default_file_shows_every_key_with_its_default():
    keys = tomllib.loads((FOLDER / "default.toml").read_text())
    keys["strip"] = tuple(keys["strip"])
    assert {field: getattr(Venue(), field) for field in Venue.__slots__} == keys


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_tag": 0, "code_digits": 5},
        {"code_tag": 0, "encrypted": True, "password_tag": 1402},
        {"encrypted": True},
        {"user_tag": 0},
        {"strip": (35,)},
    ],
)
def test_a_venue_that_can_not_work_is_refused(wrong):
    with pytest.raises(ValueError, match=r"."):
        Venue(**wrong)
