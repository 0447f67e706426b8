#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""on_terminal.py ANSWERS COMMAND...: runs a command on a terminal of its own and types a letter
of ANSWERS, and Enter, at each question; after the last one the end of the input. Prints what the
command printed, and ends with its exit code."""
import os
import pty
import sys

answers = list(sys.argv[1])
pid, fd = pty.fork()
if not pid:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b""
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
    seen += data
    while b"[y/n, a: all] " in seen:
        seen = seen.split(b"[y/n, a: all] ", 1)[1]
        os.write(fd, (answers.pop(0) + "\n").encode() if answers else b"\x04")
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
