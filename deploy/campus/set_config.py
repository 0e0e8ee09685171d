#!/usr/bin/python3
"""Sets keys of a TOML file that has one key a line, the way an operator's editor would.

usage: set_config.py FILE [SECTION.]KEY=VALUE...

VALUE is TOML text; a bare word that is no TOML value is quoted. A commented default is uncommented
in place; a key that is missing is added to its section. Keys without a section stand before the first one.
"""

import os
import re
import sys


def toml_value(text):
    if re.fullmatch(r'(true|false|[+-]?[0-9][0-9_.]*|".*"|\[.*\])', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def set_key(lines, section, key, value):
    entry = f"{key} = {value}"
    start = -1
    if section:
        start = next((i for i, line in enumerate(lines) if line.strip() == f"[{section}]"), None)
    if start is None:
        return lines + ["", f"[{section}]", entry]
    end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("[")), len(lines))
    pattern = re.compile(rf"\s*#?\s*{re.escape(key)}\s*=")
    found = [i for i in range(start + 1, end) if pattern.match(lines[i])]
    live = [i for i in found if not lines[i].lstrip().startswith("#")]
    if live or found:
        at = (live or found)[0]
        return lines[:at] + [entry] + lines[at + 1:]
    return lines[:start + 1] + [entry] + lines[start + 1:]


def main():
    if len(sys.argv) < 3:
        print("usage: set_config.py FILE [SECTION.]KEY=VALUE...", file=sys.stderr)
        return 2
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for setting in sys.argv[2:]:
        name, equals, value = setting.partition("=")
        section, _, key = name.strip().rpartition(".")
        if not equals or not key:
            print(f"set_config.py: {setting}: not [SECTION.]KEY=VALUE", file=sys.stderr)
            return 2
        lines = set_key(lines, section, key, toml_value(value.strip()))
    mode = os.stat(path).st_mode & 0o7777
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    os.chmod(path + ".new", mode)
    os.replace(path + ".new", path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
