#include "tests/unit/sensor/probe/sim_net.h"

#include <algorithm>
#include <functional>

namespace parallax::sensor::test {
namespace {

uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdu;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53u;
  return x ^ x >> 33;
}

uint64_t HashOf(const IpAddress& address) {
  uint64_t hash = 1469598103934665603u;
  for (const uint8_t byte : address.bytes()) {
    hash = (hash ^ byte) * 1099511628211u;
  }
  return hash;
}

}  // namespace

Answer TargetAnswer(const Probe& probe) {
  Answer answer;
  answer.source = answer.target = probe.target;
  answer.method = probe.attempt.method;
  answer.port = probe.attempt.port;
  answer.flow_port = probe.flow_port;
  answer.sequence = probe.sequence;
  if (probe.attempt.method == ProbeMethod::kTcpSyn) {
    answer.kind = AnswerKind::kReset;
  } else if (probe.attempt.method == ProbeMethod::kUdp) {
    answer.kind = AnswerKind::kUdpReply;
    answer.sequence = 0;
  } else {
    answer.kind = AnswerKind::kEchoReply;
    answer.tag = PayloadTag{probe.id, probe.tag};
  }
  return answer;
}

SimRouter& SimNet::Add(const std::string& name, std::string_view address,
                       std::vector<std::string> next) {
  if (routers_.empty()) {
    first_ = name;
  }
  SimRouter& router = routers_[name];
  router.address = *IpAddress::Parse(address);
  router.next = std::move(next);
  return router;
}

void SimNet::AddChain(size_t routers, bool v6) {
  for (size_t i = 1; i <= routers; ++i) {
    const std::string n = std::to_string(i);
    SimRouter& router = Add("r" + n, v6 ? "2001:db8:ff::" + n : "10.0.0." + n,
                            {i == routers ? "target" : "r" + std::to_string(i + 1)});
    router.per_second = v6 ? 10 : 1;
  }
  Add("target", v6 ? "2001:db8:99::7" : "198.51.100.7").host = true;
}

double SimNet::Random() {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return static_cast<double>(random_ >> 11) / static_cast<double>(uint64_t{1} << 53);
}

const std::string& SimNet::Choose(SimRouter& router, const Probe& probe) {
  const uint64_t seed = HashOf(router.address);
  uint64_t hash = 0;
  switch (router.spread) {
    case Spread::kPerFlow:
      hash = Mix(seed ^ Mix(uint64_t{probe.flow_port} << 16 | probe.flow_checksum) ^
                 HashOf(probe.target));
      break;
    case Spread::kPerPacket:
      hash = static_cast<uint64_t>(Random() * 1e9);
      break;
    case Spread::kPerDestination:
      hash = Mix(seed ^ HashOf(probe.target));
      break;
  }
  return router.next[hash % router.next.size()];
}

std::optional<SimNet::Delivery> SimNet::Error(SimRouter& router, const Probe& probe, uint8_t type,
                                              uint8_t code, ErrorMeaning meaning,
                                              uint8_t quoted_ttl, int hops, Duration after,
                                              MonoTime at) {
  if (router.silent) {
    return std::nullopt;
  }
  ++router.errors_due;
  if (router.per_second > 0) {
    router.tokens =
        std::min(router.burst, router.tokens + ToSeconds(at - router.filled) * router.per_second);
    router.filled = at;
    if (router.tokens < 1) {
      return std::nullopt;
    }
    router.tokens -= 1;
  }
  ++router.errors_sent;
  Answer answer;
  answer.kind = AnswerKind::kError;
  answer.source = router.answers_as_target ? probe.target : router.masked.value_or(router.address);
  answer.ttl = static_cast<uint8_t>(router.initial_ttl - (hops - 1) - router.longer_return);
  answer.target = probe.target;
  answer.method = probe.attempt.method;
  answer.port = probe.attempt.port;
  answer.flow_port = probe.flow_port;
  answer.sequence = probe.sequence;
  answer.icmp_type = type;
  answer.icmp_code = code;
  answer.meaning = meaning;
  answer.quoted_source = probe.target.is_v4() ? source_v4 : source_v6;
  answer.quoted_ttl = quoted_ttl;
  if (router.behind_source_nat) {
    answer.quoted_source = *IpAddress::Parse("203.0.113.99");
  }
  answer.mpls = router.mpls;
  return Delivery{answer, after};
}

std::vector<SimNet::Delivery> SimNet::Send(const Probe& probe, MonoTime now) {
  const bool v4 = probe.target.is_v4();
  int ttl = probe.ttl == 0 ? kDefaultTtl : probe.ttl;
  Duration there{};
  std::string name = first_;
  std::map<std::string, int> away;  // answers of a router come the shortest way, loop or not
  for (int walked = 1; walked < 300; ++walked) {
    SimRouter& router = Get(name);
    const int hops = away.emplace(name, walked).first->second;
    there += router.delay;
    if (router.loss > 0 && Random() < router.loss) {
      return {};
    }
    const Duration back = there * 2 + router.slow;
    const auto lost = [&] { return router.loss > 0 && Random() < router.loss; };
    const auto reply = [&](std::optional<Delivery> delivery) {
      return delivery && !lost() ? std::vector<Delivery>{*delivery} : std::vector<Delivery>{};
    };
    if (router.host) {
      if (router.silent) {
        return {};
      }
      if (probe.attempt.method == ProbeMethod::kUdp && !router.udp_service) {
        SimRouter& host = router;
        host.address = probe.target;
        return reply(Error(host, probe, v4 ? 3 : 1, v4 ? 3 : 4, ErrorMeaning::kProhibited,
                           static_cast<uint8_t>(ttl), hops, back, now + there));
      }
      Delivery delivery{TargetAnswer(probe), back};
      delivery.answer.ttl =
          static_cast<uint8_t>(router.initial_ttl - (hops - 1) - router.longer_return);
      return reply(delivery);
    }
    const auto refuse = [&] {
      const auto [type, code] = *router.refuses;
      const bool prohibited = v4 ? code == 9 || code == 10 || code == 13 : code == 1;
      return reply(Error(router, probe, type, code,
                         prohibited ? ErrorMeaning::kProhibited : ErrorMeaning::kUnreachable,
                         static_cast<uint8_t>(ttl), hops, back, now + there));
    };
    if (router.refuses && router.before_ttl) {
      return refuse();
    }
    if (ttl <= 1 && !(router.zero_ttl && ttl == 1)) {
      return reply(Error(router, probe, v4 ? 11 : 3, 0, ErrorMeaning::kTimeExceeded,
                         static_cast<uint8_t>(ttl), hops, back, now + there));
    }
    if (router.refuses) {
      return refuse();
    }
    if (router.drops || router.next.empty()) {
      return {};
    }
    --ttl;
    ++router.forwarded;
    name = Choose(router, probe);
  }
  return {};
}

uint64_t SimNet::suppressed() const {
  uint64_t count = 0;
  for (const auto& [name, router] : routers_) {
    count += router.errors_due - router.errors_sent;
  }
  return count;
}

}  // namespace parallax::sensor::test
