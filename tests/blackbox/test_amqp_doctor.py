"""The doctor tries the gateway's own account at a real broker (the refusals: unit/cli/test_doctor.py)."""

import asyncio
from pathlib import Path

from gateway.cli.checkup.brokers import accounts
from gateway.settings.load import load_settings
from tests.blackbox.broker import REQUESTS, SERVICE, Vhost
from tests.blackbox.people import PASSWORD


async def test_an_account_that_may_speak_for_the_users_is_well_and_its_probe_reaches_nobody(
    vhost: Vhost, tmp_path: Path
):
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[[route]]\nname = "broker"\nplain = true\nupstream = ["127.0.0.1:{vhost.broker.amqp}"]\n'
        f'service = {{user = "{SERVICE}", password = "{PASSWORD}", vhost = "{vhost.name}"}}\n'
    )

    (found,) = await asyncio.to_thread(lambda: list(accounts(load_settings(file))))

    assert (found.state.value, found.found) == ("ok", f"account {SERVICE} on {vhost.name} may speak for the users")
    assert await vhost.waiting(REQUESTS) == 0
