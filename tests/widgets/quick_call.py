"""Asks the quick child that waits at a socket to do what this process is started for.

That one has imported everything long ago; it works on the streams of this process, which ends
with it, and it ends with this process.
"""

import socket
import sys

with socket.socket(socket.AF_UNIX) as line:
    line.connect(sys.argv[1])
    socket.send_fds(line, [b"."], [0, 1, 2])
    line.recv(1)
