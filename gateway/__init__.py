"""A login-session gateway for order entry."""

__version__ = "0.1.0"
