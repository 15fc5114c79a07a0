"""The socket we listen on, and what connections inherit from it."""

import socket

from handlers.process import SEND_BUFFER_BYTES, listen
from settings import load_settings
from tests.faults.processes import a_free_port


def test_the_kernel_keeps_little_for_a_page_that_does_not_read() -> None:
    port = a_free_port()
    [listening] = listen(load_settings(_env_file=None, port=port))
    with listening, socket.create_connection(("127.0.0.1", port)):
        listening.setblocking(True)
        connection, _ = listening.accept()
        with connection:
            kept_bytes = connection.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    assert kept_bytes == 2 * SEND_BUFFER_BYTES  # Linux doubles what it is asked for
