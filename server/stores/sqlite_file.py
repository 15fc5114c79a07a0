"""
The file: how it is made, when it is refused, and who may have it open.

Beside `daifu.db` live `daifu.db.lock`, held by the process that has it open, and `daifu.db.id`, which says that there
is a database here: without it a lost file would be taken for a first start, and money for orders nobody knows.
A database is built under another name and renamed when it is complete, so whatever is under its own name and not whole
is damaged, never half made.
"""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal
from urllib.parse import quote

from server.errors import ConfigError
from server.stores.sqlite_schema import APPLICATION_ID, MIGRATIONS

BUSY_TIMEOUT_S: Final = 1.0  # a caller waits for the batch before his own and for his own: two of these

# quick_check reads the whole file, a second or two for this much. Beyond it only the header, the schema and whatever is
# read are checked, so that a start never takes minutes; documents are still checked one by one when they are read.
CHECK_WHOLE_FILE_BELOW_BYTES: Final = 512 * 1024 * 1024

_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_MARKER_TEXT: Final = "A daifu database lives beside this file. Delete this only if its orders are meant to be gone.\n"


class FileInUse(ConfigError):
    """Another process holds the file's lock."""


@dataclass(frozen=True)
class OpenFile:
    """Two connections in autocommit mode and the lock that keeps other processes out."""

    writer: sqlite3.Connection
    reader: sqlite3.Connection
    lock: BinaryIO

    def release(self) -> None:
        """Let other processes in; the connections are closed by whoever used them."""
        self.lock.close()


def open_file(path: Path) -> OpenFile:
    """
    Open or make the database at `path`. Blocks; not for the event loop.

    Raises:
        ConfigError: It is refused; one sentence names the file and what to do.
    """
    path = path.absolute()
    with ExitStack() as undo:
        try:
            _make_directory(path.parent)
            lock = undo.enter_context(open(_beside(path, ".lock"), "ab", opener=_private))
            _lock(lock, path)
            if path.exists():
                _check_owner(path)
                _check_header(path)
            else:
                _refuse_if_lost(path)
                _create(path)
            writer = undo.enter_context(closing(_connect(path)))
            _check_identity(path, writer)
            _configure(path, writer)  # not before: a stranger's file stays as it is
            _check_content(path, writer)
            _migrate(writer)
            reader = undo.enter_context(closing(_connect(path)))
            _configure(path, reader)
            reader.execute("PRAGMA query_only = ON")
            _mark(path)
        except OSError as error:
            raise ConfigError(f"{error.filename or path}: {error.strerror}") from error
        except sqlite3.Error as error:
            raise _refusal(path, error) from error
        undo.pop_all()
    return OpenFile(writer, reader, lock)


def open_beside(path: Path) -> sqlite3.Connection:
    """
    Open the database for a second process, for tables the one that holds the lock keeps nothing of in memory.

    Raises:
        ConfigError: There is none, or another daifu wrote it.
    """
    path = path.absolute()
    if not path.exists():
        raise ConfigError(f"{path} is not there: start daifu once, or name its folder with DATA_DIR")
    try:
        with ExitStack() as undo:
            connection = undo.enter_context(closing(_connect(path)))
            _check_identity(path, connection)
            if _pragma(connection, "PRAGMA user_version") < len(MIGRATIONS):
                raise ConfigError(f"{path} was written by an older daifu: start this one first")
            _configure(path, connection)
            undo.pop_all()
    except sqlite3.Error as error:
        raise _refusal(path, error) from error
    return connection


