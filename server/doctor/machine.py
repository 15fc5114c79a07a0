"""The machine under daifu: its folder, its disk, how many files it may open, the embedded store."""

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from server.bootstrap import SQLITE_FILE
from server.doctor.finding import Finding, ok, warning, wrong
from server.errors import ConfigError
from server.stores.sqlite_file import check_file
from settings import Settings

LEAST_FREE_BYTES: Final = 1 << 30


def check_machine(settings: Settings) -> list[Finding]:
    """Return what is to be said of this machine. Blocks; not for the event loop."""
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    found = [*_folder(settings.data_dir), *check_open_files(settings, most_files=most_files)]
    if not settings.mongodb_url.get_secret_value():
        found += _sqlite(settings.data_dir / SQLITE_FILE)
    return found


def check_open_files(settings: Settings, *, most_files: int) -> list[Finding]:
    """Return a warning if the system lets a process have fewer sockets than WATCH_MAX_PER_PROCESS pages need."""
    wanted = settings.watch_max_per_process
    if most_files == resource.RLIM_INFINITY or most_files > wanted:
        return []
    return [warning("open_files_few", limit=most_files, wanted=wanted)]


def _folder(folder: Path) -> Iterator[Finding]:
    place = folder.absolute()
    while not place.exists():  # the first start makes it
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK, effective_ids=True):
        yield wrong("data_dir_not_writable", folder=str(folder))
        return
    if folder.exists() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield warning("data_dir_open", folder=str(folder))
    if (free := shutil.disk_usage(place).free) < LEAST_FREE_BYTES:
        yield warning("disk_nearly_full", folder=str(folder), free_mib=free >> 20)


def _sqlite(path: Path) -> Iterator[Finding]:
    try:
        check_file(path)
    except ConfigError as refusal:
        yield wrong("sqlite_refused", reason=str(refusal))
    else:
        yield ok("sqlite_fine", file=str(path))
