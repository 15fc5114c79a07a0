"""Nothing is sent to a port that somebody else holds."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Self, cast

import pytest

from benchmarks.own_listener import ForeignListenerError, check_listener
from benchmarks.peer_process import PeerDidNotStart, check_peer


@pytest.fixture
def process() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that listens nowhere."""
    with subprocess.Popen(["sleep", "60"]) as started:
        yield started
        started.kill()


class Impostor(HTTPServer):
    """Answers /healthz with whatever it is told, out of the test's own process."""

    def __init__(self, said: bytes) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(said)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Nobody reads it."""

        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


def test_a_port_is_ours_while_our_process_listens_on_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        check_listener(port, os.getpid())
        with pytest.raises(ForeignListenerError, match=f"port {port} is not held by process {os.getppid()}"):
            check_listener(port, os.getppid())

    with pytest.raises(ForeignListenerError):
        check_listener(port, os.getpid())


def test_a_peer_that_names_another_process_is_refused(process: "subprocess.Popen[bytes]") -> None:
    with Impostor(b'{"peer":"null","pid":1}') as impostor, pytest.raises(ForeignListenerError):
        check_peer("null", impostor.server_port, process)


def test_a_peer_that_names_our_process_from_another_one_is_refused(process: "subprocess.Popen[bytes]") -> None:
    said = f'{{"peer":"null","pid":{process.pid}}}'.encode()
    with Impostor(said) as impostor, pytest.raises(ForeignListenerError):
        check_peer("null", impostor.server_port, process)


@pytest.mark.parametrize(("peer", "others"), [("node_ws", 0), ("null", 1)])
def test_another_program_or_process_that_answers_on_our_own_port_is_refused(peer: str, others: int) -> None:
    ourselves = cast("subprocess.Popen[bytes]", SimpleNamespace(pid=os.getpid(), poll=lambda: None))
    said = f'{{"peer":"{peer}","pid":{os.getpid() + others}}}'.encode()
    with Impostor(said) as impostor, pytest.raises(ForeignListenerError):
        check_peer("null", impostor.server_port, ourselves)


def test_a_peer_that_ends_instead_of_starting_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with subprocess.Popen(["true"]) as ended:
        ended.wait()

        with pytest.raises(PeerDidNotStart, match="null"):
            check_peer("null", port, ended)
