#include "collector/operate/daemon_facts.h"

#include <filesystem>

namespace parallax::collector {

DiskFacts LookAtDisk(const std::string& database_path) {
  DiskFacts facts;
  facts.database_path = database_path;
  std::error_code failed;
  const uint64_t wal = std::filesystem::file_size(database_path + "-wal", failed);
  facts.wal_bytes = failed ? 0 : wal;
  const auto space = std::filesystem::space(database_path, failed);
  facts.free_bytes = failed ? 0 : space.available;
  return facts;
}

}  // namespace parallax::collector
