import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyotp
import pytest

PASSPHRASE = "a long enough passphrase\n"
pytestmark = pytest.mark.req("SF-22")


@pytest.fixture
def enrolled(gateway, trader: str) -> dict:
    return gateway("totp", "enroll", trader, "--json").data


def backed_up(gateway, *options: str) -> Path:
    done = gateway("backup", "out.backup", "--passphrase-stdin", *options, stdin=PASSPHRASE)
    assert done.code == 0, done.err
    return Path("out.backup")


def restored(gateway, stdin: str = PASSPHRASE):
    return gateway("restore", "out.backup", "--passphrase-stdin", stdin=stdin)


def lose(*names: str) -> None:
    """Move the files away, with what SQLite keeps beside them."""
    for name in names:
        Path(name).unlink()
    for beside in ("gateway.db-wal", "gateway.db-shm"):
        Path(beside).unlink(missing_ok=True)


def confirm(gateway, made: dict) -> int:
    code = pyotp.TOTP(made["secret"]).at(time.time())
    return gateway("totp", "confirm", "trader", made["device"], "--code-stdin", stdin=f"{code}\n").code


def test_a_lost_database_comes_back_with_the_master_key_that_was_kept(gateway, enrolled):
    backed_up(gateway)
    lose("gateway.db")

    done = restored(gateway)

    assert done.code == 0, done.err
    assert "audit chain is whole" in done.err
    assert confirm(gateway, enrolled) == 0
    assert gateway("audit", "verify").code == 0


def test_with_the_master_key_in_it_file_and_passphrase_are_enough(gateway, enrolled):
    backed_up(gateway, "--with-master-key")
    lose("gateway.db", "gateway.db.key")

    assert restored(gateway).code == 0

    assert Path("gateway.db.key").stat().st_mode & 0o777 == 0o600
    assert confirm(gateway, enrolled) == 0


def test_without_any_master_key_nothing_is_made(gateway, enrolled):
    backed_up(gateway)
    lose("gateway.db", "gateway.db.key")

    done = restored(gateway)

    assert (done.code, done.err.count("\n")) == (4, 1)
    assert "not in this back-up" in done.err
    assert not Path("gateway.db.key").exists()


def test_a_wrong_passphrase_leaves_neither_key_nor_store(gateway, enrolled):
    backed_up(gateway, "--with-master-key")
    lose("gateway.db", "gateway.db.key")

    done = restored(gateway, "not the right passphrase\n")

    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "passphrase is wrong" in done.err
    assert not Path("gateway.db.key").exists()


def test_a_damaged_backup_takes_the_key_away_again(gateway, enrolled):
    file = backed_up(gateway, "--with-master-key")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    lose("gateway.db", "gateway.db.key")

    assert restored(gateway).code == 1
    assert not Path("gateway.db.key").exists()
    file.write_bytes(content)
    assert restored(gateway).code == 0


def test_a_store_in_use_is_refused(gateway, enrolled):
    backed_up(gateway)

    done = restored(gateway)

    assert (done.code, "empty store only" in done.err) == (1, True)
    assert confirm(gateway, enrolled) == 0


def test_the_file_is_its_owners_alone_and_takes_its_name_when_it_is_whole(gateway, enrolled):
    Path("out.backup").write_text("the one of yesterday")
    short = gateway("backup", "out.backup", "--passphrase-stdin", stdin="short\n")
    assert (short.code, Path("out.backup").read_text()) == (1, "the one of yesterday")
    assert list(Path().glob(".out.backup*")) == []

    file = backed_up(gateway)

    assert file.stat().st_mode & 0o777 == 0o600
    assert list(Path().glob(".out.backup*")) == []


def test_a_passphrase_comes_from_a_file_and_never_from_an_argument(gateway, enrolled):
    Path("pass").write_text(PASSPHRASE)

    assert gateway("backup", "b", "--passphrase-file", "pass").code == 0
    assert gateway("backup", "b", "--passphrase", "x").code == 2
    assert gateway("backup", "b").code == 2  # and without a terminal nobody can be asked


def test_it_goes_through_pipes(gateway, enrolled):
    command = [sys.executable, "-m", "gateway"]
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    Path("pass").write_text(PASSPHRASE)

    out = subprocess.run(
        [*command, "backup", "-", "--passphrase-stdin"],
        input=PASSPHRASE.encode(),
        capture_output=True,
        check=True,
        env=here,
    )
    shutil.copy("gateway.db.key", "kept.key")
    lose("gateway.db")
    subprocess.run(
        [*command, "restore", "-", "--passphrase-file", "pass"],
        input=out.stdout,
        capture_output=True,
        check=True,
        env=here,
    )

    assert b"backed up" in out.stderr
    assert confirm(gateway, enrolled) == 0
