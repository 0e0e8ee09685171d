// `parallax-sensor capture`: prints the SYN and SYN-ACK segments of a saved file or of live
// interfaces, or what became of each connection attempt, or who offers a gateway. Works alone,
// without a collector, and for files without any privilege.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace parallax::sensor {

enum class CaptureOutput { kTable, kJsonl };

struct CaptureCommandOptions {
  std::string read_file;                // a pcap or pcapng file, "-" for standard input; or:
  std::vector<std::string> interfaces;  // capture live on these
  std::string filter;                   // pcap-filter(7): only what matches; empty: all
  CaptureOutput output = CaptureOutput::kTable;
  bool handshakes = false;     // one record per attempt instead of one per segment
  bool announcements = false;  // one per gateway that somebody offers; not with handshakes
  uint64_t count = 0;          // stop after so many records; 0: do not
  bool promiscuous = false;
};

// Records go to stdout, the summary and errors to stderr. SIGINT and SIGTERM end a capture in good
// order; a reader of stdout that goes away ends it silently. Returns the exit code: 6 (partial) if
// the file is cut short or damaged, after everything before that has been printed.
int RunCaptureCommand(const CaptureCommandOptions& options);

}  // namespace parallax::sensor
