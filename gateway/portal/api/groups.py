"""Groups, and the routes their members may use (HK-9)."""

from typing import Annotated, Self

from fastapi import APIRouter
from pydantic import Field
from starlette.status import HTTP_201_CREATED, HTTP_204_NO_CONTENT

from gateway.portal.api.door import Me
from gateway.portal.api.models import MANY, Line, Model, Name
from gateway.portal.api.problems import CONFLICT, FORBIDDEN, NOT_FOUND, may
from gateway.portal.api.users import Named
from gateway.store.errors import NotFound
from gateway.store.people import Group

router = APIRouter(prefix="/groups", tags=["groups"], responses=may(FORBIDDEN))
Routes = Annotated[list[Name], Field(min_length=1, max_length=MANY)]


class Routed(Model):
    """What its members may use: at least one route, for without one they could use every route."""

    routes: Routes


class GroupModel(Model):
    """A group; without `organisation` the exchange's."""

    name: Name
    organisation: Line = ""
    routes: Routes

    @classmethod
    def of(cls, group: Group) -> Self:
        """Return what is told of a group."""
        return cls(name=group.name, organisation=group.organisation, routes=sorted(group.routes))


class Groups(Model):
    """Groups by name."""

    groups: list[GroupModel]


@router.get("")
async def list_groups(me: Me) -> Groups:
    """List those you may see."""
    return Groups(groups=[GroupModel.of(one) for one in await me.office.desk.groups(me.by)])


@router.post("", status_code=HTTP_201_CREATED, responses=may(CONFLICT))
async def make_group(given: GroupModel, me: Me) -> GroupModel:
    """Make one."""
    group = Group(given.name, given.organisation, frozenset(given.routes))
    await me.office.desk.make_group(group, me.by)
    return GroupModel.of(group)


@router.put("/{name:path}", responses=may(NOT_FOUND))
async def change_group(name: Named, given: Routed, me: Me) -> GroupModel:
    """Replace its routes; members' sessions on a route that is gone end."""
    found = next((one for one in await me.office.desk.groups(me.by) if one.name == name), None)
    if found is None:
        raise NotFound("there is no such group")
    group = Group(found.name, found.organisation, frozenset(given.routes))
    await me.office.desk.put_group(group, me.by)
    return GroupModel.of(group)


@router.delete("/{name:path}", status_code=HTTP_204_NO_CONTENT, responses=may(NOT_FOUND, CONFLICT))
async def remove_group(name: Named, me: Me) -> None:
    """Remove one without members."""
    await me.office.desk.remove_group(name, me.by)
