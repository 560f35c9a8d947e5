"""argon2id in a bounded pool, and the rules of a new password."""

import subprocess
import sys

import pytest

from gateway.auth.passwords import LONGEST, Passwords, faults_in
from gateway.core.secret import Secret
from gateway.policy.rules import PasswordRules

RULES = PasswordRules(min_length=12, min_classes=3)


HASHED_ON_ONE_CORE = """
import asyncio, os, threading
from gateway.auth.passwords import Passwords
from gateway.core.secret import Secret

async def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    passwords = Passwords(time_cost=1, memory_cost=64)
    await asyncio.gather(*(passwords.hash(Secret("correct Horse 7")) for _ in range(16)))
    print(sum(one.name.startswith("argon2") for one in threading.enumerate()))
    passwords.close()

asyncio.run(main())
"""


@pytest.mark.req("TW-11")
async def test_a_password_is_kept_as_argon2id_and_only_the_right_one_matches(passwords: Passwords):
    hashed = await passwords.hash(Secret("correct Horse 7"))
    assert hashed.startswith("$argon2id$")
    assert await passwords.verify(Secret("correct Horse 7"), hashed)
    assert not await passwords.verify(Secret("correct Horse 8"), hashed)


@pytest.mark.parametrize("hashed", ["", "plain text", "$argon2id$v=19$broken", "$argon2id$" + "x" * 200])
async def test_a_hash_that_is_none_matches_nothing(passwords: Passwords, hashed: str):
    assert not await passwords.verify(Secret("anything"), hashed)


def test_one_core_hashes_one_password_at_a_time():
    """Two that take turns push each other's memory out of the cache."""
    done = subprocess.run(
        [sys.executable, "-c", HASHED_ON_ONE_CORE], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "1"


async def test_a_password_beyond_the_limit_is_nobodys(passwords: Passwords):
    long = Secret("x" * (LONGEST + 1))
    assert not await passwords.verify(long, await passwords.hash(long))


@pytest.mark.parametrize("lanes", [1, 4])
async def test_a_hash_of_other_parameters_still_matches(passwords: Passwords, lanes: int):
    older = Passwords(time_cost=2, memory_cost=64, parallelism=lanes, workers=1)
    hashed = await older.hash(Secret("correct Horse 7"))
    older.close()
    assert await passwords.verify(Secret("correct Horse 7"), hashed)
    assert not await passwords.verify(Secret("correct Horse 8"), hashed)


@pytest.mark.req("TW-7")
async def test_one_of_the_last_passwords_is_known_again(passwords: Passwords):
    history = [await passwords.hash(Secret(text)) for text in ("first", "second", "third")]
    assert await passwords.known(Secret("second"), history)
    assert not await passwords.known(Secret("fourth"), history)


@pytest.mark.req("TW-6")
@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("Short 1", "fewer than 12"),
        ("all lower case words", "fewer than 3 of"),
        ("my name is ALICE 7", "user's name"),
        ("Bell\x07 in it 12345", "control character"),
        ("Aa1!" * 300, "more than 1024"),
    ],
)
def test_a_weak_password_is_told_why(password: str, fault: str):
    (found,) = faults_in(RULES, Secret(password), "alice")
    assert fault in found


@pytest.mark.req("TW-6")
def test_a_good_password_has_no_fault_and_a_bad_one_has_all_of_them():
    assert faults_in(RULES, Secret("correct Horse 7"), "alice") == []
    assert len(faults_in(RULES, Secret("alice"), "alice")) == 3
    assert faults_in(RULES, Secret(b"\xff\xfe"), "alice") == ["is not UTF-8 text"]
