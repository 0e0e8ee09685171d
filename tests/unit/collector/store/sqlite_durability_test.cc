// Death between and within transactions, and a disk that is full. The child processes end with
// _exit: no destructor gets a chance to tidy up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "collector/store/reader.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using ::testing::HasSubstr;

void InChild(const std::function<bool()>& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::_exit(work() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(WEXITSTATUS(status), 0);
}

TEST(SqliteDurability, WhatWasAppliedSurvivesSuddenDeath) {
  TempDir dir;
  const std::string path = dir.Path("parallax.db");
  InChild([&] {
    auto store = SqliteStore::Open(path);
    return store.has_value() &&
           (*store)->Apply(std::vector<StoreOp>{SampleBatch(1, {SampleAttempt(1)}),
                                                SampleChange("opened", 1, IncidentState::kOpen)});
  });
  auto store = SqliteStore::Open(path);
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ((*store)->HighWater("mail-1", 42).value(), 1u);
  EXPECT_EQ((*store)->Load()->live_incidents.size(), 1u);
}

TEST(SqliteDurability, AnUnfinishedTransactionLeavesNothing) {
  TempDir dir;
  const std::string path = dir.Path("parallax.db");
  ASSERT_TRUE(SqliteStore::Open(path));
  InChild([&] {
    auto db = Database::Open(path, Database::Mode::kReadWrite);
    return db.has_value() && (*db)->Execute("PRAGMA cache_size=1; BEGIN IMMEDIATE") &&
           (*db)->Execute(
               "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT "
               "20000) INSERT INTO sensor_names (name) SELECT 'sensor' || i FROM n");
  });
  auto store = SqliteStore::Open(path);
  ASSERT_TRUE(store) << store.error().message;
  auto db = Database::Open(path, Database::Mode::kReadOnly);
  EXPECT_EQ((*db)->QueryInt("SELECT count(*) FROM sensor_names").value(), 0);
}

TEST(SqliteDurability, AFullDiskIsAnErrorAndPasses) {
  TempDir dir;
  const std::string path = dir.Path("parallax.db");
  // In a child, because the limit holds for the whole process.
  InChild([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    auto store = SqliteStore::Open(path);
    if (!store || !(*store)->Apply(std::vector<StoreOp>{SampleSensor("mail-1")})) {
      return false;
    }
    IngestedBatch batch = SampleBatch(1, {});
    for (uint16_t port = 1; port <= 20'000; ++port) {
      batch.records.emplace_back(SampleAttempt(port));
    }
    const std::vector<StoreOp> ops = {SampleSensor("web-1"), batch};
    rlimit limit = {};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit small = {256 << 10, limit.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    const auto refused = (*store)->Apply(ops);
    if (refused || refused.error().message.find(path) == std::string::npos ||
        (*store)->HighWater("mail-1", 42).value() != 0 || (*store)->Load()->sensors.size() != 1) {
      return false;
    }
    ::setrlimit(RLIMIT_FSIZE, &limit);
    return (*store)->Apply(ops) && (*store)->HighWater("mail-1", 42).value() == 20'000 &&
           (*store)->Load()->sensors.size() == 2;
  });
  auto reader = Reader::Open(path, std::chrono::seconds(60));
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->Status(At(0))->attempts_total, 20'000u);
}

TEST(SqliteDurability, ARowThatTheSchemaRefusesDoesNotStopTheRest) {
  TempDir dir;
  const std::string path = dir.Path("parallax.db");
  auto store = SqliteStore::Open(path);
  ASSERT_TRUE(store);
  Attempt odd = SampleAttempt(2);
  odd.outcome = static_cast<AttemptOutcome>(77);
  ASSERT_TRUE((*store)->Apply(
      std::vector<StoreOp>{SampleBatch(1, {SampleAttempt(1), odd, SampleAttempt(3)})}));
  EXPECT_EQ((*store)->refused_rows(), 1u);
  EXPECT_EQ((*store)->HighWater("mail-1", 42).value(), 3u);
  auto reader = Reader::Open(path, std::chrono::seconds(60));
  EXPECT_EQ((*reader)->Status(At(0))->attempts_total, 2u);
}

}  // namespace
}  // namespace parallax::collector
