"""Stand in for `python -m MODULE`: ask the server for a process of it, lend it these files, and end as it ends.

The arguments: socket of the server, the real Python, name of the command, its words.
"""

import json
import os
import socket
import sys

SERVED = ("regrow", "snakemake", "dvc", "pytest")


def main() -> None:
    """Run a command in the server's way, or by the real Python where it is none of `SERVED`."""
    address, python, command, *words = sys.argv[1:]
    if command in SERVED:
        words = ["-m", command, *words]
    if words[:1] != ["-m"] or words[1] not in SERVED:
        os.execv(python, [python, *words])
    request = json.dumps({"words": words[1:], "folder": os.getcwd(), "environment": dict(os.environ)}).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [len(request).to_bytes(8, "big")], [0, 1, 2])
        server.sendall(request)
        status = server.recv(1)
    if not status:
        sys.exit("the server of preloaded processes is gone")
    sys.exit(status[0])


if __name__ == "__main__":
    main()
