#!/usr/bin/python3
"""Reads what `parallax ... -o json` prints and judges it. The referee of the demo and the tests.

It knows nothing of Parallax but the names that people and scripts rely on: kinds, field names,
verdicts and states. Every command reads files ("-": standard input) and exits 0 for yes, 1 for no
(and says why on stderr), 2 for input that is not what `-o json` promises.

  sensors FILE --count N                 N sensors, all of them connected
  sensors FILE --beyond FILE --probes N  each connected one has sent N more probes than in that file
  targets FILE [--list|--healthy N]      print the addresses; at least N known and healthy
  incidents FILE [--verdict V] [--state S[,S]] [--list]
                                         is there such an incident; print the ids
  field FILE NAME                        print one field of the (single) object
  judge FILE --targets FILE --failing FILE --failing-sensors A,B --reaching-sensors C,D
        [--verdict V]                    is this incident exactly what really happened
  expect FILE --verdict V --failing-sensors A,B --reaching-sensors C,D --family F --direction D
         --split S --suspect FROM,FROM>TO,TO [--targets FILE --failing FILE [--some]]
                                         is this live incident what it should be. "-": nobody, no
                                         suspect; "FROM>" is a way into silence. The targets are
                                         the known ones that fail, or --some of them
"""

import argparse
import ipaddress
import json
import sys

API_VERSION = "parallax/v1"


class Malformed(Exception):
    """The input breaks the contract of -o json."""


def load(path):
    text = sys.stdin.read() if path == "-" else open(path, encoding="utf-8").read()
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}: {text[:200]!r}") from error
    if not isinstance(document, dict):
        raise Malformed("the document is no object")
    return document


def load_items(path, kind):
    document = load(path)
    if document.get("api_version") != API_VERSION:
        raise Malformed(f"api_version is {document.get('api_version')!r}, not {API_VERSION!r}")
    if document.get("kind") != kind:
        raise Malformed(f"kind is {document.get('kind')!r}, not {kind!r}")
    items = document.get("items")
    if not isinstance(items, list):
        raise Malformed("items is no list")
    return items


def load_one(path):
    """One object, bare or wrapped as a list of one."""
    document = load(path)
    items = document.get("items")
    if isinstance(items, list):
        if len(items) != 1:
            raise Malformed(f"{len(items)} items where one was asked for")
        return items[0]
    for wrapper in ("item", "incident"):
        if isinstance(document.get(wrapper), dict):
            return document[wrapper]
    return document


def field(item, name):
    if name not in item:
        raise Malformed(f"field {name!r} is missing in {json.dumps(item)[:200]}")
    return item[name]


def address_set(texts):
    try:
        return {ipaddress.ip_address(text) for text in texts}
    except ValueError as error:
        raise Malformed(str(error)) from error


def few(items, limit=6):
    items = sorted(map(str, items))
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")


def differences(what, found, wanted):
    """Complaints about a set that should equal another."""
    complaints = []
    if found - wanted:
        complaints.append(f"{what}: named wrongly: {few(found - wanted)}")
    if wanted - found:
        complaints.append(f"{what}: missing: {few(wanted - found)}")
    return complaints


def judge(incident, verdict, known, really_failing, failing_sensors, reaching_sensors):
    """What is wrong with this incident, given what really fails; an empty list if nothing is."""
    complaints = []
    if field(incident, "verdict") != verdict:
        complaints.append(f"verdict is {incident['verdict']}, not {verdict}")
    if field(incident, "state") not in ("open", "monitoring"):
        complaints.append(f"state is {incident['state']}, not open")
    complaints += differences("failing sensors", set(field(incident, "failing_sensors")),
                              failing_sensors)
    complaints += differences("reaching sensors", set(field(incident, "reaching_sensors")),
                              reaching_sensors)
    targets = address_set(field(incident, "targets"))
    wanted = known & really_failing
    complaints += differences("targets", targets, wanted)
    if field(incident, "target_count") != len(wanted):
        complaints.append(f"target_count is {incident['target_count']}, not {len(wanted)}")
    versions = {address.version for address in wanted}
    family = "both" if len(versions) == 2 else f"ipv{versions.pop()}" if versions else None
    if family and field(incident, "family") != family:
        complaints.append(f"family is {incident['family']}, not {family}")
    if not wanted:
        complaints.append("nothing fails: there is nothing to judge")
    return complaints


def suspects(text):
    """The addresses that each end of "A,B>C,D" may have; None for "-"."""
    if text in ("-", "*"):
        return None
    start, arrow, end = text.partition(">")
    if not arrow or not start:
        raise Malformed(f"--suspect {text!r} is no FROM>TO")
    return set(start.split(",")), set(end.split(","))


def named(text):
    return set() if text == "-" else set(text.split(","))


