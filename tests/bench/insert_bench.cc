// The baseline of ingest: attempts inserted by a bare loop over a prepared statement, into the
// collector's own schema, with its settings, so many rows a transaction.
//
//   parallax_insert_bench FILE ROWS ROWS_PER_TRANSACTION      prints rows a second
#include <fmt/format.h>
#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "collector/store/sqlite_store.h"

namespace {

constexpr const char* kInsert =
    "INSERT INTO attempts (sensor, received, first_seen, client, client_port, server, server_port, "
    "isn, outcome, rule, age, syns, syn_acks, ttl, interface, sampling) "
    "VALUES (1, ?, ?, ?, ?, ?, 25, ?, 1, 'syn_ack_once', 0, 1, 1, 61, 'eth0', 1)";

bool Do(sqlite3* db, const char* sql) {
  return sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

int Main(const std::string& path, int64_t rows, int64_t per_transaction) {
  {
    const auto store = parallax::collector::SqliteStore::Open(path);  // makes the schema
    if (!store) {
      fmt::print(stderr, "{}\n", store.error().message);
      return 1;
    }
  }
  sqlite3* db = nullptr;
  sqlite3_stmt* insert = nullptr;
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK ||
      !Do(db,
          "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
          "PRAGMA cache_size=-65536; INSERT INTO sensor_names VALUES (1, 'bench')") ||
      sqlite3_prepare_v2(db, kInsert, -1, &insert, nullptr) != SQLITE_OK) {
    fmt::print(stderr, "{}\n", sqlite3_errmsg(db));
    return 1;
  }
  const uint8_t server[4] = {192, 0, 2, 25};
  const auto begun = std::chrono::steady_clock::now();
  for (int64_t row = 0; row < rows; ++row) {
    if (row % per_transaction == 0 && !Do(db, row == 0 ? "BEGIN" : "COMMIT; BEGIN")) {
      return 1;
    }
    const uint8_t client[4] = {198, 51, static_cast<uint8_t>(row >> 8), static_cast<uint8_t>(row)};
    sqlite3_bind_int64(insert, 1, 1'700'000'000'000'000'000 + row);
    sqlite3_bind_int64(insert, 2, 1'700'000'000'000'000'000 + row);
    sqlite3_bind_blob(insert, 3, client, 4, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 4, 1024 + row / 65'536);
    sqlite3_bind_blob(insert, 5, server, 4, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 6, row);
    if (sqlite3_step(insert) != SQLITE_DONE) {
      fmt::print(stderr, "{}\n", sqlite3_errmsg(db));
      return 1;
    }
    sqlite3_reset(insert);
  }
  if (!Do(db, "COMMIT")) {
    return 1;
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  fmt::print("{:.0f}\n", static_cast<double>(rows) / seconds);
  sqlite3_finalize(insert);
  sqlite3_close(db);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: parallax_insert_bench FILE ROWS ROWS_PER_TRANSACTION\n");
    return 2;
  }
  return Main(argv[1], std::atoll(argv[2]), std::atoll(argv[3]));
}
