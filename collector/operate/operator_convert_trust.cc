#include "collector/operate/operator_convert_trust.h"

#include <algorithm>
#include <map>

#include "collector/operate/operator_convert.h"
#include "common/fingerprint.h"

namespace parallax::collector {
namespace {

std::string Fingerprint(const std::string& digits) {
  return digits.empty() ? std::string() : FormatFingerprint(digits);
}

std::string StateOf(const TokenRecord& token, WallTime now) {
  return token.revoked_at != WallTime() ? "revoked"
         : now >= token.expires_at      ? "expired"
         : token.uses_left == 0         ? "used"
                                        : "valid";
}

void Describe(const TrustRecord& record, v1::Sensor* out) {
  const std::string trust(ToString(record.state));
  out->set_trust(trust);
  out->set_key_fingerprint(Fingerprint(record.key_sha256));
  out->set_certificate_issued_at(ToProto(record.issued_at));
  out->set_certificate_expires_at(ToProto(record.expires_at));
  const bool never_connected = out->state().empty();
  if (record.state == TrustState::kRevoked || never_connected ||
      (record.state == TrustState::kDrained && out->state() == "connected")) {
    out->set_state(trust);
  }
}

}  // namespace

void ToProto(const TokenRecord& token, WallTime now, v1::Token* out) {
  out->set_id(token.id);
  out->set_group(token.group);
  out->set_network(token.network ? token.network->ToString() : std::string());
  out->set_replaces(token.replaces);
  out->set_uses(token.uses);
  out->set_uses_left(token.uses_left);
  out->set_created_at(ToProto(token.created_at));
  out->set_expires_at(ToProto(token.expires_at));
  out->set_revoked_at(ToProto(token.revoked_at));
  out->set_created_by(token.created_by);
  out->set_state(StateOf(token, now));
}

void ToProto(const TrustRecord& record, v1::SensorTrust* out) {
  out->set_name(record.peer.name);
  out->set_group(record.peer.group);
  out->set_trust(std::string(ToString(record.state)));
  out->set_key_fingerprint(Fingerprint(record.key_sha256));
}

void AddTrust(const SavedTrust& trust, const std::string& only, v1::SensorList* list) {
  std::map<std::string, v1::Sensor*> by_name;
  for (v1::Sensor& sensor : *list->mutable_items()) {
    by_name.emplace(sensor.name(), &sensor);
  }
  for (const TrustRecord& record : trust.sensors) {
    const auto known = by_name.find(record.peer.name);
    if (known != by_name.end()) {
      Describe(record, known->second);
    } else if (only.empty() || only == record.peer.name) {
      v1::Sensor* added = list->add_items();
      added->set_id(record.peer.name);
      added->set_name(record.peer.name);
      added->set_group(record.peer.group);
      Describe(record, added);
    }
  }
  for (const PendingRecord& pending : trust.pending) {
    const std::string fingerprint = FormatFingerprint(pending.key_sha256);
    if (only.empty() || only == pending.name || only == fingerprint) {
      v1::Sensor* added = list->add_items();
      added->set_id(fingerprint);
      added->set_name(pending.name);
      added->set_state("pending");
      added->set_trust("pending");
      added->set_address(pending.address.ToString());
      added->set_first_seen_at(ToProto(pending.asked_at));
      added->set_last_seen_at(ToProto(pending.asked_at));
      added->set_key_fingerprint(fingerprint);
    }
  }
  std::stable_sort(list->mutable_items()->begin(), list->mutable_items()->end(),
                   [](const v1::Sensor& a, const v1::Sensor& b) { return a.name() < b.name(); });
}

}  // namespace parallax::collector
