"""What becomes of the client's bytes: pieces that go on, and a publish that could be a login's while it comes."""

from dataclasses import dataclass, field

from gateway.attach.dialect import Login
from gateway.protocols.amqp.content import Collected, Properties
from gateway.protocols.amqp.frames import Frame


class Pieces:
    """What goes on, in order; neighbouring bytes become one."""

    __slots__ = ("_bytes", "_found")

    def __init__(self) -> None:
        self._found: list[bytes | Login] = []
        self._bytes: list[bytes] = []

    def pass_on(self, *data: bytes) -> None:
        """Add bytes."""
        self._bytes += data

    def find(self, login: Login) -> None:
        """Add a login."""
        self._join()
        self._found.append(login)

    def all(self) -> list[bytes | Login]:
        """Return everything."""
        self._join()
        return self._found

    def _join(self) -> None:
        if data := b"".join(self._bytes):
            self._found.append(data)
        self._bytes = []


@dataclass(slots=True)
class UnderWay:
    """A publish of the login's key whose content is not complete. `raw`: its frames and those between, as they came."""

    publish: Frame
    exchange: bytes
    content: Collected = field(default_factory=lambda: Collected(keep=True))
    raw: list[bytes] = field(default_factory=list)
    others: list[bytes] = field(default_factory=list)
    size: int = 0

    def __post_init__(self) -> None:
        self.raw.append(self.publish.raw)

    def belongs(self, one: Frame) -> bool:
        """Say whether a frame is on this channel."""
        return one.channel == self.publish.channel

    def add(self, one: Frame) -> Properties | None:
        """Take a frame; return what the header says if it was there. Raises GarbledError where it can't follow."""
        if self.belongs(one):
            self.content.add(one)
        else:
            self.others.append(one.raw)
        self.raw.append(one.raw)
        self.size += len(one.raw)
        return self.content.properties
