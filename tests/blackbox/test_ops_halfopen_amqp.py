"""An AMQP client whose host vanishes without FIN (M7-12): noticed, logged out at the exchange, and its user can come back."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import pytest

from tests.blackbox import amqp_m7 as m7
from tests.blackbox.gateway_process import ROOT
from tests.blackbox.ops_vanish_amqp import Stage
from tests.blackbox.ops_vanish_tunnel import exported


@pytest.mark.deep
@pytest.mark.req("M7-12", "M7-10")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param((0, "silent", "client_lost"), id="without heartbeats, silent"),
        pytest.param((0, "flooded", "client_lost"), id="without heartbeats, while more is sent than it takes"),
        pytest.param((5, "silent", "upstream_lost"), id="with heartbeats of 5 s, which the broker misses"),
        pytest.param((60, "silent", "client_lost"), id="with heartbeats slower than the kernel"),
    ],
)
async def test_a_client_that_falls_off_the_network_is_logged_out_at_the_exchange(vhost, people, tmp_path, case):
    """It takes what the kernel's timers take, about half a minute; Linux only, with user and network namespaces."""
    heartbeat, what, reason = case
    with tempfile.TemporaryDirectory(prefix="vanish-") as tunnel:  # a Unix socket's path is short
        stage = Stage(
            vhost.broker.to_json(),
            vhost.name,
            str(people.folder),
            str(tmp_path),
            tunnel,
            heartbeat=heartbeat,
            what=what,
        )
        async with exported(vhost.broker.amqp, Path(tunnel)):
            told = await told_by(stage)

    assert told["ended"]["reason"] == reason
    assert told["ended"]["seconds"] <= 40
    assert told["logout"] == ["trader", m7.INQUIRY, "S1", "trader"]
    assert told["again"] == "UserRprt"
    assert told["orders"] == ["one", "two"]
    assert told["live"] == {"S2": "trader"}


async def told_by(stage: Stage) -> dict[str, object]:
    """Run the script on a host of its own; returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *("unshare", "-rn", sys.executable, "-m", "tests.blackbox.ops_vanish_amqp", stage.argument()),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)
