#!/usr/bin/python3
"""The rules of includes.py catch what they are for, and let pass what they should."""

import importlib.util
import os
import stat
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
SPEC = importlib.util.spec_from_file_location("includes", os.path.join(HERE, "includes.py"))
includes = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(includes)


class RulesTest(unittest.TestCase):
    def violations(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as file:
                    file.write(text)
                if text.startswith("#!"):
                    os.chmod(full, os.stat(full).st_mode | stat.S_IXUSR)
            return includes.violations_of(root)[1]

    def assert_caught(self, rule, files):
        found = self.violations(files)
        self.assertTrue(found and all(f": {rule}: " in line for line in found), (files, found))

    def assert_clean(self, files):
        self.assertEqual(self.violations(files), [], files)

    def test_decision_code_includes_the_world(self):
        for header in ("<grpcpp/grpcpp.h>", "<sqlite3.h>", "<pcap/pcap.h>", "<sys/socket.h>",
                       "<netinet/in.h>", "<thread>", "<mutex>", "<filesystem>", "<random>",
                       "<unistd.h>", "<spdlog/spdlog.h>"):
            self.assert_caught("pure", {"collector/detect/cell.cc": f"#include {header}\n"})
        for path in ("collector/schedule/a.h", "sensor/observe/a.cc", "sensor/capture/decode.cc",
                     "sensor/capture/bpf_program.h", "sensor/probe/policy/pacer.cc",
                     "sensor/probe/wire/packet_icmp.cc", "sensor/probe/prober.cc"):
            self.assert_caught("pure", {path: "#include <thread>\n"})

    def test_decision_code_includes_the_world_by_way_of_ours(self):
        self.assert_caught("pure", {"collector/detect/cell.cc": '#include "common/a.h"\n',
                                    "common/a.h": '#include "common/b.h"\n',
                                    "common/b.h": "#include <thread>\n"})

    def test_headers_in_a_circle_end(self):
        self.assert_clean({"collector/detect/cell.cc": '#include "common/a.h"\n',
                           "common/a.h": '#include "common/b.h"\n',
                           "common/b.h": '#include "common/a.h"\n'})

    def test_decision_code_reads_clock_or_dice(self):
        for call in ("auto t = std::chrono::steady_clock::now();", "auto t = Now();", "int a = rand();",
                     "std::random_device device;", "auto t = clock :: now ();", "f(MonoNow());"):
            self.assert_caught("pure", {"collector/detect/cell.cc": call + "\n"})

    def test_words_are_no_calls(self):
        self.assert_clean({"collector/detect/cell.cc":
                           '// Now() is not read here; std::chrono::steady_clock::now() neither.\n'
                           '/* rand() */ const char* kText = "Now()";\nvoid Known(int now);\n'
                           'int operand(int);\nvoid F(Moment now) { g(now); brand(1); }\n'
                           "#include <chrono>\n#include <vector>\n"})

    def test_the_rest_may_touch_the_world(self):
        world = "#include <sys/socket.h>\nauto t = Now();\n"
        self.assert_clean({"sensor/probe/ports/socket_util.cc": world,
                           "sensor/capture/live.cc": "#include <pcap/pcap.h>\n"})

    def test_wire_headers_stay_at_the_border(self):
        header = '#include "parallax/v1/link.pb.h"\n'
        for path in ("collector/store/a.cc", "collector/operate/format.cc", "common/a.h",
                     "sensor/main.cc"):
            self.assert_caught("wire", {path: header})
        for path in ("sensor/link/convert.cc", "collector/ingest/service.cc",
                     "collector/operate/operator_service.cc", "collector/cli/main.cc"):
            self.assert_clean({path: header})

    def test_one_library_per_file(self):
        self.assert_caught("library", {"collector/cli/a.cc":
                                       "#include <CLI/CLI.hpp>\n#include <nlohmann/json.hpp>\n"})
        self.assert_clean({"collector/cli/a.cc": "#include <CLI/CLI.hpp>\n#include <fmt/core.h>\n"})
        self.assert_clean({"sensor/link/a.cc":
                           '#include <grpcpp/grpcpp.h>\n#include "parallax/v1/link.grpc.pb.h"\n'})

    def test_nobody_looks_up(self):
        self.assert_caught("upward", {"common/a.h": '#include "sensor/a.h"\n'})
        self.assert_caught("upward", {"sensor/a.h": '#include "collector/a.h"\n'})
        self.assert_caught("upward", {"collector/a.h": '#include "sensor/a.h"\n'})

    def test_length(self):
        self.assert_caught("length", {"common/a.cc": "\n" * 451})
        self.assert_clean({"common/a.cc": "\n" * 450, "README.md": "\n" * 500,
                           "tests/data/a.txt": "\n" * 500})

    def test_scripts(self):
        self.assert_caught("script", {"deploy/a": "#!/bin/bash\nif true\n"})
        self.assert_caught("script", {"deploy/a.py": "#!/usr/bin/python3\ndef f(:\n"})
        self.assert_caught("script", {"deploy/a.py": "#!/usr/bin/env python3\n"})
        self.assert_clean({"deploy/a": "#!/bin/bash\nif true; then :; fi\n"})

    def test_machine_paths_and_registries(self):
        # Put together here, so that this file is clean itself.
        for text in ("/" + "work/main/a.cc", "cd /" + "home/alice/x", "see /" + "root/x",
                     "http" + "://deb.example.org/debian", "http" + "s://registry.example.com/x"):
            self.assert_caught("machine", {"deploy/a.txt": text + "\n"})
        self.assert_clean({"deploy/a.txt": "network/a frame/work/x https" + "://example.org/rfc9293\n"})


if __name__ == "__main__":
    unittest.main()
