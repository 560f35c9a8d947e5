"""Names of people and groups in paths: a name may be any line of text, and a path has words and signs of its own."""

from urllib.parse import quote

from starlette.requests import Request

from gateway.store.errors import NotFound

_MARK = "~"
_TAKEN = frozenset({"new", "import", ".", ".."})


def in_path(name: str) -> str:
    """Return a name as it stands in a path; the inverse of `name_in`."""
    marked = name in _TAKEN or name.startswith(_MARK)
    return quote(f"{_MARK}{name}" if marked else name, safe="")


def name_in(request: Request) -> str:
    """Return the name in a request's path. Raises NotFound for what can be nobody's."""
    name = str(request.path_params["name"]).removeprefix(_MARK)
    if not name.isprintable():
        raise NotFound("there is nothing of that name")
    return name
