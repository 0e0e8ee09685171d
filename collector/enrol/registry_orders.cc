// What operators order: tokens, approvals, revocations, draining; and what time does.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "collector/enrol/registry.h"
#include "common/fingerprint.h"

namespace parallax::collector {
namespace {

tl::unexpected<Error> NoSensor(const SensorName& name) {
  return Fail(ErrorCode::kNotFound,
              fmt::format("no sensor named {} (see: parallax sensor list)", name));
}

}  // namespace

Result<TokenRecord> Registry::CreateToken(const TokenWish& wish, const std::string& id,
                                          const std::string& sha256, WallTime now) {
  if (tokens_.size() >= options_.most_tokens) {
    return Fail(ErrorCode::kFailure,
                fmt::format("there are {} tokens already; those that are dead go after {}, or make "
                            "one with more --uses",
                            tokens_.size(), FormatAge(options_.dead_token_life)));
  }
  if (tokens_.contains(id)) {
    return Fail(ErrorCode::kUnavailable, "two tokens of one id; try again");
  }
  if (!wish.replaces.empty() && !sensors_.contains(wish.replaces)) {
    return NoSensor(wish.replaces);
  }
  TokenRecord token;
  token.id = id;
  token.sha256 = sha256;
  token.group = wish.group;
  token.network = wish.network;
  token.replaces = wish.replaces;
  token.uses = token.uses_left = wish.uses;
  token.created_at = now;
  token.expires_at = now + wish.life;
  token.created_by = wish.by;
  tokens_.emplace(id, token);
  rows_.emplace_back(token);
  notes_.push_back(
      fmt::format("token {} made by {}: group {}, {} uses, until {}{}{}", id, wish.by, wish.group,
                  wish.uses, FormatRfc3339(token.expires_at),
                  wish.network ? ", for hosts in " + wish.network->ToString() : std::string(),
                  wish.replaces.empty() ? std::string() : ", in the place of " + wish.replaces));
  return token;
}

Result<TokenRecord> Registry::RevokeToken(const std::string& id, const std::string& by,
                                          WallTime now) {
  const auto it = tokens_.find(id);
  if (it == tokens_.end()) {
    return Fail(ErrorCode::kNotFound, fmt::format("no token {} (see: parallax token list)", id));
  }
  TokenRecord& token = it->second;
  if (token.revoked_at == WallTime()) {
    token.revoked_at = now;
    rows_.emplace_back(token);
    notes_.push_back(fmt::format("token {} revoked by {}", id, by));
  }
  return token;
}

Result<TrustRecord> Registry::Approve(const std::string& key_sha256, const std::string& group,
                                      const std::string& name, const std::string& by,
                                      WallTime now) {
  const auto it = pending_.find(key_sha256);
  if (it == pending_.end()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("no request with the key {} (see: parallax sensor list)",
                            FormatFingerprint(key_sha256)));
  }
  const PendingRecord request = it->second;
  Applicant applicant{key_sha256, name.empty() ? request.name : name, request.address, {}};
  if (const auto refused = JudgeName(applicant, nullptr)) {
    return Fail(ErrorCode::kFailure, refused->message);
  }
  const bool is_new = !sensors_.contains(applicant.name);
  if (is_new && sensors_.size() >= options_.most_sensors) {
    return Fail(ErrorCode::kFailure, "this collector knows as many sensors as it can");
  }
  TrustRecord& record = sensors_[applicant.name];
  record.peer = {group, applicant.name};
  record.state = TrustState::kApproved;
  record.key_sha256 = key_sha256;
  record.token.clear();
  record.pick_up_until = now + options_.pick_up_within;
  Save(record);
  Forget(request);
  notes_.push_back(fmt::format("approved by {}: {} ({}) from {}, key {}", by, applicant.name, group,
                               request.address.ToString(), FormatFingerprint(key_sha256)));
  return record;
}

Result<TrustRecord> Registry::Readmit(const SensorName& name, const std::string& by) {
  const auto it = sensors_.find(name);
  if (it == sensors_.end()) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("no sensor named {}; a request is approved by its fingerprint (see: "
                            "parallax sensor list)",
                            name));
  }
  TrustRecord& record = it->second;
  if (record.state == TrustState::kRevoked) {
    return Fail(
        ErrorCode::kFailure,
        fmt::format("{} is revoked; to let it in again, make a token (parallax token create "
                    "--group {}) and enroll it",
                    name, record.peer.group));
  }
  if (record.state == TrustState::kDrained) {
    record.state = TrustState::kApproved;
    Save(record);
    notes_.push_back(fmt::format("sensor {} is asked to probe again, by {}", name, by));
  }
  return record;
}

Result<TrustRecord> Registry::Drain(const SensorName& name, const std::string& by) {
  const auto it = sensors_.find(name);
  if (it == sensors_.end()) {
    return NoSensor(name);
  }
  TrustRecord& record = it->second;
  if (record.state == TrustState::kRevoked) {
    return Fail(ErrorCode::kFailure, fmt::format("{} is revoked: it has no link to keep", name));
  }
  if (record.state == TrustState::kApproved) {
    record.state = TrustState::kDrained;
    Save(record);
    notes_.push_back(fmt::format("sensor {} drained by {}", name, by));
  }
  return record;
}

Result<TrustRecord> Registry::Revoke(const SensorName& name, const std::string& by, WallTime now) {
  const auto it = sensors_.find(name);
  if (it == sensors_.end()) {
    return NoSensor(name);
  }
  TrustRecord& record = it->second;
  if (record.state != TrustState::kRevoked) {
    record.state = TrustState::kRevoked;
    record.refused_until = now;
    record.pick_up_until = WallTime();
    Save(record);
    ended_.emplace_back(name, "revoked");
    notes_.push_back(
        fmt::format("sensor {} revoked by {}: its certificates are refused", name, by));
  }
  return record;
}

void Registry::Age(WallTime now) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    const PendingRecord request = (it++)->second;
    if (now - request.asked_at >= options_.pending_life) {
      notes_.push_back(fmt::format("{} from {} was not approved in time, key {}", request.name,
                                   request.address.ToString(),
                                   FormatFingerprint(request.key_sha256)));
      Forget(request);
    }
  }
  for (auto it = tokens_.begin(); it != tokens_.end();) {
    const TokenRecord& token = it->second;
    const WallTime dead_at = token.revoked_at == WallTime()
                                 ? token.expires_at
                                 : std::min(token.revoked_at, token.expires_at);
    if (now - dead_at >= options_.dead_token_life) {
      rows_.emplace_back(TokenGone{token.id});
      it = tokens_.erase(it);
    } else {
      ++it;
    }
  }
}

std::vector<TrustRow> Registry::TakeRows() { return std::exchange(rows_, {}); }
std::vector<std::string> Registry::TakeNotes() { return std::exchange(notes_, {}); }
std::vector<std::pair<SensorName, std::string>> Registry::TakeEnded() {
  return std::exchange(ended_, {});
}

std::set<SensorName> Registry::Drained() const {
  std::set<SensorName> names;
  for (const auto& [name, record] : sensors_) {
    if (record.state == TrustState::kDrained) {
      names.insert(name);
    }
  }
  return names;
}

}  // namespace parallax::collector
