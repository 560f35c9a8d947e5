"""Administrators at the command line: their codes, and the clock that goes on to the next one."""

import time

import pyotp


class Codes:
    """An authenticator's codes, each used once. The step after the last one is waited for where it must be."""

    def __init__(self, key: str) -> None:
        self.totp = pyotp.TOTP(key)
        self.step = int(time.time()) // 30

    def next(self, clock) -> str:
        self.step = max(self.step + 1, int(clock.now) // 30)
        clock.now = max(clock.now, self.step * 30.0)
        return self.totp.at(self.step * 30)


class Wall:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def finish(gateway, url: str, password: str = "Correct-Horse-9") -> str:
    """Set an account up with its link, as its owner would; return the authenticator's key."""
    made = gateway("link", "enroll", "--stdin", "--json", stdin=f"{url}\n")
    assert made.code == 0, made.err
    key = made.data["secret"]
    code = pyotp.TOTP(key).at(int(time.time()))
    done = gateway("link", "finish", "--stdin", stdin=f"{url}\n{password}\n{code}\n")
    assert done.code == 0, done.err
    return key
