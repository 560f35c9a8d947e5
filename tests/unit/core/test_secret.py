import json
import logging
import pickle
from dataclasses import dataclass

import pytest

from gateway.core.secret import Secret

CANARY = "canary-5f3a"


@dataclass
class Holder:
    secret: Secret


@pytest.mark.req("TW-10")
@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "{:>40}".format, lambda s: f"{s!r}", lambda s: "%s" % s, lambda s: repr(Holder(s)), ascii],
)
def test_no_way_of_showing_a_secret_gives_it_away(show):
    assert CANARY not in show(Secret(CANARY))


@pytest.mark.req("TW-10")
def test_a_secret_can_not_be_serialised():
    with pytest.raises(TypeError, match="never serialised"):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        json.dumps({"s": Secret(CANARY)})


@pytest.mark.req("TW-10")
def test_an_exception_and_a_log_line_about_a_secret_hide_it(caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("x").warning("got %s", Secret(CANARY))
    assert "Secret(***)" in caplog.text
    assert CANARY not in caplog.text + repr(ValueError(Secret(CANARY)))


def test_the_bytes_come_back_only_when_asked_for():
    assert Secret(CANARY).reveal() == CANARY.encode()
    assert Secret(b"\x00\x01").reveal() == b"\x00\x01"


def test_an_empty_secret_is_false():
    assert not Secret("")
    assert Secret("x")


def test_secrets_do_not_compare_by_value():
    assert Secret("a") != Secret("a")
