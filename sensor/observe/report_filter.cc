#include "sensor/observe/report_filter.h"

#include <algorithm>
#include <bit>
#include <chrono>

namespace parallax::sensor {
namespace {

using namespace std::chrono_literals;

constexpr Duration kWindow = 60s;

bool Accuses(AttemptOutcome outcome) {
  return outcome == AttemptOutcome::kHalfOpen || outcome == AttemptOutcome::kUnanswered;
}

}  // namespace

ReportFilter::ReportFilter(const ReportFilterOptions& options)
    : options_(options),
      clients_(std::bit_ceil(std::max(options.clients, kWays))),
      bucket_mask_(clients_.size() / kWays - 1),
      attempts_(options.attempts_per_second, options.attempts_per_second),
      accusations_(options.accusations_per_second, options.accusations_per_second),
      sampled_(options.sampled_per_second, options.sampled_per_second) {}

bool ReportFilter::Admit(const AttemptEvent& attempt, MonoTime now) {
  const IpAddress& address = attempt.client.address;
  if (address.IsNeverRemote() || options_.local_networks.Contains(address)) {
    ++stats_.local;
    return false;
  }
  Client& client = Remember(address, now);
  const uint32_t fingerprint = Fingerprint(attempt);
  const bool pending = attempt.outcome == AttemptOutcome::kPending;
  if (!pending) {
    const auto open = std::find(client.open.begin(), client.open.end(), fingerprint);
    if (open != client.open.end()) {
      *open = 0;
      ++stats_.reported;
      return true;
    }
  }
  uint32_t& used = pending ? client.attempts : client.accusations;
  const uint32_t allowed = pending ? std::min(options_.attempts_per_client, kMostOpen)
                           : Accuses(attempt.outcome) ? options_.accusations_per_client
                                                      : 0;
  if (used >= allowed) {
    ++stats_.held_back;
    return false;
  }
  Allowance& all = attempt.sampling > 1 ? sampled_ : pending ? attempts_ : accusations_;
  if (!all.TakeOne(now)) {
    ++stats_.held_back_total;
    return false;
  }
  ++used;
  if (pending) {
    client.open[client.open_next++ % kMostOpen] = fingerprint;
  }
  ++stats_.reported;
  return true;
}

ReportFilter::Client& ReportFilter::Remember(const IpAddress& address, MonoTime now) {
  const size_t bucket = (SipHash24(options_.key, address.bytes()) & bucket_mask_) * kWays;
  const auto first = clients_.begin() + static_cast<std::ptrdiff_t>(bucket);
  const auto last = first + kWays;
  auto found =
      std::find_if(first, last, [&](const Client& c) { return c.used && c.address == address; });
  if (found == last) {
    // A free place, or the client whose window is oldest.
    found = std::min_element(first, last, [](const Client& a, const Client& b) {
      return a.used != b.used ? !a.used : a.window_start < b.window_start;
    });
    *found = Client{};
    found->address = address;
    found->used = true;
    found->window_start = now;
  } else if (now - found->window_start >= kWindow) {
    found->window_start = now;
    found->attempts = 0;
    found->accusations = 0;
  }
  return *found;
}

uint32_t ReportFilter::Fingerprint(const AttemptEvent& attempt) const {
  std::array<uint8_t, 24> bytes{};
  const auto server = attempt.server.address.bytes();
  auto* to = std::copy(server.begin(), server.end(), bytes.begin());
  for (const uint32_t value :
       {uint32_t{attempt.client.port} << 16 | attempt.server.port, attempt.isn}) {
    for (int shift = 0; shift < 32; shift += 8) {
      *to++ = static_cast<uint8_t>(value >> shift);
    }
  }
  const auto hash = static_cast<uint32_t>(SipHash24(options_.key, {bytes.data(), to}));
  return hash == 0 ? 1 : hash;
}

}  // namespace parallax::sensor
