#!/usr/bin/python3
"""Rules of the tree that no compiler checks. Run without arguments from anywhere; exit code 1 and
one line a violation ("file:line: rule: what") if there are any.

  pure       decision code decides without touching the world: no clock, randomness, thread, file,
             socket, database, gRPC, protobuf or pcap, and no header of ours that brings one in
  wire       generated protobuf headers only where messages are turned into domain structs
  library    one outside library per file
  upward     common/ knows neither daemon, the daemons do not know each other
  length     no file beyond 450 lines
  script     every script parses, Python scripts use the system's interpreter
  machine    no path of somebody's machine, no address of a package registry
"""

import argparse
import fnmatch
import os
import re
import subprocess
import sys

MAX_LINES = 450

# Folders and files of decision code (DESIGN section 4), and what in them touches the world.
PURE = ("collector/detect/*", "collector/schedule/*", "collector/enrol/records*",
        "collector/enrol/registry*", "collector/enrol/attempt_limit*", "sensor/observe/*", "sensor/announce/*",
        "sensor/capture/announcement*", "sensor/capture/bpf_announcements*",
        "sensor/capture/bpf_program*", "sensor/capture/cursor*",
        "sensor/doctor/judge*", "sensor/doctor/facts*", "common/checkup*",
        "sensor/capture/decode*", "sensor/capture/link_type*", "sensor/capture/segment*",
        "sensor/probe/*")
NOT_PURE = ("sensor/probe/ports/*", "sensor/probe/policy/policy_file.*",
            "sensor/probe/probe_engine.*", "sensor/probe/probe_loop.*")

# Headers that touch the world. Matched against the text between <> or "".
WORLD = re.compile(
    r"(grpc|grpcpp|google/protobuf)/|\.pb\.h$|^sqlite3|^pcap|^openssl/|^boost/|^toml\+\+|^spdlog/|^CLI/"
    r"|^nlohmann/|^sys/|^netinet/|^net/|^arpa/|^linux/(?!filter\.h)|^netdb\.h|^unistd\.h|^fcntl\.h"
    r"|^poll\.h|^pthread\.h|^signal\.h|^time\.h"
    r"|^(thread|mutex|shared_mutex|condition_variable|future|stop_token|semaphore|latch|barrier"
    r"|filesystem|fstream|random|iostream|csignal|cstdio|ctime)$")
# Calls that touch the world, looked for in code without comments and string literals.
WORLD_CALLS = re.compile(
    r"(::\s*now\s*\(|\b(?:Mono|Wall)?Now\s*\(|\bclock_gettime\s*\(|\bgettimeofday\s*\("
    r"|\bstd::time\s*\(|\bs?rand\s*\(|\brandom_device\b|\bgetrandom\s*\(|\bgetenv\s*\("
    r"|\bsleep_(?:for|until)\b|\busleep\s*\()")

WIRE_HEADER = re.compile(r"\.pb\.h$")
WIRE_ALLOWED = ("sensor/link/*", "collector/ingest/*", "collector/operate/*service*",
                "collector/operate/*convert*", "collector/cli/*", "tests/*", "proto/*")

# fmt, tl::expected and the test frameworks are part of the language here, not a library to fence in.
LIBRARIES = {
    "gRPC": re.compile(r"^(grpc|grpcpp|google/protobuf)/|\.pb\.h$"),
    "SQLite": re.compile(r"^sqlite3"),
    "libpcap": re.compile(r"^pcap"),
    "OpenSSL": re.compile(r"^openssl/"),
    "toml++": re.compile(r"^toml\+\+"),
    "spdlog": re.compile(r"^spdlog/"),
    "CLI11": re.compile(r"^CLI/"),
    "nlohmann::json": re.compile(r"^nlohmann/"),
    "Boost": re.compile(r"^boost/"),
}

MACHINE = re.compile(
    r"(?<![\w./-])/(?:work|root|home/[a-z_][\w-]*)/[\w.-]"
    r"|https?://[^\s\"'<>)]*\b(?:deb|security|snapshot|mirrors?|registry|proxy|pypi|packages)\b"
    r"[.\w-]*\.[a-z]{2,}")

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
SOURCES = (".h", ".cc")
# Data is data; rules about text do not apply to it.
DATA = ("tests/data/*", "tests/fuzz/corpus/*", "LICENSE")


