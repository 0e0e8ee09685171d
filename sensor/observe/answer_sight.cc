#include "sensor/observe/answer_sight.h"

#include <algorithm>
#include <chrono>

#include "common/address_hash.h"

namespace parallax::sensor {
namespace {

constexpr size_t kEntries = 2048;
constexpr uint16_t kLeast = 8;
constexpr uint16_t kLeastAcknowledged = 3;
constexpr uint16_t kMost = 0x7fff;

void Count(uint16_t& counter) { counter = std::min<uint16_t>(counter + 1, kMost); }

}  // namespace

AnswerSight::AnswerSight(const HashKey& key) : key_(key), entries_(kEntries) {}

AnswerSight::Entry& AnswerSight::Of(const IpAddress& server, MonoTime now) {
  const auto minute = static_cast<int32_t>(
      std::chrono::floor<std::chrono::minutes>(now.time_since_epoch()).count());
  const uint64_t hash = AddressHash(key_, server);
  const auto tag = static_cast<uint32_t>(hash >> 32) | 1;
  Entry* const first = &entries_[hash % (kEntries / kWays) * kWays];
  Entry* const last = first + kWays;
  Entry* entry = std::find_if(first, last, [&](const Entry& e) { return e.tag == tag; });
  if (entry == last) {
    entry = std::min_element(first, last, [](const Entry& a, const Entry& b) {
      return a.tag == 0 || b.tag == 0 ? a.tag == 0 && b.tag != 0 : a.minute < b.minute;
    });
    *entry = {.tag = tag, .minute = minute};
  }
  const int passed = std::clamp(minute - entry->minute, 0, 15);
  entry->answered = static_cast<uint16_t>(entry->answered >> passed);
  entry->only_once = static_cast<uint16_t>(entry->only_once >> passed);
  entry->repeated = static_cast<uint16_t>(entry->repeated >> passed);
  entry->acknowledged = static_cast<uint16_t>(entry->acknowledged >> passed);
  entry->minute = std::max(entry->minute, minute);
  return *entry;
}

void AnswerSight::Answered(const IpAddress& server, MonoTime now) {
  Count(Of(server, now).answered);
}

void AnswerSight::OnlyOnce(const IpAddress& server, const IpAddress& client, MonoTime now) {
  Entry& entry = Of(server, now);
  const auto tag = static_cast<uint32_t>(AddressHash(key_, client)) | 1;
  if (entry.last_client != tag) {
    entry.last_client = tag;
    Count(entry.only_once);
  }
}

void AnswerSight::Repeated(const IpAddress& server, MonoTime now) {
  Count(Of(server, now).repeated);
}

void AnswerSight::Acknowledged(const IpAddress& server, MonoTime now) {
  Count(Of(server, now).acknowledged);
}

bool AnswerSight::ShowsAcknowledgements(const IpAddress& server, MonoTime now) {
  return Of(server, now).acknowledged >= kLeastAcknowledged;
}

bool AnswerSight::IsOneWay(const IpAddress& server, MonoTime now) {
  const Entry& entry = Of(server, now);
  return entry.answered == 0 && entry.only_once >= kLeast && entry.only_once >= 4 * entry.repeated;
}

}  // namespace parallax::sensor
