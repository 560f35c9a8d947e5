"""What one is told of and where, and where one's codes come from (SF-11, HK-2)."""

from starlette.responses import Response

from gateway.auth.sentcodes import hint_of
from gateway.policy.channels import address_of
from gateway.policy.rules import Channel
from gateway.portal.pages.setup import renewed
from gateway.portal.pages.typed import password
from gateway.portal.routes import Needs, Pages
from gateway.portal.visit import Visit

pages = Pages()


@pages.get("/notices", Needs.FULL)
async def look(visit: Visit) -> Response:
    """Show it."""
    user, policy = visit.mine.user, visit.policy
    places = {channel.value: hint_of(address_of(user, channel)) for channel in Channel if address_of(user, channel)}
    return visit.page(
        "notices.html",
        places=places,
        channels=sorted(channel.value for channel in policy.channels),
        channel=user.channel.value,
        quiet_since=visit.mine.quiet_since,
        may_stop=visit.portal.office.myself.irregular_logins_are_seen,
    )


@pages.post("/notices/stop", Needs.FULL, on=look)
async def stop(visit: Visit) -> Response:
    """Be told of logins no more; the risk has to be taken in so many words (SF-11)."""
    if visit.text("risk") != "taken":
        raise ValueError("tick the box: a login that was not you would not be told to you")
    await visit.portal.office.myself.opt_out(password(visit), visit.by)
    return visit.go("/notices", "notices_stopped")


@pages.post("/notices/resume", Needs.FULL, on=look)
async def resume(visit: Visit) -> Response:
    """Be told of them again."""
    await visit.portal.office.myself.opt_in(visit.by)
    return visit.go("/notices", "notices_resumed")


@pages.post("/notices/channel", Needs.FULL, on=look)
async def choose(visit: Visit) -> Response:
    """Choose where one's codes come from."""
    wanted = Channel(visit.text("channel"))
    await visit.portal.office.myself.choose_channel(password(visit), wanted, visit.by)
    return visit.enter(await renewed(visit), "/notices", "channel_chosen")
