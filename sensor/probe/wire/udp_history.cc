#include "sensor/probe/wire/udp_history.h"

namespace parallax::sensor {

size_t UdpHistory::FlowHash::operator()(const Flow& flow) const {
  const uint64_t ports = uint64_t{flow.port} << 16 | flow.flow_port;
  return std::hash<IpAddress>{}(flow.target) ^ static_cast<size_t>(ports * 0x9e3779b97f4a7c15u);
}

void UdpHistory::Remember(const Probe& probe, MonoTime sent) {
  while (!sent_.empty() && (sent_.size() >= kCapacity || sent - sent_.front().at >= kRemember)) {
    if (const auto last = last_.find(sent_.front().flow); last->second == first_) {
      last_.erase(last);
    }
    sent_.pop_front();
    ++first_;
  }
  const Flow flow{probe.target, probe.attempt.port, probe.flow_port};
  const auto [last, is_new] = last_.try_emplace(flow, kNone);
  sent_.push_back({flow, static_cast<uint16_t>(probe.sequence), probe.ttl, false, probe.id, sent,
                   is_new ? kNone : last->second});
  last->second = first_ + sent_.size() - 1;
}

UdpHistory::Sent* UdpHistory::Find(Number number) {
  return number == kNone || number < first_ ? nullptr : &sent_[number - first_];
}

UdpHistory::Sent* UdpHistory::Last(const Flow& flow) {
  const auto last = last_.find(flow);
  return last == last_.end() ? nullptr : Find(last->second);
}

std::optional<uint16_t> UdpHistory::ById(const IpAddress& target, uint16_t port, uint16_t flow_port,
                                         uint64_t probe_id) {
  Sent* sent = Last({target, port, flow_port});
  while (sent != nullptr && sent->probe_id != probe_id) {
    sent = Find(sent->before);
  }
  if (sent == nullptr) {
    return std::nullopt;
  }
  sent->told = true;
  return sent->sequence;
}

std::optional<uint16_t> UdpHistory::Guess(const IpAddress& target, uint16_t port,
                                          uint16_t flow_port, MonoTime now) {
  Sent* const last = Last({target, port, flow_port});
  Sent* meant = nullptr;
  for (Sent* sent = last; sent != nullptr; sent = Find(sent->before)) {
    if (now - sent->at >= (sent == last ? kRemember : kApart)) {
      break;
    }
    if (sent->ttl != last->ttl) {
      return std::nullopt;
    }
    if (!sent->told) {
      meant = sent;
    }
  }
  if (meant == nullptr) {
    return std::nullopt;
  }
  meant->told = true;
  return meant->sequence;
}

}  // namespace parallax::sensor
