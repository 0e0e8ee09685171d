// SYN floods: sources are made up, so nobody acknowledges. Whether a batch gets to its server is
// found out with one of its packets.
#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "tests/sim/world.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kBatchEvery = 10ms;
constexpr size_t kBacklog = 256;
// After the last one; then the server forgets.
constexpr std::array<Duration, 5> kSynAckAgain = {1000ms, 2000ms, 4300ms, 8200ms, 16100ms};

IpAddress MadeUp(Family family, std::mt19937_64& random) {
  const uint64_t number = random();
  if (family == Family::kV4) {  // 20.0.0.0/6 and what follows: addresses that could be anybody's
    return IpAddress::V4(std::array<uint8_t, 4>{
        static_cast<uint8_t>(20 + (number >> 24) % 80), static_cast<uint8_t>(number >> 16),
        static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)});
  }
  std::array<uint8_t, 16> bytes{0x2a, 0x10};
  for (size_t i = 0; i < 8; ++i) {
    bytes[8 + i] = static_cast<uint8_t>(number >> (8 * i));
  }
  return IpAddress::V6(bytes);
}

}  // namespace

void World::SetFlood(size_t sensor, NodeId from, double per_second) {
  SensorHost& host = sensors_[sensor];
  host.flood = per_second;
  host.flood_from = from;
  if (per_second > 0 && !host.flooding) {
    host.flooding = true;
    Flood(sensor);
  }
}

void World::Flood(size_t i) {
  SensorHost& host = sensors_[i];
  host.flooding = host.flood > 0;
  if (!host.flooding) {
    return;
  }
  events_.After(kBatchEvery, [this, i] { Flood(i); });
  host.flood_rest += host.flood * ToSeconds(kBatchEvery);
  const auto count = static_cast<size_t>(host.flood_rest);
  host.flood_rest -= static_cast<double>(count);
  const IpAddress& server = host.model->options().addresses.front();
  std::vector<sensor::SynSegment> seen;
  std::vector<sensor::SynSegment> waiting;
  for (size_t n = 0; n < count; ++n) {
    sensor::SynSegment syn;
    syn.src = {MadeUp(server.family(), random_), static_cast<uint16_t>(1024 + random_() % 64000)};
    syn.dst = {server, kServerPort};
    syn.seq = static_cast<uint32_t>(random_());
    syn.flags = sensor::kTcpSyn;
    syn.ttl = static_cast<uint8_t>(40 + random_() % 20);
    if (n == 0) {
      const Passage passage =
          network_.Carry({syn.src.address, server, sensor::kProtocolTcp, syn.src.port, kServerPort},
                         host.flood_from, now().mono);
      if (passage.end != End::kDelivered) {
        return;
      }
    }
    sensor::SynSegment syn_ack = syn;
    std::swap(syn_ack.src, syn_ack.dst);
    syn_ack.ack = syn.seq + 1;
    syn_ack.seq = static_cast<uint32_t>(random_());
    syn_ack.flags = sensor::kTcpSyn | sensor::kTcpAck;
    syn_ack.ttl = 64;
    seen.push_back(syn);
    seen.push_back(syn_ack);
    if (host.backlog < kBacklog) {
      ++host.backlog;
      waiting.push_back(syn_ack);
    } else {
      ++host.counters.syn_cookies_sent;
    }
  }
  host.model->SetHostCounters(host.counters);
  host.model->See(seen, NowAt(i));
  if (!waiting.empty()) {
    RepeatForged(i, std::move(waiting), 0);
  }
}

void World::RepeatForged(size_t i, std::vector<sensor::SynSegment> syn_acks, size_t n) {
  if (n == kSynAckAgain.size()) {
    sensors_[i].backlog -= syn_acks.size();
    return;
  }
  events_.After(kSynAckAgain[n], [this, i, n, syn_acks = std::move(syn_acks)]() mutable {
    sensors_[i].model->See(syn_acks, NowAt(i));
    RepeatForged(i, std::move(syn_acks), n + 1);
  });
}

}  // namespace parallax::sim