def check_file(path: Path) -> None:
    """
    Return if a start would take the database at `path`, or make one there. Looks only, beside whoever has it open.

    Raises:
        ConfigError: It would be refused; one sentence names the file and what to do.
    """
    path = path.absolute()
    try:
        if not path.exists():
            _refuse_if_lost(path)
            return
        _check_owner(path)
        _check_header(path)
        with closing(_connect(path, mode="ro")) as connection:
            _check_identity(path, connection)
            _check_content(path, connection)
    except OSError as error:
        raise ConfigError(f"{error.filename or path}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise _refusal(path, error) from error


def _make_directory(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        raise ConfigError(f"{directory} cannot be written by this user: give it to the user daifu runs as")


def _lock(lock: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileInUse(f"another daifu process has {path} open: stop it first") from error


def _check_owner(path: Path) -> None:
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise ConfigError(
            f"{path} belongs to user {owner}, daifu runs as {os.geteuid()}: chown the file or run as its owner"
        )


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if not header.startswith(_MAGIC[: len(header)]):
        raise ConfigError(f"{path} is not a SQLite file: move it away or choose another DATA_DIR")
    if len(header) < _HEADER_BYTES:
        raise _damaged(path)


def _refuse_if_lost(path: Path) -> None:
    for suffix in (".id", "-wal"):
        witness = _beside(path, suffix)
        if witness.exists():
            raise ConfigError(
                f"{path} is missing but {witness.name} says there was one: restore it from a backup,"
                f" or delete {witness.name} to start empty"
            )


def _create(path: Path) -> None:
    unfinished = _beside(path, ".new")
    for leftover in (unfinished, _beside(unfinished, "-journal")):
        leftover.unlink(missing_ok=True)
    # SQLite gives its -wal and -shm files the mode of the database itself.
    open(unfinished, "xb", opener=_private).close()
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection)
    unfinished.rename(path)
    _sync_directory(path.parent)


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring an older file up to date; each script is one transaction and writes its own version."""
    for script in MIGRATIONS[_pragma(connection, "PRAGMA user_version") :]:
        connection.executescript(script)


def _connect(path: Path, *, mode: Literal["ro", "rw"] = "rw") -> sqlite3.Connection:
    """In both modes a file that vanished meanwhile is an error, not a new database."""
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,  # opened here, used by one worker's thread
    )


def _configure(path: Path, connection: sqlite3.Connection) -> None:
    [(journal_mode,)] = connection.execute("PRAGMA journal_mode = WAL").fetchall()
    if journal_mode != "wal":
        raise ConfigError(f"{path} is on a file system without shared memory: choose another DATA_DIR")
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL loses acknowledged payments in a power cut
    connection.execute("PRAGMA cell_size_check = ON")  # report a damaged page instead of reading nonsense from it
    connection.execute("PRAGMA cache_size = -16384")  # KiB
    connection.execute("PRAGMA journal_size_limit = 67108864")  # bytes


def _check_identity(path: Path, connection: sqlite3.Connection) -> None:
    if _pragma(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise ConfigError(f"{path} belongs to another program: move it away or choose another DATA_DIR")
    version = _pragma(connection, "PRAGMA user_version")
    if version > len(MIGRATIONS):
        raise ConfigError(
            f"{path} has format {version}, this daifu knows {len(MIGRATIONS)}: start the newer daifu that wrote it"
        )


def _check_content(path: Path, connection: sqlite3.Connection) -> None:
    if path.stat().st_size > CHECK_WHOLE_FILE_BELOW_BYTES:
        return
    [(verdict,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != "ok":
        raise _damaged(path)


def _mark(path: Path) -> None:
    marker = _beside(path, ".id")
    if marker.exists():
        return
    with open(marker, "w", encoding="utf-8", opener=_private) as file:
        file.write(_MARKER_TEXT)
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(path.parent)


def _refusal(path: Path, error: sqlite3.Error) -> ConfigError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ConfigError(f"{path} is locked by another program: close whatever has it open")
    return ConfigError(f"{path} cannot be opened: {error}")


def _damaged(path: Path) -> ConfigError:
    return ConfigError(f"{path} is damaged: restore it from a backup")


def _pragma(connection: sqlite3.Connection, sql: str) -> int:
    return int(connection.execute(sql).fetchone()[0])


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _private(name: str, flags: int) -> int:
    """Open for nobody but daifu's own user."""
    return os.open(name, flags, 0o600)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
