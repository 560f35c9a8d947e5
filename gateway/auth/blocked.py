"""Passwords everybody tries first (TW-6): words from a list, whatever digits and signs are put around or into them. Pure."""

from collections.abc import Iterable

FEW = 5
"""Different characters: fewer are a pattern, not a password."""
_MEANT_AT_ENDS = 2
"""Digits and signs before and behind the letters that are looked at as letters."""
_MEANT = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i"})


def words_in(lines: Iterable[str]) -> frozenset[str]:
    """Return the words of a list, one a line; empty lines and those that begin with # are skipped."""
    return frozenset(_letters(line.casefold()) for line in lines if line.strip() and not line.startswith("#")) - {""}


def skeletons(password: str) -> frozenset[str]:
    """Return what may be left of a password without its ornaments: its letters as they are meant.

    Of the digits and signs at either end some may be letters, too: the 3 of "ch4ngeM3-99".
    """
    text = password.casefold()
    first = next((at for at, each in enumerate(text) if each.isalpha()), len(text))
    last = next((at for at in range(len(text), first, -1) if text[at - 1].isalpha()), first)
    begins = range(max(0, first - _MEANT_AT_ENDS), first + 1)
    ends = range(last, min(len(text), last + _MEANT_AT_ENDS) + 1)
    return frozenset(_letters(text[begin:end]) for begin in begins for end in ends)


def _letters(text: str) -> str:
    return "".join(each for each in text.translate(_MEANT) if each.isalpha())


def blocked_faults(words: frozenset[str], password: str) -> list[str]:
    """Return why a password is one that everybody tries, in words for its owner; [] where it is not."""
    faults = []
    if len(set(password)) < FEW:
        faults.append(f"has fewer than {FEW} different characters")
    if any(made_of(words, bare) for bare in skeletons(password)):
        faults.append("is a common password with ornaments")
    return faults


def made_of(words: frozenset[str], bare: str) -> bool:
    """Say whether `bare` is one of the words, or some of them one after the other."""
    if not bare:
        return False
    longest, ends = max(map(len, words), default=0), {0}
    for end in range(1, len(bare) + 1):
        if any(start in ends and bare[start:end] in words for start in range(max(0, end - longest), end)):
            ends.add(end)
    return len(bare) in ends
