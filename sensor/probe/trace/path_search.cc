#include "sensor/probe/trace/path_search.h"

#include <algorithm>

namespace parallax::sensor {
namespace {

// Linux refills an IPv4 router's bucket by one a second, an IPv6 router's every tenth of one.
constexpr Duration kAskAgainV4 = std::chrono::milliseconds(1100);
constexpr Duration kAskAgainV6 = std::chrono::milliseconds(250);
// The kernel's refusals in a row (buffers full, a firewall of ours) after which a search gives up.
constexpr uint32_t kMostSendErrors = 10;
constexpr Duration kHoldAfterSendError = std::chrono::milliseconds(20);

}  // namespace

TraceOptions Sane(TraceOptions options) {
  options.first_ttl = std::clamp<uint8_t>(options.first_ttl, 1, 255);
  options.max_ttl = std::max(options.max_ttl, options.first_ttl);
  options.probes = std::clamp<uint16_t>(options.probes, 1, 1000);
  options.timeout = std::clamp<Duration>(options.timeout, kShortestHopWait, kLongestHopWait);
  options.gap_limit = std::max<uint8_t>(options.gap_limit, 1);
  options.patience = std::max(options.patience, Duration::zero());
  return options;
}

std::optional<uint8_t> DistanceFromTtl(uint8_t ttl) {
  if (ttl == 0) {
    return std::nullopt;
  }
  const int start = ttl <= 64 ? 64 : ttl <= 128 ? 128 : 255;
  return static_cast<uint8_t>(start - ttl + 1);
}

void WishPicker::Offer(const PathWish& wish, Key key) {
  const MonoTime at = std::max(wish.at, now_);
  if (best_) {
    const MonoTime best_at = std::max(best_->at, now_);
    if (at > best_at || (at == best_at && key >= key_)) {
      return;
    }
  }
  best_ = wish;
  key_ = key;
}

PathSearch::PathSearch(const IpAddress& target, const ProbeTry& attempt,
                       const TraceOptions& options, HopLimiter& limiter)
    : target_(target), attempt_(attempt), options_(Sane(options)), limiter_(limiter) {}

HopWord PathSearch::WordOf(const PathSample& sample) const {
  if (!sample.answered()) {
    return HopWord::kNone;
  }
  if (sample.kind != AnswerKind::kError) {
    return HopWord::kTarget;
  }
  if (sample.meaning == ErrorMeaning::kTimeExceeded) {
    return HopWord::kPassing;
  }
  if (sample.from == target_) {
    return HopWord::kTarget;
  }
  return sample.meaning == ErrorMeaning::kProhibited ? HopWord::kProhibited : HopWord::kUnreachable;
}

MonoTime PathSearch::BudgetAt(uint8_t ttl, const std::optional<IpAddress>& router,
                              MonoTime now) const {
  if (router && *router == target_ && attempt_.method != ProbeMethod::kUdp) {
    return now;
  }
  return limiter_.Next(target_.family(), ttl, router, now);
}

Duration PathSearch::AskAgainAfter() const {
  return std::max(options_.timeout, target_.is_v4() ? kAskAgainV4 : kAskAgainV6);
}

std::optional<PathSearch::Wish> PathSearch::Next(MonoTime now) {
  std::optional<Wish> wish = Choose(now);
  if (wish) {
    wish->at = std::max(wish->at, hold_until_);
  }
  return wish;
}

uint32_t PathSearch::OnSent(const Wish& wish, uint64_t probe_id, MonoTime now) {
  PathSample sample;
  sample.ttl = wish.ttl;
  sample.full = wish.full;
  sample.flow = wish.flow;
  sample.probe_id = probe_id;
  sample.sent = now;
  std::optional<IpAddress> router;
  for (auto it = samples_.rbegin(); it != samples_.rend() && !router; ++it) {
    if (it->answered() && it->ttl == wish.ttl && it->full == wish.full &&
        (it->flow == wish.flow || WordOf(*it) == HopWord::kTarget)) {
      router = it->from;
    }
  }
  const bool limited = !wish.full || attempt_.method == ProbeMethod::kUdp;
  if (limited && !(router == target_ && attempt_.method != ProbeMethod::kUdp)) {
    sample.charge = limiter_.Take(target_.family(), wish.ttl, router, now);
  }
  samples_.push_back(sample);
  const auto number = static_cast<uint32_t>(samples_.size() - 1);
  OnChange(number, now);
  return number;
}

void PathSearch::OnAnswer(uint32_t sample, const ProbeMatch& match, const Answer& answer,
                          MonoTime now) {
  if (answer.kind == AnswerKind::kRedirect) {
    redirect_ = Redirect{answer.source, answer.gateway};
    return;
  }
  if (sample >= samples_.size() || stopped() ||
      samples_[sample].state == PathSample::State::kAnswered ||
      samples_[sample].state == PathSample::State::kUnsent) {
    return;
  }
  PathSample& s = samples_[sample];
  // Which probe a UDP reply answers is a guess, and this one wrong: that flow goes on from there.
  const auto goes_on = [&](const PathSample& other) {
    return other.flow == s.flow && other.ttl > s.ttl && WordOf(other) == HopWord::kPassing;
  };
  if (answer.kind == AnswerKind::kUdpReply &&
      std::any_of(samples_.begin(), samples_.end(), goes_on)) {
    return;
  }
  const bool error = answer.kind == AnswerKind::kError;
  if (error && answer.from_this_host() && answer.source != target_) {
    s.state = PathSample::State::kUnsent;
    limiter_.Refund(s.charge);
    Stop(TraceEnd::kNotSent, "this host's own kernel: the next hop does not answer");
    return;
  }
  s.late = match.late || s.state == PathSample::State::kLost;
  s.state = PathSample::State::kAnswered;
  s.nat = match.nat;
  s.from = answer.source;
  s.rtt = match.rtt;
  s.kind = answer.kind;
  s.meaning = answer.meaning;
  s.icmp_type = answer.icmp_type;
  s.icmp_code = answer.icmp_code;
  s.reply_ttl = answer.ttl;
  s.quoted_ttl = answer.quoted_ttl;
  s.quoted_source = answer.quoted_source;
  s.mpls = answer.mpls;
  if (error) {
    limiter_.OnError(s.charge, s.ttl, s.from, now);
    if (!s.full && s.ttl < own_source_ttl_) {
      own_source_ = s.quoted_source;
      own_source_ttl_ = s.ttl;
    }
  } else {
    limiter_.Refund(s.charge);
  }
  send_errors_ = 0;
  OnChange(sample, now);
}

void PathSearch::OnSendError(uint32_t sample, bool unreachable, std::string_view why,
                             MonoTime now) {
  if (sample >= samples_.size() || !samples_[sample].waiting()) {
    return;
  }
  samples_[sample].state = PathSample::State::kUnsent;
  limiter_.Refund(samples_[sample].charge);
  if (unreachable || ++send_errors_ >= kMostSendErrors) {
    Stop(TraceEnd::kNotSent, why);
  }
  hold_until_ = now + kHoldAfterSendError * send_errors_;
  OnChange(sample, now);
}

std::vector<uint64_t> PathSearch::Expire(MonoTime now) {
  std::vector<uint64_t> ids;
  while (first_waiting_ < samples_.size()) {
    PathSample& sample = samples_[first_waiting_];
    if (sample.waiting()) {
      if (sample.sent + options_.timeout > now) {
        break;
      }
      sample.state = PathSample::State::kLost;
      limiter_.OnLost(sample.charge);
      ids.push_back(sample.probe_id);
      OnChange(static_cast<uint32_t>(first_waiting_), now);
    }
    ++first_waiting_;
  }
  return ids;
}

std::optional<MonoTime> PathSearch::NextExpiry() const {
  for (size_t i = first_waiting_; i < samples_.size(); ++i) {
    if (samples_[i].waiting()) {
      return samples_[i].sent + options_.timeout;
    }
  }
  return std::nullopt;
}

void PathSearch::Stop(TraceEnd end, std::string_view why) {
  stop_end_ = end;
  stop_detail_ = why;
}

std::vector<uint64_t> PathSearch::WaitingIds() const {
  std::vector<uint64_t> ids;
  for (const PathSample& sample : samples_) {
    if (sample.waiting()) {
      ids.push_back(sample.probe_id);
    }
  }
  return ids;
}

bool PathSearch::SeesNat(const PathSample& sample) const {
  return sample.nat ||
         (sample.kind == AnswerKind::kError &&
          ((sample.meaning == ErrorMeaning::kTimeExceeded && sample.from == target_) ||
           (own_source_ttl_ < 255 && sample.quoted_source != own_source_)));
}

Path PathSearch::Head() const {
  Path path;
  path.target = target_;
  path.attempt = attempt_;
  path.redirect = redirect_;
  if (stop_end_) {
    path.end = *stop_end_;
    path.detail = stop_detail_;
  }
  return path;
}

PathHop PathSearch::HopOf(uint8_t ttl) const {
  PathHop hop;
  hop.ttl = ttl;
  for (const PathSample& sample : samples_) {
    if (sample.ttl != ttl || sample.full || sample.state == PathSample::State::kUnsent) {
      continue;
    }
    if (sample.former) {
      if (sample.state == PathSample::State::kAnswered &&
          std::find(hop.former.begin(), hop.former.end(), sample.from) == hop.former.end()) {
        hop.former.push_back(sample.from);
      }
      continue;
    }
    ++hop.sent;
    if (!sample.answered()) {
      continue;
    }
    ++hop.answered;
    auto node = std::find_if(hop.nodes.begin(), hop.nodes.end(),
                             [&](const PathNode& n) { return n.address == sample.from; });
    if (node == hop.nodes.end()) {
      node = hop.nodes.insert(hop.nodes.end(), PathNode{});
      node->address = sample.from;
    }
    ++node->received;
    node->late += sample.late ? 1 : 0;
    node->rtt.Add(sample.rtt);
    node->kind = sample.kind;
    node->meaning = sample.meaning;
    node->icmp_type = sample.icmp_type;
    node->icmp_code = sample.icmp_code;
    node->reply_ttl = sample.reply_ttl;
    node->quoted_ttl = sample.quoted_ttl;
    node->mpls = sample.mpls;
    node->zero_ttl =
        node->zero_ttl || (WordOf(sample) == HopWord::kPassing && sample.quoted_ttl == 0);
    node->nat = node->nat || SeesNat(sample);
  }
  for (PathNode& node : hop.nodes) {
    node.sent = hop.nodes.size() == 1 ? hop.sent : node.received;
    std::erase(hop.former, node.address);
  }
  std::sort(hop.nodes.begin(), hop.nodes.end(),
            [](const PathNode& a, const PathNode& b) { return a.address < b.address; });
  if (hop.answered > 0) {
    hop.state = HopState::kAnswering;
  }
  return hop;
}

}  // namespace parallax::sensor
