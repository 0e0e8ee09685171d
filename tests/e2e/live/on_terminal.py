#!/usr/bin/python3
"""Runs a command on a terminal of 24 lines and prints what then stands there, the lines that have
scrolled out of it first. Knows carriage return, cursor up, and erasing to the end of the line or of
the screen. Exit code: the command's.

    on_terminal.py COMMAND ARGUMENT..."""

import os
import pty
import re
import sys

ROWS, COLUMNS = 24, 200


def run(command):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    os.set_blocking(terminal, True)
    written = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    return written.decode("utf-8", "replace"), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def screen(text):
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|\x1b\[\?\d+[hl]|[\r\n]|[^\r\n\x1b]+|\x1b", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif part.startswith("\x1b["):
            count, what = int(part[2:-1].lstrip("?") or 0), part[-1]
            if what == "A":
                row = max(0, row - max(1, count))
            elif what == "K":
                lines[row] = lines[row][:column]
            elif what == "J":
                lines[row] = lines[row][:column]
                del lines[row + 1:]
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + part + line[column + len(part):]
            column += len(part)
    return lines


def main():
    os.environ.update(TERM="xterm", LINES=str(ROWS), COLUMNS=str(COLUMNS))
    text, code = run(sys.argv[1:])
    print("\n".join(line.rstrip() for line in screen(text)))
    sys.exit(code)


main()
