"""Who may administer whom: the whole table, and what holds for every row of it."""

from itertools import product

import pytest

from gateway.policy.roles import CHECKED, READS, Act, Grant, Role, Ruling, Standing, check_ruling, role_at, ruling

FIRMS = ("", "ACME", "ZEN")
EVERYBODY = [
    Standing(f"{role.value}-{firm}-{two}-{active}", firm, role, two_factors=two, active=active)
    for role, firm, two, active in product(Role, FIRMS, (True, False), (True, False))
]
ALL = [(actor, act, subject) for actor in EVERYBODY for act in Act for subject in EVERYBODY]
GRANTED = [(actor, act, subject) for actor, act, subject in ALL if ruling(actor, act, subject) is Ruling.ALLOWED]
CHECKABLE = [(actor, act, subject) for actor, act, subject in ALL if ruling(actor, act, subject) is Ruling.CHECKED]


def test_there_are_rows_of_each_kind():
    assert GRANTED
    assert CHECKABLE


@pytest.mark.req("TW-2")
def test_nothing_goes_without_two_factors():
    assert all(actor.two_factors and actor.active for actor, _, _ in [*GRANTED, *CHECKABLE])


@pytest.mark.req("HK-6")
def test_users_do_nothing_and_auditors_only_read():
    assert {actor.role for actor, _, _ in [*GRANTED, *CHECKABLE]} == set(Role) - {Role.USER}
    assert {act for actor, act, _ in [*GRANTED, *CHECKABLE] if actor.role is Role.AUDITOR} == READS


@pytest.mark.req("HK-6")
def test_a_delegated_administrator_stays_in_its_own_firm_and_with_its_users():
    theirs = [row for row in [*GRANTED, *CHECKABLE] if row[0].role is Role.DELEGATED_ADMIN]
    assert theirs
    assert all(actor.organisation and actor.organisation == subject.organisation for actor, _, subject in theirs)
    assert all(act in READS or subject.role is Role.USER for _, act, subject in theirs)


@pytest.mark.req("HK-6")
def test_nobody_changes_himself():
    assert all(actor.name != subject.name or act in READS for actor, act, subject in [*GRANTED, *CHECKABLE])


@pytest.mark.req("HK-6")
def test_credentials_and_roles_of_others_always_need_a_second_person():
    assert {act for _, act, _ in GRANTED} & CHECKED == set()
    assert {act for _, act, _ in CHECKABLE} == CHECKED


@pytest.mark.req("HK-6")
def test_who_approves_could_have_asked_and_is_somebody_else():
    for checker, act, subject in ALL:
        allowed = check_ruling(checker, "maker", act, subject) is Ruling.ALLOWED
        assert allowed == (ruling(checker, act, subject) is Ruling.CHECKED)
        assert check_ruling(checker, checker.name, act, subject) is not Ruling.ALLOWED


@pytest.mark.req("SF-13")
def test_a_role_is_over_on_its_day():
    grant = Grant(Role.AUDITOR, 100.0)
    assert [role_at(grant, now) for now in (99.9, 100.0)] == [Role.AUDITOR, Role.USER]
    assert role_at(None, 0.0) is Role.USER


@pytest.mark.req("SF-13")
@pytest.mark.parametrize(
    ("role", "until"),
    [(Role.AUDITOR, float("inf")), (Role.AUDITOR, 0.0), (Role.AUDITOR, float("nan")), (Role.USER, 9.0)],
)
def test_a_grant_without_an_end_is_none(role: Role, until: float):
    with pytest.raises(ValueError, match=r"end date|needs no grant"):
        Grant(role, until)
