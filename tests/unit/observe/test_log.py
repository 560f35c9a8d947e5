import io
import json
import logging

import pytest
import structlog

from gateway.core.secret import Secret
from gateway.observe.log import KEYS, SECRET_KEYS, configure


@pytest.fixture
def lines():
    out = io.StringIO()
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()], out
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.basicConfig(force=True)


@pytest.mark.req("TW-10")
def test_no_secret_is_written_whatever_its_key_and_kind(lines):
    read, out = lines
    configure("json", "debug", out)

    structlog.get_logger().info(
        "login",
        user=Secret("canary"),
        password="canary",
        one_time_code="canary",
        detail=b"canary",
        error=[Secret("canary")],
    )

    assert "canary" not in out.getvalue()
    assert read()[0]["user"] == "***"


def test_a_key_that_is_not_on_the_list_is_dropped_and_only_debugging_says_so(lines):
    read, out = lines
    configure("json", "info", out)
    structlog.get_logger().info("login", user="ann", shoe_size=44)
    configure("json", "debug", out)
    structlog.get_logger().info("login", user="ann", shoe_size=44)

    quiet, loud = read()
    assert quiet.keys() <= KEYS
    assert "detail" not in quiet
    assert loud["detail"] == "dropped keys: shoe_size"


def test_a_line_cannot_be_forged_by_its_content(lines):
    _, out = lines
    configure("console", "info", out)

    structlog.get_logger().info("login", user="ann\n2026-01-01 [info] login user=root\x1b[2J")

    assert len(out.getvalue().splitlines()) == 1
    assert "\x1b" not in out.getvalue()


@pytest.mark.req("TW-10")
def test_a_librarys_exception_is_named_but_not_printed(lines):
    read, out = lines
    configure("json", "info", out)

    try:
        raise ValueError("canary")  # noqa: TRY301 - a library would
    except ValueError:
        logging.getLogger("asyncio").exception("protocol %r failed", b"canary")

    assert "canary" not in out.getvalue()
    assert (read()[0]["call"], read()[0]["error"]) == ("asyncio", "ValueError")


def test_no_key_on_the_list_looks_like_a_secret():
    assert not [key for key in KEYS if SECRET_KEYS.search(key)]
