"""Pages out of templates. Everything is escaped; a name that a template misses is an error, not a blank."""

import time
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gateway.portal.names import in_path
from gateway.portal.words import SAID, words_of

_ENV = Environment(
    loader=PackageLoader("gateway.portal"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def _moment(wall: float | None) -> str:
    """Write seconds since 1970 as people read them (UTC), never broken over two lines."""
    if not wall:
        return "never"
    then = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(wall))
    return Markup('<time datetime="{}Z">{} UTC</time>').format(then.replace(" ", "T"), then)


def _span(seconds: float) -> str:
    """Write a length of time in its largest unit."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "a moment"


_ENV.filters.update(moment=_moment, span=_span, words=words_of, in_path=in_path)


def render(template: str, values: dict[str, Any]) -> str:
    """Return a page. `said` among the values is the key of what a form just did (see words.SAID); others say nothing."""
    said = SAID.get(str(values.pop("said", "")), "")
    return _ENV.get_template(template).render(said=said, **values)
