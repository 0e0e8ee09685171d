// The server and the sensor's client together, over loopback.
#include "collector/enrol/https_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "collector/operate/authority.h"
#include "common/fd.h"
#include "sensor/enrol/https_client.h"

namespace parallax::collector {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class HttpsServerTest : public testing::Test {
 protected:
  static TlsIdentity IdentityOf(const KeyPair& ca) {
    const KeyPair own = IssueCollector(ca, "localhost", Now().wall).value();
    return {ca.certificate_pem, own.certificate_pem, own.key_pem};
  }
  static std::string PinOf(const KeyPair& ca) {
    return DescribeCertificate(ca.certificate_pem)->sha256;
  }
  void Start(HttpsServerOptions options = {}) {
    auto opened = HttpsServer::Open(
        {"127.0.0.1", 0}, IdentityOf(ca_),
        [this](const HttpRequest& request, const HttpReply& reply) { handler_(request, reply); },
        options);
    ASSERT_TRUE(opened) << opened.error().message;
    server_ = std::move(*opened);
    thread_ = std::thread([this] { server_->Run([this] { ++ticks_; }); });
  }
  ~HttpsServerTest() override {
    if (server_) {
      server_->Stop();
      thread_.join();
    }
  }
  Result<HttpAnswer> Post(const std::string& body, const std::string& pin = {}) {
    return sensor::PostToCollector({"127.0.0.1", server_->port()}, pin.empty() ? PinOf(ca_) : pin,
                                   body);
  }
  UniqueFd Connect() {
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    return fd;
  }
  // Waits until the server hangs up.
  static void ReadAll(const UniqueFd& fd) {
    char buffer[4096];
    while (read(fd.get(), buffer, sizeof buffer) > 0) {
    }
  }

  const KeyPair ca_ = MakeAuthority(Now().wall).value();
  std::function<void(const HttpRequest&, const HttpReply&)> handler_ =
      [](const HttpRequest& request, const HttpReply& reply) {
        reply([request] {
          return HttpAnswer{200, request.method + " " + request.target + " " +
                                     request.from.ToString() + " " + request.body};
        });
      };
  std::unique_ptr<HttpsServer> server_;
  std::thread thread_;
  std::atomic<int> ticks_ = 0;
};

TEST_F(HttpsServerTest, AnswersAndKnowsWhoAsks) {
  Start();
  const auto answer = Post("hello");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 200u);
  EXPECT_EQ(answer->body, "POST /v1/enroll 127.0.0.1 hello");
}

TEST_F(HttpsServerTest, AnswerMayComeLaterFromAnotherThread) {
  std::thread later;
  handler_ = [&](const HttpRequest&, const HttpReply& reply) {
    later = std::thread([reply] { reply([] { return HttpAnswer{403, "late"}; }); });
  };
  Start();
  const auto answer = Post("hello");
  later.join();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403u);
}

TEST_F(HttpsServerTest, NoAnswerBecomesOne) {
  handler_ = [](const HttpRequest&, const HttpReply&) {};
  Start({.patience = 100ms});
  const auto answer = Post("hello");
  // Its patience ends for the connection and for the answer at the same time: one of them wins.
  EXPECT_TRUE(!answer || answer->status == 503u);
}

TEST_F(HttpsServerTest, HandlerThatThrowsHarmsNobody) {
  bool first = true;
  handler_ = [&](const HttpRequest&, const HttpReply& reply) {
    if (std::exchange(first, false)) {
      throw std::runtime_error("broken");
    }
    reply([] { return HttpAnswer{200, "fine"}; });
  };
  Start();
  EXPECT_FALSE(Post("hello"));
  EXPECT_TRUE(Post("hello"));
}

TEST_F(HttpsServerTest, PinOfAnotherCaIsRefusedBeforeAnythingIsSent) {
  std::atomic<int> asked = 0;
  handler_ = [&](const HttpRequest&, const HttpReply&) { ++asked; };
  Start();
  const auto answer = Post("secret", PinOf(MakeAuthority(Now().wall).value()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kDenied);
  EXPECT_THAT(answer.error().message, HasSubstr("wrong pin"));
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpsServerTest, PinnedCaInTheChainIsNotEnough) {
  // An impostor shows the real CA's certificate beside its own.
  const KeyPair other = MakeAuthority(Now().wall).value();
  TlsIdentity impostor = IdentityOf(other);
  impostor.ca_pem += ca_.certificate_pem;
  Start();
  ASSERT_TRUE(server_->UseIdentity(impostor));
  const auto answer = Post("secret");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kDenied);
}

TEST_F(HttpsServerTest, SensorsCertificateIsNoCollectors) {
  const KeyPair sensor = IssueSensor(ca_, {"mail", "mail1"}, Now().wall).value();
  Start();
  ASSERT_TRUE(server_->UseIdentity({ca_.certificate_pem, sensor.certificate_pem, sensor.key_pem}));
  const auto answer = Post("secret");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kDenied);
}

TEST_F(HttpsServerTest, ExpiredCertificateBlamesTheClock) {
  const WallTime then = Now().wall - kCollectorLife * 2;
  const KeyPair ca = MakeAuthority(then).value();
  const KeyPair own = IssueCollector(ca, "localhost", then).value();
  Start();
  ASSERT_TRUE(server_->UseIdentity({ca.certificate_pem, own.certificate_pem, own.key_pem}));
  const auto answer = Post("secret", PinOf(ca));
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("clock"));
}

TEST_F(HttpsServerTest, NewIdentityHoldsForNewConnections) {
  const KeyPair next = MakeAuthority(Now().wall).value();
  Start();
  EXPECT_TRUE(Post("hello"));
  ASSERT_TRUE(server_->UseIdentity(IdentityOf(next)));
  EXPECT_TRUE(Post("hello", PinOf(next)));
  EXPECT_FALSE(server_->UseIdentity({"", "nonsense", "nonsense"}));
  EXPECT_TRUE(Post("hello", PinOf(next)));
}

TEST_F(HttpsServerTest, TooLargeIsSaid) {
  Start();
  const auto answer = Post(std::string(kMostEnrolBodyBytes + 1, 'a'));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413u);
}

TEST_F(HttpsServerTest, SilentConnectionsAreCutOff) {
  Start({.patience = 200ms});
  const UniqueFd silent = Connect();
  ReadAll(silent);
  const UniqueFd garbage = Connect();
  ASSERT_EQ(write(garbage.get(), "GET / HTTP/1.0\r\n\r\n", 18), 18);
  ReadAll(garbage);
}

TEST_F(HttpsServerTest, PlacesAreLimitedAndGivenBack) {
  Start({.most_per_address = 2});
  {
    const UniqueFd first = Connect();
    const UniqueFd second = Connect();
    const UniqueFd third = Connect();
    ReadAll(third);  // hung up on at once, while the others wait for ten seconds
  }
  for (bool served = false; !served;) {  // until the two have been noticed to be gone
    served = Post("hello").has_value();
  }
}

TEST_F(HttpsServerTest, OccupiedPortIsNamed) {
  Start();
  const auto second = HttpsServer::Open({"127.0.0.1", server_->port()}, IdentityOf(ca_), handler_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(server_->port())));
}

TEST_F(HttpsServerTest, Ticks) {
  Start();
  while (ticks_ == 0) {
    std::this_thread::yield();
  }
}

}  // namespace
}  // namespace parallax::collector