def expect(incident, wanted, known, really_failing):
    """What is wrong with this incident, given what the table of faults says of it."""
    complaints = []
    if field(incident, "state") not in ("open", "monitoring"):
        complaints.append(f"state is {incident['state']}, not open")
    for name in ("verdict", "family", "direction", "split"):
        if getattr(wanted, name) not in ("*", field(incident, name)):
            complaints.append(f"{name} is {incident[name]}, not {getattr(wanted, name)}")
    for name in ("failing_sensors", "reaching_sensors"):
        if getattr(wanted, name) == "*":
            continue
        complaints += differences(name.replace("_", " "), set(field(incident, name)),
                                  named(getattr(wanted, name)))
    suspect = field(incident, "suspect")
    ends = suspects(wanted.suspect)
    found = suspect and (suspect["from"], suspect["to"].replace("silence", ""))
    if wanted.suspect != "*" and (found is None) != (ends is None) or found and ends and not (
            found[0] in ends[0] and found[1] in ends[1]):
        complaints.append(f"suspect is {found}, not {wanted.suspect}")
    if really_failing is not None:
        targets = address_set(field(incident, "targets"))
        right = known & really_failing
        complaints += differences("targets", targets, targets & right if wanted.some else right)
        if not targets:
            complaints.append("no target is named")
        if field(incident, "target_count") != len(targets):
            complaints.append(f"target_count is {incident['target_count']} of {len(targets)}")
    return complaints


def no(complaints):
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def cmd_sensors(args):
    items = load_items(args.file, "SensorList")
    if args.beyond:
        before = {field(item, "name"): field(item, "probes_sent")
                  for item in load_items(args.beyond, "SensorList")}
        sent = {field(item, "name"): field(item, "probes_sent") - before[field(item, "name")]
                for item in items if field(item, "state") == "connected"}
        return no([f"{name} has sent {n} probes, not {args.probes}" for name, n in sent.items()
                   if n < args.probes])
    states = {field(item, "name"): field(item, "state") for item in items}
    complaints = [f"sensor {name} is {state}" for name, state in states.items()
                  if state != "connected"]
    if args.count is not None and len(states) != args.count:
        complaints.append(f"{len(states)} sensors, not {args.count}")
    return no(complaints)


def cmd_targets(args):
    items = load_items(args.file, "TargetList")
    if args.list:
        print("\n".join(field(item, "address") for item in items))
    healthy = sum(1 for item in items if field(item, "verdict") == "healthy")
    if args.healthy is not None and healthy < args.healthy:
        return no([f"{len(items)} targets known, {healthy} of them healthy; {args.healthy} wanted"])
    return 0


def cmd_incidents(args):
    states = set(args.state.split(",")) if args.state else None
    found = [item for item in load_items(args.file, "IncidentList")
             if (args.verdict is None or field(item, "verdict") == args.verdict)
             and (states is None or field(item, "state") in states)]
    if args.list:
        for item in found:
            print(field(item, "id"))
    return 0 if found else 1


def cmd_field(args):
    value = field(load_one(args.file), args.name)
    print(value if isinstance(value, str) else json.dumps(value))
    return 0


def cmd_judge(args):
    incident = load_one(args.file)
    known = address_set(field(item, "address") for item in load_items(args.targets, "TargetList"))
    with open(args.failing, encoding="utf-8") as file:
        failing = address_set(file.read().split())
    return no(judge(incident, args.verdict, known, failing, set(args.failing_sensors.split(",")),
                    set(args.reaching_sensors.split(","))))


def cmd_expect(args):
    known = failing = None
    if args.failing:
        known = address_set(field(item, "address")
                            for item in load_items(args.targets, "TargetList"))
        with open(args.failing, encoding="utf-8") as file:
            failing = address_set(file.read().split())
    return no(expect(load_one(args.file), args, known, failing))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    sensors = commands.add_parser("sensors")
    sensors.add_argument("--count", type=int)
    sensors.add_argument("--beyond", metavar="FILE")
    sensors.add_argument("--probes", type=int, default=1)
    targets = commands.add_parser("targets")
    targets.add_argument("--list", action="store_true")
    targets.add_argument("--healthy", type=int)
    incidents = commands.add_parser("incidents")
    incidents.add_argument("--verdict")
    incidents.add_argument("--state")
    incidents.add_argument("--list", action="store_true")
    one = commands.add_parser("field")
    judged = commands.add_parser("judge")
    expected = commands.add_parser("expect")
    for each in (sensors, targets, incidents, one, judged, expected):
        each.add_argument("file")
    one.add_argument("name")
    for name in ("--targets", "--failing", "--failing-sensors", "--reaching-sensors"):
        judged.add_argument(name, required=True)
    judged.add_argument("--verdict", default="route_anomaly")
    for name in ("--verdict", "--failing-sensors", "--reaching-sensors", "--family", "--direction",
                 "--split", "--suspect"):
        expected.add_argument(name, required=True)
    expected.add_argument("--targets")
    expected.add_argument("--failing")
    expected.add_argument("--some", action="store_true")
    args = parser.parse_args()
    try:
        return globals()["cmd_" + args.command](args)
    except Malformed as error:
        print(f"check_incident.py {args.command}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"check_incident.py: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
