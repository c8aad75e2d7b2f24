"""A stdio server that is in another process: relays between the standard streams and a port.

usage: relay.py PORT
"""

import os
import socket
import sys
import threading


def copy(read, write):
    while chunk := read(65536):
        write(chunk)


def up():
    copy(lambda size: os.read(0, size), connection.sendall)
    connection.shutdown(socket.SHUT_WR)


def write(chunk):
    while chunk:
        chunk = chunk[os.write(1, chunk) :]


connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
threading.Thread(target=up, daemon=True).start()
copy(connection.recv, write)
