"""Settings: one model, read from a TOML file, the environment (GATEWAY_STORE__URL) and files that hold secrets.

`Settings` is the model, a plain value; `load` reads all sources, the profile and the venues into a `Configuration`
and refuses with all faults at once (`ConfigError`). `config/gateway.toml` is generated from the model: `python -m gateway.settings`.
"""

from gateway.settings.connections import Listener, ListenerTls, RouteSettings, RouteTls
from gateway.settings.load import Configuration, load, load_settings
from gateway.settings.model import Settings
from gateway.settings.problems import ConfigError, Problem
from gateway.settings.types import split_address

__all__ = [
    "ConfigError",
    "Configuration",
    "Listener",
    "ListenerTls",
    "Problem",
    "RouteSettings",
    "RouteTls",
    "Settings",
    "load",
    "load_settings",
    "split_address",
]
