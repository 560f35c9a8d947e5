"""What the bench needs of the machine: installed peers, compiled load programs, cores, limits, memory and CPU of a process.

It ends only processes that it started.
"""

import datetime as dt
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

NATIVE = Path(__file__).parent / "native"
OPENSSL_HEADER = Path("/usr/include/openssl/ssl.h")
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
NGINX_STREAM = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
DEBIAN = {
    "haproxy": lambda: tool("haproxy") is not None,
    "nginx-light": lambda: tool("nginx") is not None,
    "libnginx-mod-stream": NGINX_STREAM.exists,
    "libssl-dev": OPENSSL_HEADER.exists,
    "rabbitmq-server": RABBITMQ.exists,
}
PROXY_CORE, LOAD_CORE = 0, 1


def tool(name: str) -> str | None:
    """Where a program is: root's folders are searched as well, as Debian keeps haproxy and nginx there."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def set_up() -> list[str]:
    """Install Debian's packages that are missing, when root; returns what to tell the reader."""
    missing = [package for package, there in DEBIAN.items() if not there()]
    if not missing:
        return []
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return [f"not installed, and apt-get needs root: {' '.join(missing)}; their rows are left out"]
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # RUNLEVEL: nothing is started
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            return [
                f"{' '.join(command)} failed: {done.stderr.strip()[-200:]}; rows of {' '.join(missing)} are left out"
            ]
    return [f"installed from Debian: {' '.join(missing)}"]


@dataclass(frozen=True, slots=True)
class Programs:
    """The compiled load programs; `tls` says whether the generator speaks it."""

    load: Path
    engine: Path
    amqp_load: Path
    tls: bool


def compile_programs(folder: Path) -> Programs:
    """Compile generator and engine with gcc -O2. Raises RuntimeError with the compiler's words."""
    tls = OPENSSL_HEADER.exists()
    libraries = ["-lssl", "-lcrypto"] if tls else []
    flags = ["-O2", "-Wall", "-Wextra", "-Wno-unused-function", *(["-DWITH_TLS"] if tls else [])]
    for name in ("load", "engine", "amqp_load"):
        extra = [*libraries, "-lpthread"] if name != "engine" else []
        _gcc([*flags, "-o", str(folder / name), str(NATIVE / f"{name}.c"), *extra])
    return Programs(folder / "load", folder / "engine", folder / "amqp_load", tls)


def _gcc(arguments: list[str]) -> None:
    compiler = tool("gcc") or tool("cc")
    if compiler is None:
        raise RuntimeError("no C compiler: apt-get install gcc libc6-dev")
    done = subprocess.run([compiler, *arguments], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)


def pinned(core: int, command: list[str]) -> list[str]:
    """The command, bound to one core together with every thread and child it will have."""
    if (os.cpu_count() or 1) < 2 or (taskset := tool("taskset")) is None:
        return command
    return [taskset, "-c", str(core), *command]


def move(pid: int, core: int) -> None:
    """Bind a running process of ours to a core, where there are two."""
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {core})


def alone(module: str) -> float:
    """Run a module of ours on the proxies' core and return the number that it prints."""
    command = pinned(PROXY_CORE, [sys.executable, "-m", module])
    return float(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)


def raise_file_limit(wanted: int) -> int:
    """Raise the number of open files towards `wanted`; children inherit it. Returns what is allowed now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return soft
    for ceiling in (max(hard, wanted), hard):  # root may raise the hard limit, unless a container forbids it
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, ceiling), ceiling))
        except ValueError:
            continue
        break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for one in found:
        children = Path(f"/proc/{one}/task/{one}/children")
        if children.exists():
            found += [int(child) for child in children.read_text().split()]
    return found


def resident_kib(pid: int) -> int:
    """Resident memory of a process and its descendants, KiB."""
    return sum(_status_kib(one, "VmRSS:") for one in family(pid))


def _status_kib(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """User and system time used so far by a process and its descendants."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def description() -> dict[str, object]:
    """What a reader needs to know about the machine to judge the numbers."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return {
        "utc": dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ"),
        "cores": os.cpu_count(),
        "cpu": model[0] if model else platform.machine(),
        "kernel": platform.release(),
        "python": python(),
        "load_average": list(os.getloadavg()),
        "haproxy": _version("haproxy", "-v"),
        "nginx": _version("nginx", "-v"),
        "rabbitmq": _package_version("rabbitmq-server"),
    }


def _version(name: str, flag: str) -> str | None:
    program = tool(name)
    if program is None:
        return None
    done = subprocess.run([program, flag], capture_output=True, text=True, timeout=10, check=False)
    return (done.stdout or done.stderr).splitlines()[0]


def _package_version(package: str) -> str | None:
    program = tool("dpkg-query")
    if program is None:
        return None
    command = [program, "-W", "-f", "${Version}", package]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout or None


def python() -> str:
    """The interpreter and who built it: one built without profile-guided optimisation is a third slower (distributions use it)."""
    if sys.base_prefix == "/usr":
        return f"{platform.python_version()} (the distribution's)"
    guided = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"{platform.python_version()} (built {'with' if guided else 'without'} --enable-optimizations)"
