#include "sensor/spool_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sensor/spool/spool_world.h"

namespace parallax::sensor {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class SpoolCommandTest : public testing::Test {
 protected:
  SpoolCommandTest() {
    world_.Start();
    for (int i = 0; i < 5; ++i) {
      world_.Append(RecordClass::kBulk, "record");
    }
    world_.Append(RecordClass::kEvidence, "path");
    world_.Settle();
    world_.spool->Acknowledge(world_.spool->Lanes().front().epoch, 2);
    world_.Settle();
  }
  SpoolReport Report() {
    FakeFiles files(world_.disk);
    return *InspectSpool(files);
  }
  std::string& BulkFile() {
    for (auto& [name, file] : world_.disk.files) {
      if (name.starts_with("bulk")) {
        return file->content;
      }
    }
    throw std::logic_error("no bulk file");
  }

  SpoolWorld world_;
};

TEST_F(SpoolCommandTest, ListSaysWhatWaits) {
  const std::string text = ListText(Report(), "/spool", world_.now.wall + 60s);
  EXPECT_THAT(text, AllOf(HasSubstr("bulk"), HasSubstr("evidence"), Not(HasSubstr("results"))));
  EXPECT_THAT(text, HasSubstr("4 records wait for the collector"));
  EXPECT_THAT(text, HasSubstr("1m04s"));
}

TEST_F(SpoolCommandTest, AnEmptyFolderIsEmpty) {
  FakeDisk disk;
  FakeFiles files(disk);
  EXPECT_THAT(ListText(*InspectSpool(files), "/spool", {}), HasSubstr("empty"));
  EXPECT_THAT(VerifyText(*InspectSpool(files), "/spool"), HasSubstr("/spool: whole"));
}

TEST_F(SpoolCommandTest, VerifyNamesDamage) {
  EXPECT_THAT(VerifyText(Report(), "/spool"), HasSubstr("/spool: whole"));
  BulkFile()[kSegmentHeaderBytes + 50] ^= 1;  // in the second record
  const SpoolReport report = Report();
  EXPECT_THAT(VerifyText(report, "/spool"),
              AllOf(HasSubstr("1 records missing, 38 bytes are no record"), HasSubstr("damaged")));
  BulkFile()[9] ^= 1;
  EXPECT_THAT(VerifyText(Report(), "/spool"), HasSubstr("header damaged"));
}

TEST_F(SpoolCommandTest, ForeignFilesAndAnUnknownPositionAreSaid) {
  world_.disk.files["notes.txt"] = std::make_shared<FakeDisk::File>();
  world_.disk.files["acked"]->content.clear();
  EXPECT_THAT(VerifyText(Report(), "/spool"),
              AllOf(HasSubstr("notes.txt"), HasSubstr("all of it is sent again")));
}

TEST_F(SpoolCommandTest, JsonIsAListOfTheHouse) {
  EXPECT_THAT(SpoolJson(Report(), SpoolAction::kList, "/spool"),
              AllOf(HasSubstr("\"kind\": \"SpoolList\""), HasSubstr("\"class\": \"bulk\""),
                    HasSubstr("\"records\": 3"), HasSubstr("\"ok\": true")));
  EXPECT_THAT(SpoolJson(Report(), SpoolAction::kVerify, "/spool"),
              AllOf(HasSubstr("\"kind\": \"SpoolSegmentList\""), HasSubstr("\"waiting\": 3")));
}

}  // namespace
}  // namespace parallax::sensor
