#include "collector/enrol/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/fingerprint.h"

namespace parallax::collector {
namespace {

constexpr std::chrono::seconds kAskAgain{2};

// Certificates know whole seconds.
WallTime WholeSecond(WallTime t) { return std::chrono::floor<std::chrono::seconds>(t); }

// As long whatever the digits are: how far a guess is right must not show in the time it takes.
bool SameDigest(const std::string& a, const std::string& b) {
  unsigned differ = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    differ |= static_cast<unsigned>(static_cast<unsigned char>(a[i])) ^
              static_cast<unsigned>(static_cast<unsigned char>(b[i]));
  }
  return differ == 0;
}

EnrolRefused Refuse(Refusal why, std::string message) { return {why, std::move(message)}; }

// Those that one person is likely to hold together.
Prefix Neighbourhood(const IpAddress& address) { return {address, address.is_v4() ? 32u : 64u}; }

}  // namespace

std::string_view ToString(TrustState state) {
  switch (state) {
    case TrustState::kApproved:
      return "approved";
    case TrustState::kDrained:
      return "drained";
    case TrustState::kRevoked:
      break;
  }
  return "revoked";
}

TrustState ParseTrustState(std::string_view text) {
  for (const TrustState state : {TrustState::kApproved, TrustState::kDrained}) {
    if (ToString(state) == text) {
      return state;
    }
  }
  return TrustState::kRevoked;
}

Registry::Registry(RegistryOptions options, SavedTrust saved) : options_(options) {
  for (TokenRecord& token : saved.tokens) {
    tokens_.emplace(token.id, std::move(token));
  }
  for (TrustRecord& sensor : saved.sensors) {
    sensors_.emplace(sensor.peer.name, std::move(sensor));
  }
  for (PendingRecord& pending : saved.pending) {
    pending_.emplace(pending.key_sha256, std::move(pending));
  }
}

Judgement Registry::Enrol(const Applicant& applicant, WallTime now) {
  Judgement judgement = applicant.token_sha256.empty() ? EnrolWithout(applicant, now)
                                                       : EnrolWithToken(applicant, now);
  if (const auto* refused = std::get_if<EnrolRefused>(&judgement)) {
    notes_.push_back(fmt::format("enrolment refused: {} from {}, key {}: {}", applicant.name,
                                 applicant.address.ToString(),
                                 FormatFingerprint(applicant.key_sha256), refused->message));
  }
  return judgement;
}

Judgement Registry::EnrolWithToken(const Applicant& applicant, WallTime now) {
  TokenRecord* token = FindToken(applicant.token_sha256);
  if (token == nullptr) {
    return Refuse(Refusal::kUnknownToken,
                  "no such token; make one with: parallax token create --group GROUP");
  }
  if (auto refused = Judge(*token, applicant, now)) {
    return *std::move(refused);
  }
  // Its answer got lost: the same again, and no further use.
  const auto known = sensors_.find(applicant.name);
  const bool again = known != sensors_.end() && known->second.state != TrustState::kRevoked &&
                     known->second.key_sha256 == applicant.key_sha256 &&
                     known->second.token == token->id;
  if (!again && token->uses_left == 0) {
    return Refuse(Refusal::kUsedToken,
                  fmt::format("the token {} is used up; make another one with: parallax token "
                              "create --group {}",
                              token->id, token->group));
  }
  if (auto refused = JudgeName(applicant, token)) {
    return *std::move(refused);
  }
  if (known == sensors_.end() && sensors_.size() >= options_.most_sensors) {
    return Refuse(Refusal::kUnavailable, "this collector knows as many sensors as it can");
  }
  TrustRecord& record = sensors_[applicant.name];
  if (!again) {
    --token->uses_left;
    rows_.emplace_back(*token);
    if (!record.peer.name.empty() && record.key_sha256 != applicant.key_sha256 &&
        record.state != TrustState::kRevoked) {
      record.refused_until = now;
      ended_.emplace_back(applicant.name, "replaced by another host, which enrolled in its place");
    }
    if (record.state == TrustState::kRevoked) {
      record.state = TrustState::kApproved;
    }
    record.peer = {token->group, applicant.name};
    record.token = token->id;
    record.pick_up_until = WallTime();
  }
  const Grant grant = GrantTo(record, applicant.key_sha256, now);
  notes_.push_back(fmt::format(
      "enrolled: sensor {} ({}) from {}, key {}, by token {}{}", record.peer.name,
      record.peer.group, applicant.address.ToString(), FormatFingerprint(record.key_sha256),
      token->id,
      again ? ", once more" : fmt::format(" ({} of {} uses left)", token->uses_left, token->uses)));
  return grant;
}

