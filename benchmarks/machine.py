"""What a measurement asks of this machine: cores of its own, many files, and the kernel's books on a process."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

DRIVER_CORE: Final = 0
SERVER_CORE: Final = 1

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = resource.getpagesize()


def take_all_files_allowed() -> int:
    """Raise the limit of open files as far as it goes; return it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """
    Run on this core; what is started meanwhile stays on it, all its threads included.

    A machine with fewer cores than that is used as it is: what was measured on it says so (`described`).
    """
    with _on({core}):
        yield


@contextmanager
def beside_the_server() -> Iterator[None]:
    """Run on any core but the server's: what is started meanwhile is neither measured nor in its way."""
    with _on(set(range(os.cpu_count() or 1)) - {SERVER_CORE}):
        yield


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    if cores & set(range(os.cpu_count() or 1)):
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds this process has used, in user and kernel, to a hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_bytes(pid: int) -> int:
    """Return how much of this process is in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def described() -> str:
    """Return the machine in one line: a number means nothing without it."""
    models = {line.split(": ")[1] for line in _lines("/proc/cpuinfo") if line.startswith("model name")}
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0]
    return (
        f"{', '.join(sorted(models)) or platform.machine()}, {cores} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {load:.1f}"
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text().replace("\t", "").splitlines()
