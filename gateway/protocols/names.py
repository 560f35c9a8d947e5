"""What protocols are called in configuration and on the command line."""

from typing import Literal

Protocol = Literal["fix", "amqp"]
"""FIX 4.x and FIXT.1.1; AMQP 0-9-1."""