Judgement Registry::EnrolWithout(const Applicant& applicant, WallTime now) {
  if (const TrustRecord* known = FindKey(applicant.key_sha256)) {
    if (known->state == TrustState::kRevoked) {
      return Refuse(
          Refusal::kRevoked,
          fmt::format("this key was that of {}, which is revoked; remove the key file and "
                      "enroll again",
                      known->peer.name));
    }
    if (now <= known->pick_up_until) {
      TrustRecord& record = sensors_[known->peer.name];
      const Grant grant = GrantTo(record, applicant.key_sha256, now);
      notes_.push_back(fmt::format(
          "enrolled: sensor {} ({}) from {}, key {}, as approved", record.peer.name,
          record.peer.group, applicant.address.ToString(), FormatFingerprint(record.key_sha256)));
      return grant;
    }
  }
  return Wait(applicant, now);
}

Judgement Registry::Wait(const Applicant& applicant, WallTime now) {
  if (auto refused = JudgeName(applicant, nullptr)) {
    return *std::move(refused);
  }
  const EnrolPending answer{applicant.key_sha256, kAskAgain};
  if (const auto it = pending_.find(applicant.key_sha256); it != pending_.end()) {
    if (it->second.name != applicant.name) {
      it->second.name = applicant.name;
      rows_.emplace_back(it->second);
    }
    return answer;
  }
  const Prefix from = Neighbourhood(applicant.address);
  const auto beside = std::count_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
    return from.Contains(entry.second.address);
  });
  if (pending_.size() >= options_.most_pending ||
      static_cast<size_t>(beside) >= options_.most_pending_per_address) {
    return Refuse(Refusal::kTooMany,
                  "too many sensors wait for an approval already; approve some (parallax sensor "
                  "list), use a token, or try again later");
  }
  const PendingRecord& added =
      pending_
          .emplace(applicant.key_sha256,
                   PendingRecord{applicant.key_sha256, applicant.name, applicant.address, now})
          .first->second;
  rows_.emplace_back(added);
  notes_.push_back(
      fmt::format("{} asks from {} to be approved: parallax sensor approve {} --group "
                  "GROUP",
                  added.name, added.address.ToString(), FormatFingerprint(added.key_sha256)));
  return answer;
}

TokenRecord* Registry::FindToken(const std::string& sha256) {
  TokenRecord* found = nullptr;
  for (auto& [id, token] : tokens_) {
    if (SameDigest(token.sha256, sha256)) {
      found = &token;
    }
  }
  return found;
}

std::optional<EnrolRefused> Registry::Judge(const TokenRecord& token, const Applicant& applicant,
                                            WallTime now) const {
  if (token.revoked_at != WallTime()) {
    return Refuse(Refusal::kRevokedToken, fmt::format("the token {} was revoked", token.id));
  }
  if (now >= token.expires_at) {
    return Refuse(Refusal::kExpiredToken,
                  fmt::format("the token {} expired at {}; make another one with: parallax token "
                              "create --group {}",
                              token.id, FormatRfc3339(WholeSecond(token.expires_at)), token.group));
  }
  if (token.network && !token.network->Contains(applicant.address)) {
    return Refuse(Refusal::kWrongNetwork,
                  fmt::format("the token {} is for hosts in {}, and this one comes from {}",
                              token.id, token.network->ToString(), applicant.address.ToString()));
  }
  if (!token.replaces.empty() && token.replaces != applicant.name) {
    return Refuse(Refusal::kWrongName,
                  fmt::format("the token {} is for {} alone", token.id, token.replaces));
  }
  return std::nullopt;
}

std::optional<EnrolRefused> Registry::JudgeName(const Applicant& applicant,
                                                const TokenRecord* token) const {
  const std::string& name = applicant.name;
  const TrustRecord* own = FindKey(applicant.key_sha256);
  if (own != nullptr && own->state != TrustState::kRevoked && own->peer.name != name) {
    return Refuse(Refusal::kNameTaken, fmt::format("this key is enrolled already, as {}; enroll "
                                                   "with --name {}, or remove the key file first",
                                                   own->peer.name, own->peer.name));
  }
  const auto known = sensors_.find(name);
  if (known == sensors_.end()) {
    return std::nullopt;
  }
  const TrustRecord& record = known->second;
  if (record.state == TrustState::kRevoked) {
    if (token != nullptr && token->created_at <= record.refused_until) {
      return Refuse(Refusal::kRevoked,
                    fmt::format("{} was revoked after the token {} was made; make another one "
                                "with: parallax token create --group {}",
                                name, token->id, token->group));
    }
    return std::nullopt;
  }
  const bool replaces = token != nullptr && token->replaces == name;
  if (record.key_sha256 == applicant.key_sha256 || replaces) {
    return std::nullopt;
  }
  return Refuse(Refusal::kNameTaken,
                fmt::format("the name {} is taken by another host; choose another one with --name, "
                            "or, if this host takes its place: parallax token create --group {} "
                            "--replace {}",
                            name, record.peer.group, name));
}

