// What probes bring back: from their targets, and from the routers on the way.
#include <optional>

#include "tests/sim/world.h"

namespace parallax::sim {
namespace {

using sensor::Answer;
using sensor::AnswerKind;
using sensor::ErrorMeaning;
using sensor::Probe;

constexpr uint16_t kErrorBytes = 56;

Answer About(const Probe& probe, AnswerKind kind, const IpAddress& from) {
  Answer answer;
  answer.kind = kind;
  answer.source = from;
  answer.target = probe.target;
  answer.method = probe.attempt.method;
  answer.port = probe.attempt.port;
  answer.flow_port = probe.flow_port;
  answer.sequence = kind == AnswerKind::kUdpReply ? 0 : probe.sequence;
  if (kind == AnswerKind::kEchoReply) {
    answer.tag = sensor::PayloadTag{probe.id, probe.tag};
  }
  return answer;
}

// As routers of either family say it.
std::optional<Answer> ErrorAbout(const Probe& probe, const Packet& packet, End end,
                                 const IpAddress& router) {
  Answer answer = About(probe, AnswerKind::kError, router);
  const bool v4 = probe.target.is_v4();
  answer.quoted_source = packet.source;
  answer.quoted_ttl = 1;
  answer.quoted_ip_id = v4 ? static_cast<uint16_t>(probe.sequence) : uint16_t{0};
  if (probe.attempt.method == ProbeMethod::kIcmpEcho) {
    answer.quoted_checksum = probe.flow_checksum;
  } else if (probe.attempt.method == ProbeMethod::kUdp) {
    answer.quoted_checksum = static_cast<uint16_t>(probe.sequence);
  }
  switch (end) {
    case End::kTtlExceeded:
      answer.icmp_type = v4 ? 11 : 3;
      answer.meaning = ErrorMeaning::kTimeExceeded;
      return answer;
    case End::kNoRoute:
      answer.icmp_type = v4 ? 3 : 1;
      answer.meaning = ErrorMeaning::kUnreachable;
      return answer;
    case End::kProhibited:
      answer.icmp_type = v4 ? 3 : 1;
      answer.icmp_code = v4 ? 13 : 1;
      answer.meaning = ErrorMeaning::kProhibited;
      return answer;
    case End::kDelivered:
    case End::kLost:
      break;
  }
  return std::nullopt;
}

Packet ReplyTo(const Packet& packet) {
  Packet reply = packet;
  std::swap(reply.source, reply.destination);
  if (packet.protocol == sensor::kProtocolTcp || packet.protocol == sensor::kProtocolUdp) {
    std::swap(reply.source_port, reply.destination_port);
  }
  reply.ttl = 64;
  return reply;
}

}  // namespace

void World::SendProbe(size_t i, const sensor::ProbeSend& send) {
  const SensorHost& host = sensors_[i];
  const Probe& probe = send.probe;
  const IpAddress* const source = AddressOf(host.model->options().addresses, probe.target.family());
  if (source == nullptr) {
    return;
  }
  ++(send.owner.kind == sensor::ProbeOwner::Kind::kGateway ? counts_.gateway_probes
                                                           : counts_.probes);
  Packet packet;
  packet.source = *source;
  packet.destination = probe.target;
  packet.protocol = sensor::ProtocolOf(probe);
  packet.source_port = probe.flow_port;
  packet.destination_port =
      probe.attempt.method == ProbeMethod::kIcmpEcho ? probe.flow_checksum : probe.attempt.port;
  packet.ttl = probe.ttl == 0 ? sensor::kDefaultTtl : probe.ttl;
  Deliver(i, probe, packet, network_.Carry(packet, host.node, now().mono));
}

void World::Deliver(size_t i, const Probe& probe, const Packet& packet, const Passage& passage) {
  if (passage.end == End::kDelivered) {
    const ProbeMethod method = probe.attempt.method;
    AnswerKind kind = method == ProbeMethod::kIcmpEcho ? AnswerKind::kEchoReply
                      : method == ProbeMethod::kTcpSyn ? AnswerKind::kSynAck
                                                       : AnswerKind::kUdpReply;
    if (const auto it = remote_by_address_.find(probe.target); it != remote_by_address_.end()) {
      const Remote& remote = remotes_[it->second];
      const bool answers = method == ProbeMethod::kIcmpEcho ? remote.icmp
                           : method == ProbeMethod::kTcpSyn ? remote.tcp
                                                            : remote.udp;
      if (!remote.alive || !answers) {
        return;
      }
    } else if (method == ProbeMethod::kTcpSyn) {
      kind = AnswerKind::kReset;
    } else if (method == ProbeMethod::kUdp) {
      return;
    }
    Return(i, passage.node, ReplyTo(packet), passage.at, About(probe, kind, probe.target));
    return;
  }
  if (passage.end == End::kLost || !passage.by ||
      !network_.MaySendError(passage.node, packet.source, passage.at)) {
    return;
  }
  const IpAddress router = network_.AddressAt(passage.node, *passage.by, probe.target.family());
  if (auto answer = ErrorAbout(probe, packet, passage.end, router)) {
    Packet error;
    error.source = router;
    error.destination = packet.source;
    error.protocol = probe.target.is_v4() ? sensor::kProtocolIcmp : sensor::kProtocolIcmpv6;
    error.bytes = kErrorBytes;
    Return(i, passage.node, error, passage.at, std::move(*answer));
  }
}

void World::Return(size_t i, NodeId from, const Packet& reply, MonoTime at, Answer answer) {
  const Passage passage = network_.Carry(reply, from, at);
  if (passage.end != End::kDelivered || passage.node != sensors_[i].node) {
    return;
  }
  answer.ttl = passage.ttl;
  events_.At(passage.at, [this, i, answer] {
    sensors_[i].model->OnAnswer(answer, NowAt(i));
    Turn(i);
  });
}

}  // namespace parallax::sim
