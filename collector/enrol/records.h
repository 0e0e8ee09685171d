// Who may report to this collector, as it is stored: join tokens, sensors that are known, sensors
// that wait for an approval. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/ip.h"
#include "common/peer_name.h"
#include "common/time.h"

namespace parallax::collector {

// Times that never came are WallTime().
struct TokenRecord {
  std::string id;      // public
  std::string sha256;  // of the token, 64 hex digits; the token itself is kept nowhere
  std::string group;
  std::optional<Prefix> network;  // where it may be used from; none: from anywhere
  std::string replaces;  // the one name it is for, which may be in use; empty: any free one
  uint32_t uses = 1;
  uint32_t uses_left = 1;
  WallTime created_at;
  WallTime expires_at;
  WallTime revoked_at;
  std::string created_by;
  bool operator==(const TokenRecord&) const = default;
};

enum class TrustState : uint8_t {
  kApproved,
  kDrained,  // keeps its link, is not asked to probe
  kRevoked,
};
std::string_view ToString(TrustState state);
TrustState ParseTrustState(std::string_view text);  // what is unknown is revoked

struct TrustRecord {
  PeerName peer;
  TrustState state = TrustState::kApproved;
  std::string key_sha256;  // of its key's SubjectPublicKeyInfo; empty: not known yet
  WallTime issued_at;      // its latest certificate; WallTime(): none known
  WallTime expires_at;
  WallTime refused_until;  // certificates issued up to then are refused
  WallTime pick_up_until;  // until then its key gets the certificate that an operator approved
  std::string token;       // the id of the token that let it in; empty: none did
  bool operator==(const TrustRecord&) const = default;
};

struct PendingRecord {
  std::string key_sha256;
  std::string name;  // that it asks for
  IpAddress address;
  WallTime asked_at;  // first
  bool operator==(const PendingRecord&) const = default;
};

struct TokenGone {
  std::string id;
};
struct PendingGone {
  std::string key_sha256;
};
using TrustRow = std::variant<TokenRecord, TokenGone, TrustRecord, PendingRecord, PendingGone>;

// Stored together or not at all. Tickets grow; who waits for one is told when it is on disk.
struct TrustChange {
  uint64_t ticket = 0;
  std::vector<TrustRow> rows;
};

struct SavedTrust {
  std::vector<TokenRecord> tokens;     // by id
  std::vector<TrustRecord> sensors;    // by name
  std::vector<PendingRecord> pending;  // oldest first
  bool operator==(const SavedTrust&) const = default;
};

}  // namespace parallax::collector
