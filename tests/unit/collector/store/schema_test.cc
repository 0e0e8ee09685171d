// Which files are taken, and that the others stay as they are.
#include "collector/store/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "collector/store/reader.h"
#include "collector/store/sqlite_store.h"
#include "tests/unit/collector/store/sample_records.h"
#include "tests/unit/temp_dir.h"
#include "tests/unit/without_privilege.h"

namespace parallax::collector {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Schema : public ::testing::Test {
 protected:
  // Opening must fail and change nothing, not even beside the file.
  Error Refusal() {
    const std::string before = ReadAll(path_);
    auto opened = SqliteStore::Open(path_);
    EXPECT_FALSE(opened);
    EXPECT_EQ(ReadAll(path_), before);
    EXPECT_FALSE(std::filesystem::exists(path_ + ".lock"));
    EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
    return opened ? Error{} : opened.error();
  }
  void Make() {
    auto store = SqliteStore::Open(path_);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE((*store)->Apply(std::vector<StoreOp>{SampleSensor("mail-1")}));
    store->reset();
    std::filesystem::remove(path_ + ".lock");
  }
  void Execute(const std::string& sql) {
    auto database = Database::Open(path_, Database::Mode::kReadWrite);
    ASSERT_TRUE(database) << database.error().message;
    const auto done = (*database)->Execute(sql);
    ASSERT_TRUE(done) << done.error().message;
  }

