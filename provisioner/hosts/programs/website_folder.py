"""Asks the program of the website's folder one question, through its socket: it answers in a box that root would not be in.

Reads the question on stdin and prints the answer as it comes (role `website`, files/folder.py); nothing where there is none.
"""

import json
import shutil
import socket
import sys

SOCKET = "/run/website-folder.sock"


def main() -> None:
    """One question, one answer."""
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.connect(SOCKET)
        except OSError as error:
            sys.exit(f"{SOCKET}: {error.strerror}")
        asked.sendall(json.dumps(json.load(sys.stdin)).encode())
        asked.shutdown(socket.SHUT_WR)
        with asked.makefile() as answer:
            shutil.copyfileobj(answer, sys.stdout)


if __name__ == "__main__":
    main()
