// A database as a file: whole or not, up to date or not, copied while it is written to.
#include "collector/store/db_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "collector/store/database.h"
#include "collector/store/schema.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"

namespace parallax::collector {
namespace {

using ::testing::HasSubstr;

class DbFiles : public testing::Test {
 protected:
  std::unique_ptr<SqliteStore> OpenStore(const std::string& path) {
    auto store = SqliteStore::Open(path);
    EXPECT_TRUE(store) << store.error().message;
    return store ? std::move(*store) : nullptr;
  }
  static std::vector<StoreOp> Batch(uint64_t first, uint64_t count) {
    std::vector<Record> records;
    for (uint64_t i = 0; i < count; ++i) {
      records.emplace_back(SampleAttempt(static_cast<uint16_t>(first + i)));
    }
    return {SampleBatch(first, std::move(records))};
  }
  static int64_t AttemptsIn(const std::string& path) {
    const auto db = Database::Open(path, Database::Mode::kReadOnly);
    return db ? (*db)->QueryInt("SELECT count(*) FROM attempts").value_or(-1) : -1;
  }

  const TempDir dir_;
  const std::string path_ = dir_.Path("parallax.db");
  const std::string copy_ = dir_.Path("copy.db");
};

TEST_F(DbFiles, WholeOneBesideAStoreThatHasItOpen) {
  const auto store = OpenStore(path_);
  ASSERT_TRUE(store->Apply(Batch(1, 7)));
  const auto said = VerifyDatabase(path_);
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_THAT(*said, HasSubstr("whole; schema " + std::to_string(kSchemaVersion)));
  EXPECT_THAT(*said, HasSubstr("7 attempts"));
}

TEST_F(DbFiles, DamageIsSaid) {
  ASSERT_TRUE(OpenStore(path_)->Apply(Batch(1, 2'000)));
  // A page in the middle is another one's.
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(0, std::ios::end);
  const auto pages = static_cast<int64_t>(file.tellp()) / 4096;
  ASSERT_GT(pages, 20);
  for (int64_t page = pages - 8; page < pages; ++page) {
    file.seekp(page * 4096);
    file << std::string(4096, 'x');
  }
  file.close();
  const auto said = VerifyDatabase(path_);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().code, ErrorCode::kFailure);
  EXPECT_THAT(said.error().message, HasSubstr("damaged"));
}

TEST_F(DbFiles, NoFileIsMade) {
  for (const auto& said :
       {VerifyDatabase(path_), MigrateDatabase(path_), BackupDatabase(path_, copy_)}) {
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().code, ErrorCode::kNotFound);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(DbFiles, ForeignOnesAreRefused) {
  dir_.Write("parallax.db",
             "no database, but long enough to have a header of a hundred bytes; "
             "which it does not have, as anyone can see who reads it");
  EXPECT_FALSE(VerifyDatabase(path_));
  EXPECT_FALSE(MigrateDatabase(path_));
  EXPECT_FALSE(BackupDatabase(path_, copy_));
  EXPECT_FALSE(std::filesystem::exists(copy_));
}

TEST_F(DbFiles, AnOlderOneIsBroughtUpToDateAndOnlyOnce) {
  {
    const auto db = Database::Open(path_, Database::Mode::kReadWrite);
    ASSERT_TRUE(db);
    std::ifstream sql(PARALLAX_VERSION_1);
    ASSERT_TRUE((*db)->Execute(std::string(std::istreambuf_iterator<char>(sql), {})));
  }
  const auto older = VerifyDatabase(path_);
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_THAT(*older, HasSubstr("db migrate"));
  const auto done = MigrateDatabase(path_);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_THAT(*done, HasSubstr("from schema 1 to " + std::to_string(kSchemaVersion)));
  EXPECT_THAT(*MigrateDatabase(path_), HasSubstr("already"));
  EXPECT_THAT(*VerifyDatabase(path_), testing::Not(HasSubstr("db migrate")));
}

TEST_F(DbFiles, NotWhileACollectorHasIt) {
  const auto store = OpenStore(path_);
  const auto refused = MigrateDatabase(path_);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("collector"));
}

TEST_F(DbFiles, ACopyIsOfOneMomentAndOpensAsAStore) {
  const auto store = OpenStore(path_);
  constexpr uint64_t kPerBatch = 50;
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> applied = 0;
  std::thread writer([&] {
    for (uint64_t first = 1; !stop && first < 60'000; first += kPerBatch) {
      ASSERT_TRUE(store->Apply(Batch(first, kPerBatch)));
      ++applied;
    }
  });
  while (applied < 20) {
    std::this_thread::yield();
  }
  for (int i = 0; i < 3; ++i) {
    const uint64_t before = applied;
    const std::string copy = dir_.Path("copy" + std::to_string(i));
    const auto said = BackupDatabase(path_, copy);
    ASSERT_TRUE(said) << said.error().message;
    EXPECT_TRUE(VerifyDatabase(copy));
    const auto there = static_cast<uint64_t>(AttemptsIn(copy));
    EXPECT_EQ(there % kPerBatch, 0u);
    EXPECT_GE(there, before * kPerBatch);
    const auto restored = OpenStore(copy);
    EXPECT_EQ(restored->HighWater("mail-1", 42).value(), there);
    struct stat status {};
    ASSERT_EQ(stat(copy.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
  }
  stop = true;
  writer.join();
}

TEST_F(DbFiles, NothingIsOverwrittenOrLeftBehind) {
  ASSERT_TRUE(OpenStore(path_)->Apply(Batch(1, 5)));
  dir_.Write("copy.db", "precious");
  EXPECT_FALSE(BackupDatabase(path_, copy_));
  EXPECT_EQ(ReadAll(copy_), "precious");
  EXPECT_FALSE(BackupDatabase(path_, dir_.Path("no/such/folder")));
  ASSERT_TRUE(BackupDatabase(path_, dir_.Path("other.db")));
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("other.db.unfinished")));
}

}  // namespace
}  // namespace parallax::collector
