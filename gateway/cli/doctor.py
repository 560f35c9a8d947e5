"""`doctor`: is this installation well, and how is it mended where it is not?"""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.cli.exits import Refusal
from gateway.cli.options import AsJson, ConfigFile
from gateway.cli.output import print_json, say

if TYPE_CHECKING:
    from gateway.cli.checkup.finding import Finding
    from gateway.settings import Settings


def doctor(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Check configuration, clock, permissions, certificates, store, engines, ports, software and limits; change nothing.

    Run it as the gateway's own user, beside a running gateway or before the first start. Each engine sees one connection
    that says nothing; each broker also sees the gateway's account log in and publish one empty message that has no receiver; each directory sees its service account log in; the mail server sees its account log in and send nothing. Exit 0 when nothing failed (a warning is no failure), 1 otherwise.
    """
    findings = list(_findings(config))
    bad = sum(one.state.value == "failed" for one in findings)
    if as_json:
        print_json({"ok": not bad, "findings": [_fields(one) for one in findings]})
    else:
        for one in findings:
            say(f"{one.state.value:<8} {one.subject}: {one.found}")
            if one.mend:
                say(f"         mend: {one.mend}")
    if bad:
        raise Refusal(f"{bad} of {len(findings)} checks failed")


def _findings(config: Path | None) -> Iterator["Finding"]:
    from gateway.cli.checkup import host  # noqa: PLC0415 - slow to import, all of them
    from gateway.cli.checkup.finding import failed, ok  # noqa: PLC0415
    from gateway.compliance.lifetimes import running  # noqa: PLC0415
    from gateway.settings import ConfigError, load  # noqa: PLC0415

    yield host.clock()
    yield from host.software(running())
    try:
        found = load(config, serving=True)
    except ConfigError as error:
        for problem in error.problems:
            yield failed("configuration", str(problem), "correct it: docs/options.md has every option")
        return
    yield ok("configuration", f"loads, profile {found.settings.profile}")
    yield from _of_configuration(config, found.settings)


def _of_configuration(config: Path | None, settings: "Settings") -> Iterator["Finding"]:
    from gateway.cli.checkup import brokers, certificates, files, host, network, notices, passwords, store  # noqa: PLC0415

    file = config or Path(os.environ.get("GATEWAY_CONFIG", "gateway.toml"))
    if file.is_file():  # without one everything came from the environment
        yield files.configuration_file(file)
    yield from files.secret_files(settings)
    yield from certificates.certificates(settings, time.time())
    yield from store.store(settings.store, mail=settings.notify.mail is not None)
    yield from network.ports(settings)
    yield from network.upstreams(settings)
    yield from brokers.accounts(settings)
    yield from passwords.directories(settings)
    yield from passwords.keys(settings)
    yield from notices.channels(settings)
    yield host.descriptors(settings)


def _fields(one: "Finding") -> dict[str, Any]:
    return asdict(one) | {"state": one.state.value}
