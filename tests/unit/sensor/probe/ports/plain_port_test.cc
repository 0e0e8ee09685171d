// Against loopback only, with whatever this process may do: TCP and UDP always, ICMP perhaps.
#include "sensor/probe/ports/plain_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "common/siphash.h"
#include "sensor/probe/wire/ledger.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

// A port of the kernel's choice at an end of this machine.
class LocalPort {
 public:
  LocalPort(Family family, int type)
      : family_(family),
        fd_(socket(family == Family::kV4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK, 0)) {
    const SocketAddress any(address(), 0);
    SocketAddress bound;
    socklen_t size = SocketAddress::capacity();
    if (bind(fd_.get(), any.get(), any.size()) == 0 &&
        getsockname(fd_.get(), bound.get(), &size) == 0) {
      port_ = bound.port();
    }
  }
  IpAddress address() const {
    return *IpAddress::Parse(family_ == Family::kV4 ? "127.0.0.1" : "::1");
  }
  int fd() const { return fd_.get(); }
  uint16_t port() const { return port_; }  // 0: this host lacks the family

 private:
  Family family_;
  UniqueFd fd_;
  uint16_t port_ = 0;
};

class PlainPortTest : public testing::TestWithParam<Family> {
 protected:
  struct Got {
    Answer answer;
    std::optional<ProbeMatch> match;
  };

  void SetUp() override {
    auto port = PlainPort::Open(ProbeText("test"));
    ASSERT_TRUE(port) << port.error().message;
    port_ = std::move(*port);
    if (LocalPort(GetParam(), SOCK_DGRAM).port() == 0) {
      GTEST_SKIP() << "this host lacks the address family";
    }
  }

  SendOutcome Send(const IpAddress& target, const ProbeTry& attempt, uint8_t ttl = 0) {
    const auto probe = ledger_.Open(target, 0, attempt, ttl, ProbeOwner{}, Now().mono);
    std::vector<SendOutcome> outcomes;
    port_->Send({&*probe, 1}, outcomes);
    EXPECT_EQ(outcomes.size(), 1u);
    EXPECT_EQ(outcomes.at(0).probe_id, probe->id);
    if (outcomes.at(0).error == 0) {
      ledger_.SetSent(probe->id, outcomes.at(0).left);
    }
    return outcomes.at(0);
  }

  void Receive() {
    while (port_->Receive([this](const Answer& answer, MonoTime received) {
      got_.push_back({answer, ledger_.OnAnswer(answer, received)});
    })) {
    }
  }

  // Waits on the port's descriptor, as the probe thread does, until there are so many answers.
  void WaitFor(size_t answers) {
    const MonoTime deadline = Now().mono + seconds(10);
    while (got_.size() < answers && Now().mono < deadline) {
      ASSERT_EQ(port_->descriptors().size(), 1u);
      pollfd wait{port_->descriptors()[0], POLLIN, 0};
      poll(&wait, 1, 100);
      Receive();
    }
    ASSERT_EQ(got_.size(), answers);
  }

  const HashKey key_ = ProcessHashKey();
  const ProbeTagger tagger_{key_, key_, {61440, 65535}, {2000, 2063}};
  ProbeLedger ledger_{tagger_, 1024};
  std::unique_ptr<PlainPort> port_;
  std::vector<Got> got_;
};

TEST_P(PlainPortTest, AnOpenTcpPortAnswers) {
  LocalPort open(GetParam(), SOCK_STREAM);
  ASSERT_EQ(listen(open.fd(), 8), 0);
  ASSERT_EQ(Send(open.address(), {ProbeMethod::kTcpSyn, open.port()}).error, 0);
  WaitFor(1);
  EXPECT_EQ(got_[0].answer.kind, AnswerKind::kSynAck);
  EXPECT_EQ(got_[0].answer.source, open.address());
  ASSERT_TRUE(got_[0].match);
  EXPECT_LT(got_[0].match->rtt, seconds(1));
  EXPECT_EQ(port_->connects().size(), 0u);
}