def any_match(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def list_files(root):
    """Paths below root that belong to the tree: what git knows, or all but build folders."""
    try:
        listing = subprocess.run(
            ["git", "-c", f"safe.directory={root}", "-C", root, "ls-files", "-co",
             "--exclude-standard", "-z"], capture_output=True, check=True).stdout
        paths = [os.fsdecode(path) for path in listing.split(b"\0") if path]
        if paths:
            return sorted(path for path in paths if os.path.isfile(os.path.join(root, path)))
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders
                      if name not in (".git", "__pycache__") and not name.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def blank_out(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def code_of(text):
    """The text without comments and string literals; line numbers stay."""
    return re.sub(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'',
                  blank_out, text, flags=re.S)


class Tree:
    def __init__(self, root):
        self.root = root
        self.paths = list_files(root)
        self.texts = {}
        for path in self.paths:
            if any_match(path, DATA):
                continue
            try:
                with open(os.path.join(root, path), encoding="utf-8") as file:
                    self.texts[path] = file.read()
            except (OSError, UnicodeDecodeError):
                continue  # binary files have no lines
        self.violations = []

    def say(self, path, line, rule, what):
        self.violations.append(f"{path}:{line}: {rule}: {what}")

    def sources(self):
        return [(path, text) for path, text in self.texts.items() if path.endswith(SOURCES)]

    def includes(self, path):
        """(line number, included name) of a source file."""
        return [(number, match.group(1))
                for number, line in enumerate(self.texts[path].splitlines(), 1)
                if (match := INCLUDE.match(line))]


def check_pure(tree):
    for path, text in tree.sources():
        if not (any_match(path, PURE) and not any_match(path, NOT_PURE)):
            continue
        for number, line in enumerate(code_of(text).splitlines(), 1):
            if match := WORLD_CALLS.search(line):
                tree.say(path, number, "pure", f"decision code calls {match.group(0).strip(' (')}")
        # What a header of ours brings in counts as included here.
        seen = set()
        queue = [(number, name, name) for number, name in tree.includes(path)]
        while queue:
            number, name, way = queue.pop(0)
            if WORLD.search(name):
                tree.say(path, number, "pure", f"decision code includes {way}")
            elif name in tree.texts and name not in seen:
                seen.add(name)
                queue += [(number, inner, f"{way} -> {inner}") for _, inner in tree.includes(name)]


def check_wire(tree):
    for path, _ in tree.sources():
        if any_match(path, WIRE_ALLOWED):
            continue
        for number, name in tree.includes(path):
            if WIRE_HEADER.search(name):
                tree.say(path, number, "wire", f"{name} belongs to the files that convert messages")


def check_library(tree):
    for path, _ in tree.sources():
        if path.startswith("tests/"):
            continue
        used = {}
        for number, name in tree.includes(path):
            for library, pattern in LIBRARIES.items():
                if pattern.search(name):
                    used.setdefault(library, number)
        if len(used) > 1:
            tree.say(path, max(used.values()), "library", f"more than one: {', '.join(sorted(used))}")


def check_upward(tree):
    forbidden = {"common": ("sensor/", "collector/"), "sensor": ("collector/",),
                 "collector": ("sensor/",)}
    for path, _ in tree.sources():
        for number, name in tree.includes(path):
            if name.startswith(forbidden.get(path.split("/")[0], ())):
                tree.say(path, number, "upward", f"includes {name}")


def check_length(tree):
    for path, text in tree.texts.items():
        lines = text.count("\n")
        if lines > MAX_LINES and not path.endswith((".md", ".json", ".jsonl", ".txt")):
            tree.say(path, lines, "length", f"{lines} lines; two files would be easier to read")


def check_script(tree):
    for path, text in tree.texts.items():
        first = text.split("\n", 1)[0]
        if path.endswith(".sh") or re.match(r"#!.*\b(ba)?sh\b", first):
            shell = "bash" if path.endswith(".sh") or "bash" in first else "sh"
            done = subprocess.run([shell, "-n", os.path.join(tree.root, path)],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                tree.say(path, 1, "script", done.stderr.strip().replace("\n", "; "))
        elif path.endswith(".py") or re.match(r"#!.*python", first):
            if first.startswith("#!") and first.split()[0] != "#!/usr/bin/python3":
                tree.say(path, 1, "script", f"{first}: use #!/usr/bin/python3")
            try:
                compile(text, path, "exec")
            except SyntaxError as error:
                tree.say(path, error.lineno or 1, "script", str(error))
        else:
            continue
        if first.startswith("#!") and not os.access(os.path.join(tree.root, path), os.X_OK):
            tree.say(path, 1, "script", "has an interpreter line, but may not be executed")


def check_machine(tree):
    for path, text in tree.texts.items():
        for number, line in enumerate(text.splitlines(), 1):
            if match := MACHINE.search(line):
                tree.say(path, number, "machine", match.group(0))


CHECKS = (check_pure, check_wire, check_library, check_upward, check_length, check_script,
          check_machine)


def violations_of(root):
    tree = Tree(root)
    for check in CHECKS:
        check(tree)
    return len(tree.paths), tree.violations


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument("root", nargs="?", default=os.path.dirname(os.path.dirname(here)))
    count, violations = violations_of(os.path.abspath(parser.parse_args().root))
    for violation in violations:
        print(violation)
    print(f"{count} files, {len(violations)} violations", file=sys.stderr)
    return 1 if violations or not count else 0


if __name__ == "__main__":
    sys.exit(main())