  TempDir dir_;
  const std::string path_ = dir_.Path("parallax.db");
};

TEST_F(Schema, MakesAPrivateFile) {
  Make();
  struct stat status = {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(InspectDatabaseFile(path_).value(), FileKind::kOurs);
}

TEST_F(Schema, AnEmptyFileIsANewOne) {
  dir_.Write("parallax.db", "");
  Make();
}

TEST_F(Schema, ANewerFileIsRefused) {
  Make();
  Execute("PRAGMA user_version = 7; PRAGMA wal_checkpoint(TRUNCATE)");
  EXPECT_EQ(Refusal().message,
            path_ +
                ": written by a newer Parallax (schema 7, this one knows 5); upgrade this "
                "collector or restore an older copy");
  EXPECT_EQ(Refusal().code, ErrorCode::kFailure);
  EXPECT_FALSE(Reader::Open(path_, std::chrono::seconds(1)));
}

TEST_F(Schema, AFileOfVersion1IsBroughtUpToDateWithItsRows) {
  Execute(ReadAll(PARALLAX_VERSION_1));
  auto store = SqliteStore::Open(path_);
  ASSERT_TRUE(store) << store.error().message;
  const auto state = (*store)->Load();
  ASSERT_TRUE(state) << state.error().message;
  SensorRecord mail = SampleSensor("mail-1");
  mail.health.attempts_evicted = 0;
  mail.health.segments_unsampled = 0;
  ASSERT_EQ(state->sensors.size(), 2u);
  EXPECT_EQ(state->sensors[0], mail);
  EXPECT_EQ(state->sensors[1].name, "web-1");
  EXPECT_EQ(state->sensors[1].health.probing_problem, "no policy");
  EXPECT_THAT(state->targets, ElementsAre(SampleTarget("198.51.100.7", Verdict::kRouteAnomaly)));
  EXPECT_THAT(state->cells, ElementsAre(SampleCell("mail-1", "198.51.100.7", CellState::kDown)));
  EXPECT_THAT(state->live_incidents, ElementsAre(SampleIncident(7, IncidentState::kOpen)));
  EXPECT_THAT(state->marks, ElementsAre(HighWaterMark{"mail-1", 42, 3}));
  // Sensors that it knew may go on to report.
  ASSERT_EQ(state->trust.sensors.size(), 2u);
  EXPECT_EQ(state->trust.sensors[0].peer, (PeerName{mail.group, "mail-1"}));
  EXPECT_EQ(state->trust.sensors[0].state, TrustState::kApproved);

  // What version 2 brought, beside what was there: a re-send, then news.
  Attempt sampled = SampleAttempt(3);
  sampled.sampling = 64;
  ASSERT_TRUE((*store)->Apply(std::vector<StoreOp>{
      SampleSensor("mail-1"), SampleBatch(3, {SampleReport(5), SampleServerReport(), sampled,
                                              SampleAttempt(1, AttemptOutcome::kHalfOpen)})}));
  EXPECT_EQ((*store)->refused_rows(), 0u);
  store->reset();

  auto database = Database::Open(path_, Database::Mode::kReadOnly);
  ASSERT_TRUE(database);
  const auto number = [&](std::string_view sql) { return (*database)->QueryInt(sql).value(); };
  EXPECT_EQ(number("PRAGMA user_version"), 5);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
  EXPECT_EQ(number("SELECT count(*) FROM attempts"), 3);
  EXPECT_EQ(number("SELECT sampling FROM attempts WHERE client_port = 1"), 1);
  EXPECT_EQ(number("SELECT outcome FROM attempts WHERE client_port = 1"), 2);
  EXPECT_EQ(number("SELECT sampling FROM attempts WHERE client_port = 2"), 1);
  EXPECT_EQ(number("SELECT sampling FROM attempts WHERE client_port = 3"), 64);
  EXPECT_EQ(number("SELECT segments_unsampled FROM sensors WHERE sensor = 1"), 123'456);
  auto reader = Reader::Open(path_, std::chrono::seconds(60));
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ((*reader)->Status(At(0))->reports_total, 1u);
  EXPECT_EQ((*reader)->LatestServerReports(At(0), 10)->items.at(0).report, SampleServerReport());
}

// Whoever edits a version that has been released parts the old files from the new ones.
TEST_F(Schema, ANewFileHasTheShapeOfAnOldOneBroughtUpToDate) {
  const auto shape = [](const std::string& path) {
    const auto store = SqliteStore::Open(path);
    EXPECT_TRUE(store) << store.error().message;
    auto database = Database::Open(path, Database::Mode::kReadOnly);
    auto rows = (*database)->Query("SELECT sql FROM sqlite_schema ORDER BY type, name");
    std::string sql;
    while (rows->Next()) {
      sql += rows->Text(0) + "\n";
    }
    return sql;
  };
  Execute(ReadAll(PARALLAX_VERSION_1));
  EXPECT_EQ(shape(path_), shape(dir_.Path("new.db")));
}

TEST_F(Schema, AForeignDatabaseIsRefused) {
  Execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
  EXPECT_THAT(Refusal().message, StartsWith(path_ + ": not a Parallax database"));
}

TEST_F(Schema, GarbageIsRefused) {
  for (const std::string& content :
       {std::string("hello\n"), std::string(4096, 'x'), std::string(100, '\0'),
        std::string("SQLite format 3\0", 16)}) {
    dir_.Write("parallax.db", content);
    EXPECT_THAT(Refusal().message, StartsWith(path_ + ": not a Parallax database"));
  }
}

TEST_F(Schema, ATruncatedFileIsRefused) {
  Make();
  const auto size = std::filesystem::file_size(path_);
  for (const auto left : {size - 1, size / 2, uintmax_t{4096}}) {
    std::filesystem::resize_file(path_, left);
    EXPECT_THAT(Refusal().message, HasSubstr("cut short")) << left;
  }
  std::filesystem::resize_file(path_, 50);
  EXPECT_THAT(Refusal().message, HasSubstr("not a Parallax database"));
}

TEST_F(Schema, DamageInsideIsAnErrorNotACrash) {
  Make();
  std::string content = ReadAll(path_);
  for (size_t i = 100; i < content.size(); ++i) {
    content[i] = static_cast<char>(i * 37);
  }
  dir_.Write("parallax.db", content);
  auto store = SqliteStore::Open(path_);
  if (store) {
    const auto state = (*store)->Load();
    ASSERT_FALSE(state);
    EXPECT_THAT(state.error().message, HasSubstr(path_));
  } else {
    EXPECT_THAT(store.error().message, HasSubstr(path_));
  }
}

TEST_F(Schema, AFolderInPlaceOfTheFileIsRefused) {
  std::filesystem::create_directory(path_);
  const auto opened = SqliteStore::Open(path_);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr(path_));
}

TEST_F(Schema, AMissingFolderIsNamed) {
  const auto opened = SqliteStore::Open(dir_.Path("nowhere/parallax.db"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(opened.error().message, HasSubstr(dir_.Path("nowhere/parallax.db")));
}

TEST_F(Schema, AReadOnlyFolderIsNoPermission) {
  const std::string folder = dir_.Path("locked");
  std::filesystem::create_directory(folder);
  ASSERT_EQ(::chmod(folder.c_str(), 0555), 0);
  ASSERT_EQ(::chmod(dir_.Path("").c_str(), 0755), 0);
  const WithoutPrivilege ordinary;
  const auto opened = SqliteStore::Open(folder + "/parallax.db");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kPermission);
  EXPECT_THAT(opened.error().message, HasSubstr(folder));
}

TEST_F(Schema, ASecondCollectorIsTurnedAway) {
  auto first = SqliteStore::Open(path_);
  ASSERT_TRUE(first);
  auto second = SqliteStore::Open(path_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, StartsWith(path_ + ": in use by another collector (pid " +
                                                 std::to_string(::getpid())));
  first->reset();
  EXPECT_TRUE(SqliteStore::Open(path_));
}

}  // namespace
}  // namespace parallax::collector
