"""Print `config/gateway.toml`: every option with its default, unit and reason."""

import sys

from gateway.settings.render import toml_text

sys.stdout.write(toml_text())
