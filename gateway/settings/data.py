"""Where the files that ship with the gateway are: in the source tree, or inside the installed package."""

from pathlib import Path

import gateway


def data_folder() -> Path:
    """Return the folder that holds `config/` and `fix_specs/`."""
    package = Path(gateway.__file__).parent
    packed = package / "_data"
    return packed if packed.is_dir() else package.parent


def profile_file(name: str) -> Path:
    """Return the file of a shipped profile, whether it exists or not."""
    return data_folder() / "config" / "profiles" / f"{name}.toml"


def venue_file(name: str) -> Path:
    """Return the file of a shipped venue, or `name` itself where it is a path."""
    if "/" in name or name.endswith(".toml"):
        return Path(name)
    return data_folder() / "config" / "venues" / f"{name}.toml"


def names_in(kind: str) -> list[str]:
    """Return the names of the shipped `profiles` or `venues`."""
    return sorted(file.stem for file in (data_folder() / "config" / kind).glob("*.toml"))
