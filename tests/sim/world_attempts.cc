// Connections that remote hosts open to the sensors' hosts, with the timers of Linux 6.18 (see
// sensor/observe/attempt_tracker.h).
#include <algorithm>
#include <array>
#include <memory>

#include "tests/sim/random_time.h"
#include "tests/sim/world.h"

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

// After the first; then the client gives up.
constexpr std::array<Duration, 6> kSynAgain = {1000ms, 2000ms, 3100ms, 4100ms, 5100ms, 7100ms};
constexpr std::array<Duration, 5> kSynAckAgain = {1000ms, 3000ms, 7300ms, 15500ms, 31600ms};

}  // namespace

struct World::Conversation {
  size_t sensor = 0;
  size_t remote = 0;
  NodeId client_node = 0;
  Endpoint client;
  Endpoint server;
  uint32_t isn = 0;
  uint32_t server_isn = 0;
  MonoTime began;
  size_t syns = 0;
  std::optional<MonoTime> first_syn_ack;
  size_t syn_acks_again = 0;
  bool client_answered = false;  // a SYN-ACK has come to it
  bool established = false;      // its ACK has come to the server
};

void World::Connect(size_t remote) {
  const Remote& from = remotes_[remote];
  // No crowd: a host waits a second at least, and five times the mean at most.
  events_.After(1s + std::min(Exponential(from.attempt_every, random_), 5 * from.attempt_every),
                [this, remote] { Connect(remote); });
  if (!from.alive || sensors_.empty()) {
    return;
  }
  const size_t i = random_() % sensors_.size();
  const IpAddress* const server =
      AddressOf(sensors_[i].model->options().addresses, from.address.family());
  if (server == nullptr) {
    return;
  }
  ++counts_.attempts;
  auto c = std::make_shared<Conversation>();
  c->sensor = i;
  c->remote = remote;
  c->client_node = from.node;
  c->client = {from.address, static_cast<uint16_t>(32768 + random_() % 28232)};
  c->server = {*server, kServerPort};
  c->isn = static_cast<uint32_t>(random_());
  c->server_isn = static_cast<uint32_t>(random_());
  c->began = now().mono;
  SendSyn(c);
}

void World::SendSyn(const std::shared_ptr<Conversation>& c) {
  const size_t n = c->syns++;
  const Passage passage = network_.Carry(
      {c->client.address, c->server.address, sensor::kProtocolTcp, c->client.port, c->server.port},
      c->client_node, now().mono);
  if (passage.end == End::kDelivered && passage.node == sensors_[c->sensor].node) {
    events_.At(passage.at, [this, c, ttl = passage.ttl] {
      sensor::SynSegment syn;
      syn.src = c->client;
      syn.dst = c->server;
      syn.seq = c->isn;
      syn.flags = sensor::kTcpSyn;
      syn.ttl = ttl;
      sensors_[c->sensor].model->See({&syn, 1}, NowAt(c->sensor));
      OnSyn(c);
    });
  }
  if (n < kSynAgain.size()) {
    events_.At(c->began + kSynAgain[n], [this, c] {
      if (!c->client_answered && remotes_[c->remote].alive) {
        SendSyn(c);
      }
    });
  }
}

void World::OnSyn(const std::shared_ptr<Conversation>& c) {
  if (c->established) {
    return;
  }
  const bool first = !c->first_syn_ack;
  if (first) {
    c->first_syn_ack = now().mono;
  }
  SendSynAck(c);
}

void World::SendSynAck(const std::shared_ptr<Conversation>& c) {
  sensor::SynSegment syn_ack;
  syn_ack.src = c->server;
  syn_ack.dst = c->client;
  syn_ack.seq = c->server_isn;
  syn_ack.ack = c->isn + 1;
  syn_ack.flags = sensor::kTcpSyn | sensor::kTcpAck;
  syn_ack.ttl = 64;
  const SensorHost& host = sensors_[c->sensor];
  host.model->See({&syn_ack, 1}, NowAt(c->sensor));
  const Passage out = network_.Carry(
      {c->server.address, c->client.address, sensor::kProtocolTcp, c->server.port, c->client.port},
      host.node, now().mono);
  const bool hears = remotes_[c->remote].alive;
  if (out.end == End::kDelivered && hears) {
    c->client_answered = true;
    const Passage back = network_.Carry({c->client.address, c->server.address, sensor::kProtocolTcp,
                                         c->client.port, c->server.port},
                                        out.node, out.at);
    c->established = c->established || (back.end == End::kDelivered && back.node == host.node);
  } else if (hears) {
    ++counts_.lost_syn_acks;
    if (on_lost_syn_ack) {
      on_lost_syn_ack(c->client.address, out);
    }
  }
  // One timer at a time.
  if (!c->established && c->syn_acks_again < kSynAckAgain.size()) {
    const size_t n = c->syn_acks_again;
    events_.At(*c->first_syn_ack + kSynAckAgain[n], [this, c, n] {
      if (!c->established && c->syn_acks_again == n) {
        ++c->syn_acks_again;
        SendSynAck(c);
      }
    });
  }
}

}  // namespace parallax::sim
