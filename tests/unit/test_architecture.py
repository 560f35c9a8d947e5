"""The shape of the tree: imports go inward only, the inner rings are pure, files and functions stay readable."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = ("core", "policy", "protocols")
IMPURE = {
    *("asyncio", "concurrent", "ctypes", "datetime", "getpass", "glob", "http", "logging", "multiprocessing", "os"),
    *("pathlib", "platform", "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3"),
    *("ssl", "subprocess", "sys", "tempfile", "threading", "time", "urllib"),
    *("aiosqlite", "aio_pika", "alembic", "argon2", "asyncpg", "cryptography", "nacl", "prometheus_client"),
    *("pydantic", "pydantic_settings", "rich", "sqlalchemy", "structlog", "typer", "uvloop"),
}
INWARD = ("auth", "net", "store", "observe", "settings", "app", "cli")
CONVERSIONS = {"time.gmtime", "time.strftime"}
"""Values in, values out: these read no clock."""
LONGEST_FILE, LONGEST_FUNCTION, MEDIAN_FUNCTION = 350, 50, 10


def sources(*folders: str) -> list[Path]:
    found = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    return [file for file in found if "versions" not in file.parts]  # migrations are history, not code


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offenders(files: list[Path], forbidden: set[str]) -> list[str]:
    """Imports of a forbidden package, wherever in the file they stand."""
    return [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in files
        for name in imported(file)
        if name not in CONVERSIONS and any(name == package or name.startswith(f"{package}.") for package in forbidden)
    ]


def functions(file: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            yield f"{file.relative_to(ROOT)}:{node.name}", (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_imports_go_inward_only():
    linter = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scanner_sees_an_import_inside_a_function(tmp_path: Path):
    file = tmp_path / "sly.py"
    file.write_text("def f():\n    from os.path import join\n    import time as t\n")

    assert list(imported(file)) == ["os.path.join", "time"]


@pytest.mark.parametrize("ring", PURE)
def test_the_inner_rings_are_pure(ring: str):
    assert offenders(sources(f"gateway/{ring}"), IMPURE | {f"gateway.{outer}" for outer in INWARD}) == []


@pytest.mark.parametrize("protocol", ["fix"])
def test_a_protocol_knows_no_other_protocol_and_no_policy(protocol: str):
    others = {
        f"gateway.protocols.{folder.name}" for folder in (ROOT / "gateway/protocols").iterdir() if folder.is_dir()
    }

    found = offenders(
        sources(f"gateway/protocols/{protocol}"), others - {f"gateway.protocols.{protocol}"} | {"gateway.policy"}
    )

    assert found == []


def test_the_gateway_never_imports_an_engine():
    assert offenders(sources("gateway"), {"quickfix", "simulators", "tests", "bench"}) == []


def test_simulators_share_nothing_with_the_gateway():
    assert offenders(sources("simulators"), {"gateway", "tests"}) == []


def test_the_sockets_know_the_authority_by_its_port_only():
    outside = {"gateway.auth", "gateway.store", "gateway.policy", "gateway.settings", "sqlalchemy", "argon2"}

    assert offenders(sources("gateway/net"), outside) == []


def test_files_stay_short():
    long = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in sources("gateway")}

    assert {file: lines for file, lines in long.items() if lines > LONGEST_FILE} == {}


def test_functions_stay_short():
    lengths = dict(pair for file in sources("gateway", "simulators") for pair in functions(file))

    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}
    assert median(lengths.values()) <= MEDIAN_FUNCTION


def test_every_module_says_what_it_is_for():
    silent = [
        str(file.relative_to(ROOT))
        for file in sources("gateway", "simulators")
        if not ast.get_docstring(ast.parse(file.read_text()))
    ]

    assert silent == []
