#!/usr/bin/python3
"""judge.py FILE EXPRESSION: whether the expression is true of the records that a probe left in
FILE. In it, R is the list of records, r the first one, by the records by target, code the exit code
(from FILE.code), words what was said on stderr (FILE.err), up the targets that answered, states the
set of states; path and nodes as below. If it is not true, or fails, prints the records, and exits 1.
"""

import json
import sys


def path(record):
    """The first responder's address at each TTL from the first on; None where nobody answered."""
    return [hop["nodes"][0]["address"] if hop["nodes"] and hop["nodes"][0]["address"] else None
            for hop in record["path"]["hops"]]


def nodes(record, ttl):
    """The addresses of all that answered at a TTL."""
    return {node["address"] for hop in record["path"]["hops"] if hop["ttl"] == ttl
            for node in hop["nodes"] if node["address"]}


def main():
    name, expression = sys.argv[1:]
    said = open(name, encoding="utf-8").read()
    words = open(name + ".err", encoding="utf-8").read()
    code = int(open(name + ".code", encoding="ascii").read())
    try:
        records = [json.loads(line) for line in said.splitlines()]
        known = {"R": records, "r": records[0] if records else None, "code": code, "words": words,
                 "by": {record["target"]: record for record in records}, "path": path,
                 "nodes": nodes,
                 "up": {r["target"] for r in records if r["state"] in ("up", "lossy")},
                 "states": {r["state"] for r in records}}
        if eval(expression, known):  # pylint: disable=eval-used
            return 0
        why = "not so"
    except Exception as error:  # pylint: disable=broad-except
        why = f"{type(error).__name__}: {error}"
    print(f"{why}: {expression}; exit code {code}; {said[:1500].strip()} "
          f"{words[-400:].strip()}".replace("\n", " | "))
    return 1


if __name__ == "__main__":
    sys.exit(main())