TEST_P(PlainPortTest, AClosedTcpPortRefuses) {
  LocalPort closed(GetParam(), SOCK_STREAM);  // bound, but nobody listens
  ASSERT_EQ(Send(closed.address(), {ProbeMethod::kTcpSyn, closed.port()}).error, 0);
  WaitFor(1);
  EXPECT_EQ(got_[0].answer.kind, AnswerKind::kReset);
  EXPECT_TRUE(got_[0].match);
}

TEST_P(PlainPortTest, ProbesOfOneFlowToOnePortAreAllAnswered) {
  LocalPort open(GetParam(), SOCK_STREAM);
  ASSERT_EQ(listen(open.fd(), 8), 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(Send(open.address(), {ProbeMethod::kTcpSyn, open.port()}).error, 0);
  }
  WaitFor(3);
  for (const Got& got : got_) {
    EXPECT_EQ(got.answer.kind, AnswerKind::kSynAck);
    EXPECT_TRUE(got.match);
  }
}

TEST_P(PlainPortTest, ASocketThatHearsNothingIsClosedBeforeTheKernelRepeatsItsSyn) {
  // A full backlog: Linux drops further SYNs. How many it takes is its own affair.
  LocalPort full(GetParam(), SOCK_STREAM);
  ASSERT_EQ(listen(full.fd(), 0), 0);
  std::vector<UniqueFd> fill;
  const SocketAddress to(full.address(), full.port());
  for (int i = 0; i < 4; ++i) {
    fill.emplace_back(socket(GetParam() == Family::kV4 ? AF_INET : AF_INET6,
                             SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    connect(fill.back().get(), to.get(), to.size());
  }
  const SendOutcome outcome = Send(full.address(), {ProbeMethod::kTcpSyn, full.port()});
  ASSERT_EQ(outcome.error, 0);
  EXPECT_EQ(port_->connects().size(), 1u);
  const MonoTime deadline = outcome.left + seconds(10);
  while (port_->connects().size() > 0 && Now().mono < deadline) {
    pollfd wait{port_->descriptors()[0], POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 10'000), 1) << "the descriptor must wake the thread in time";
    Receive();
  }
  EXPECT_EQ(port_->connects().size(), 0u);
  EXPECT_TRUE(got_.empty());
  EXPECT_GE(Now().mono - outcome.left, ConnectSockets::kWait);
}

TEST_P(PlainPortTest, AClosedUdpPortIsAnErrorFromTheTarget) {
  const uint16_t port = LocalPort(GetParam(), SOCK_DGRAM).port();  // closed again
  ASSERT_EQ(Send(LocalPort(GetParam(), SOCK_DGRAM).address(), {ProbeMethod::kUdp, port}).error, 0);
  WaitFor(1);
  const Answer& answer = got_[0].answer;
  EXPECT_EQ(answer.kind, AnswerKind::kError);
  EXPECT_EQ(answer.source, answer.target);
  EXPECT_EQ(answer.icmp_code, GetParam() == Family::kV4 ? 3 : 4);
  EXPECT_TRUE(answer.tag);
  ASSERT_TRUE(got_[0].match);
  EXPECT_FALSE(got_[0].match->nat);
}

TEST_P(PlainPortTest, AnErrorIsNotBlamedOnTheNextProbe) {
  const IpAddress address = LocalPort(GetParam(), SOCK_DGRAM).address();
  const uint16_t port = LocalPort(GetParam(), SOCK_DGRAM).port();
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(Send(address, {ProbeMethod::kUdp, port}).error, 0) << i;
  }
  WaitFor(10);
  for (const Got& got : got_) {
    EXPECT_TRUE(got.match);
  }
}

TEST_P(PlainPortTest, AUdpPortReplies) {
  LocalPort open(GetParam(), SOCK_DGRAM);
  ASSERT_EQ(Send(open.address(), {ProbeMethod::kUdp, open.port()}).error, 0);
  pollfd wait{open.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wait, 1, 10'000), 1);
  SocketAddress from;
  socklen_t size = SocketAddress::capacity();
  std::array<char, 256> bytes;
  const ssize_t count = recvfrom(open.fd(), bytes.data(), bytes.size(), 0, from.get(), &size);
  ASSERT_GT(count, 0);
  const std::string payload(bytes.data(), static_cast<size_t>(count));
  EXPECT_THAT(payload, HasSubstr("Parallax"));
  EXPECT_TRUE(tagger_.udp_ports().Contains(from.port()));
  ASSERT_EQ(sendto(open.fd(), "pong", 4, 0, from.get(), size), 4);
  WaitFor(1);
  EXPECT_EQ(got_[0].answer.kind, AnswerKind::kUdpReply);
  EXPECT_NE(got_[0].answer.ttl, 0);
  EXPECT_FALSE(got_[0].answer.tag);
  EXPECT_TRUE(got_[0].match);
}

TEST_P(PlainPortTest, AnEchoedUdpProbeIsKnownByItsTag) {
  LocalPort open(GetParam(), SOCK_DGRAM);
  const SendOutcome first = Send(open.address(), {ProbeMethod::kUdp, open.port()});
  const SendOutcome second = Send(open.address(), {ProbeMethod::kUdp, open.port()});
  ASSERT_EQ(first.error, 0);
  ASSERT_EQ(second.error, 0);
  for (int i = 0; i < 2; ++i) {
    pollfd wait{open.fd(), POLLIN, 0};
    ASSERT_EQ(poll(&wait, 1, 10'000), 1);
    SocketAddress from;
    socklen_t size = SocketAddress::capacity();
    std::array<char, 256> bytes;
    const ssize_t count = recvfrom(open.fd(), bytes.data(), bytes.size(), 0, from.get(), &size);
    ASSERT_GT(count, 0);
    const auto reply = [&] {
      ASSERT_EQ(sendto(open.fd(), bytes.data(), static_cast<size_t>(count), 0, from.get(), size),
                count);
    };
    reply();
    if (i == 1) {
      bytes[15] ^= 1;  // as from another process's probe, played back
      reply();
    }
  }
  WaitFor(3);
  ASSERT_TRUE(got_[0].match);
  ASSERT_TRUE(got_[1].match);
  EXPECT_FALSE(got_[2].match);
  EXPECT_EQ(got_[0].match->probe_id, first.probe_id) << "not the youngest of the flow";
  EXPECT_EQ(got_[1].match->probe_id, second.probe_id);
}

TEST_P(PlainPortTest, IcmpIsAnsweredOrItsRemedyNamed) {
  const IpAddress address = LocalPort(GetParam(), SOCK_DGRAM).address();
  const SendOutcome outcome = Send(address, {ProbeMethod::kIcmpEcho});
  if (port_->availability(ProbeMethod::kIcmpEcho, GetParam()) == 0) {
    ASSERT_EQ(outcome.error, 0);
    WaitFor(1);
    EXPECT_EQ(got_[0].answer.kind, AnswerKind::kEchoReply);
    EXPECT_TRUE(got_[0].match);
  } else {
    EXPECT_EQ(outcome.error, EOPNOTSUPP);
    EXPECT_THAT(port_->Missing()[0], HasSubstr("ping_group_range"));
    EXPECT_THAT(port_->Missing(ProbeMethod::kTcpSyn),
                testing::Not(testing::Contains(HasSubstr("ping_group_range"))));
  }
}

INSTANTIATE_TEST_SUITE_P(Families, PlainPortTest, testing::Values(Family::kV4, Family::kV6),
                         [](const auto& which) {
                           return which.param == Family::kV4 ? "V4" : "V6";
                         });

}  // namespace
}  // namespace parallax::sensor
