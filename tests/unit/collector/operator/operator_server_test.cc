// The socket: who may use it, what may be in its place, and that it goes away.
#include "collector/operate/operator_server.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>

#include "collector/operate/unix_socket.h"
#include "tests/unit/collector/operator/operator_fixture.h"

namespace parallax::collector {
namespace {

using ::testing::HasSubstr;

using OperatorServerTest = OperatorFixture;

TEST_F(OperatorServerTest, TheSocketIsForOwnerAndGroupAndGoesAway) {
  Serve();
  struct stat status = {};
  ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0660u);
  EXPECT_EQ(TryConnect(socket_), 0);
  server_->Stop();
  server_->Stop();
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_EQ(TryConnect(socket_), ENOENT);
}

TEST_F(OperatorServerTest, ALiveServerIsNotReplaced) {
  Serve();
  const auto second = OperatorServer::Start(ServerOptions());
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(socket_ + ": another collector serves"));
  EXPECT_EQ(TryConnect(socket_), 0);
}

TEST_F(OperatorServerTest, AStaleSocketIsReplaced) {
  Serve();
  const std::string kept = dir_.Path("kept.sock");
  std::filesystem::rename(socket_, kept);
  server_->Stop();
  std::filesystem::rename(kept, socket_);
  ASSERT_EQ(TryConnect(socket_), ECONNREFUSED);
  Serve();
  EXPECT_EQ(TryConnect(socket_), 0);
}

TEST_F(OperatorServerTest, WhatIsNoSocketStays) {
  dir_.Write("operator.sock", "precious");
  const auto refused = OperatorServer::Start(ServerOptions());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("exists and is no socket"));
  EXPECT_EQ(ReadAll(socket_), "precious");
}

TEST_F(OperatorServerTest, AnImpossiblePathIsNamed) {
  OperatorServerOptions options = ServerOptions();
  options.socket_path = dir_.Path(std::string(120, 'x'));
  const auto too_long = OperatorServer::Start(options);
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, ErrorCode::kBadConfig);
  EXPECT_THAT(too_long.error().message, HasSubstr("too long for a Unix socket"));
  options.socket_path = dir_.Path("nowhere/operator.sock");
  const auto no_folder = OperatorServer::Start(options);
  ASSERT_FALSE(no_folder);
  EXPECT_THAT(no_folder.error().message, HasSubstr(dir_.Path("nowhere")));
  options.socket_path = "";
  EXPECT_FALSE(OperatorServer::Start(options));
}

TEST_F(OperatorServerTest, AMissingDatabaseIsNamed) {
  OperatorServerOptions options = ServerOptions();
  options.database_path = dir_.Path("missing.db");
  const auto refused = OperatorServer::Start(options);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("missing.db"));
  EXPECT_FALSE(std::filesystem::exists(dir_.Path("missing.db")));
}

TEST_F(OperatorServerTest, OddCharactersInThePath) {
  OperatorServerOptions options = ServerOptions();
  options.socket_path = dir_.Path("50% off?#1 é.sock");
  auto server = OperatorServer::Start(options);
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(TryConnect(options.socket_path), 0);
}

}  // namespace
}  // namespace parallax::collector