Grant Registry::GrantTo(TrustRecord& record, const std::string& key_sha256, WallTime now) {
  // Later than what is refused, by a second at least, which is what certificates can tell apart.
  WallTime issue_at = WholeSecond(now);
  if (record.refused_until != WallTime()) {
    issue_at = std::max(issue_at, WholeSecond(record.refused_until) + std::chrono::seconds(1));
  }
  record.key_sha256 = key_sha256;
  record.issued_at = issue_at;
  record.expires_at = issue_at + options_.certificate_life;
  Save(record);
  if (const auto it = pending_.find(key_sha256); it != pending_.end()) {
    Forget(it->second);
  }
  return {record.peer, issue_at};
}

const TrustRecord* Registry::FindKey(const std::string& key_sha256) const {
  const TrustRecord* found = nullptr;
  for (const auto& [name, record] : sensors_) {
    // A key that served a name which is revoked may serve another one.
    if (record.key_sha256 == key_sha256 &&
        (found == nullptr || found->state == TrustState::kRevoked)) {
      found = &record;
    }
  }
  return found;
}

void Registry::Forget(const PendingRecord& pending) {
  const std::string key = pending.key_sha256;
  rows_.emplace_back(PendingGone{key});
  pending_.erase(key);
}

Result<void> Registry::MaySpeak(const ShownCertificate& certificate) {
  const PeerName& peer = certificate.peer;
  const auto known = sensors_.find(peer.name);
  if (known == sensors_.end()) {
    if (sensors_.size() >= options_.most_sensors) {
      return Fail(ErrorCode::kUnavailable, "this collector knows as many sensors as it can");
    }
    TrustRecord record;
    record.peer = peer;
    record.key_sha256 = certificate.key_sha256;
    record.issued_at = certificate.issued_at;
    record.expires_at = certificate.expires_at;
    sensors_.emplace(peer.name, record);
    Save(record);
    notes_.push_back(fmt::format("registered: sensor {} ({}), key {}, by its certificate",
                                 peer.name, peer.group, FormatFingerprint(record.key_sha256)));
    return {};
  }
  TrustRecord& record = known->second;
  if (record.refused_until != WallTime() &&
      WholeSecond(certificate.issued_at) <= WholeSecond(record.refused_until)) {
    const bool revoked = record.state == TrustState::kRevoked;
    return Fail(ErrorCode::kDenied,
                fmt::format("this sensor ({}) was {} at {}; {}", peer.name,
                            revoked ? "revoked" : "revoked or replaced by another host",
                            FormatRfc3339(WholeSecond(record.refused_until)),
                            "to let it in again, make a token on the collector's host (parallax "
                            "token create) and enroll it"));
  }
  if (certificate.issued_at > record.issued_at) {  // made by hand, or renewed
    if (record.state == TrustState::kRevoked) {
      record.state = TrustState::kApproved;
    }
    notes_.push_back(fmt::format("registered: sensor {} ({}), key {}, by its newer certificate",
                                 peer.name, peer.group, FormatFingerprint(certificate.key_sha256)));
    record.peer = peer;
    record.key_sha256 = certificate.key_sha256;
    record.issued_at = certificate.issued_at;
    record.expires_at = certificate.expires_at;
    Save(record);
  } else if (record.state == TrustState::kRevoked) {
    return Fail(ErrorCode::kDenied, fmt::format("this sensor ({}) is revoked", peer.name));
  }
  return {};
}

Result<Grant> Registry::Renew(const ShownCertificate& certificate,
                              const std::string& new_key_sha256, WallTime now) {
  if (auto may = MaySpeak(certificate); !may) {
    return tl::make_unexpected(may.error());
  }
  const TrustRecord* other = FindKey(new_key_sha256);
  if (other != nullptr && other->peer.name != certificate.peer.name) {
    return Fail(ErrorCode::kDenied, "that key belongs to another sensor");
  }
  return GrantTo(sensors_[certificate.peer.name], new_key_sha256, now);
}

}  // namespace parallax::collector
