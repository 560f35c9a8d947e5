"""Groups of people, and the routes their members may use (HK-9)."""

from starlette.responses import Response

from gateway.policy.roles import Act
from gateway.portal.names import in_path, name_in
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit
from gateway.store.errors import NotFound
from gateway.store.people import Group

pages = Pages()


@pages.get("/groups", Needs.FULL)
async def groups(visit: Visit) -> Response:
    """List them; the exchange makes new ones."""
    desk = visit.portal.office.desk
    found, makes = await desk.groups(visit.by), await desk.may(Act.CHANGE_GROUPS, visit.by)
    return visit.page("groups.html", groups=found, makes=makes)


@pages.post("/groups", Needs.FULL, on=groups)
async def make(visit: Visit) -> Response:
    """Make one."""
    name = visit.text("group")
    if not name.isprintable():
        raise ValueError("a group's name is one line of letters, digits and signs")
    await visit.portal.office.desk.make_group(Group(name, visit.text("organisation"), _routes(visit)), visit.by)
    return visit.go("/groups", "group_made")


@pages.get("/groups/{name:path}", Needs.FULL)
async def group(visit: Visit) -> Response:
    """Show one."""
    changes = await visit.portal.office.desk.may(Act.CHANGE_GROUPS, visit.by)
    found = await _one(visit)
    return visit.page("group.html", group=found, here=f"/groups/{in_path(found.name)}", changes=changes)


@pages.post("/groups/{name:path}/routes", Needs.FULL, on=group)
async def change(visit: Visit) -> Response:
    """Replace its routes; sessions of members on a route that is gone end."""
    found = await _one(visit)
    await visit.portal.office.desk.put_group(Group(found.name, found.organisation, _routes(visit)), visit.by)
    return visit.go(f"/groups/{in_path(found.name)}", "group_changed")


@pages.post("/groups/{name:path}/remove", Needs.FULL, on=group)
async def remove(visit: Visit) -> Response:
    """Remove one that has no members any more."""
    await visit.portal.office.desk.remove_group((await _one(visit)).name, visit.by)
    return visit.go("/groups", "group_removed")


async def _one(visit: Visit) -> Group:
    name = name_in(visit.request)
    for one in await visit.portal.office.desk.groups(visit.by):
        if one.name == name:
            return one
    raise NotFound(f"there is no group called {name!r}")


def _routes(visit: Visit) -> frozenset[str]:
    return frozenset(one.strip() for one in visit.text("routes").splitlines() if one.strip())
