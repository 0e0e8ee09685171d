// Decides who may report to this collector: join tokens, requests that wait for an approval, and
// the sensors that are known, each a name bound to a key. Pure: requests and the time come in,
// answers, rows to store and lines for the log come out. What an answer rests on must be on disk
// before the answer leaves (TrustDesk sees to it).
//
//              token, approval, first connection               drain
//   (unknown) -----------------------------------> approved <-----------> drained
//                                                   ^     |     approve      |
//        new enrolment, or a certificate made later |     | revoke           | revoke
//                                                   revoked <----------------+
//
// Revoking and replacing refuse all certificates that were issued up to that second: a certificate
// cannot be taken back, but its age is in it. A token that is older than a revocation does not undo
// it. Names are not checked here: REQUIRES IsValidName of each.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "collector/detect/model.h"
#include "collector/enrol/records.h"
#include "common/enrolment.h"
#include "common/result.h"

namespace parallax::collector {

struct RegistryOptions {
  Duration certificate_life = std::chrono::hours(30 * 24);
  size_t most_sensors = 10'000;
  size_t most_tokens = 1'000;
  size_t most_pending = 256;
  size_t most_pending_per_address = 8;  // or /64
  Duration pending_life = std::chrono::hours(24);
  Duration pick_up_within = std::chrono::hours(24);       // of an approval
  Duration dead_token_life = std::chrono::hours(7 * 24);  // stays in lists for so long
};

// Who asks to be let in.
struct Applicant {
  std::string key_sha256;
  std::string name;
  IpAddress address;
  std::string token_sha256;  // empty: it has no token
};

// A certificate may be made, as of `issue_at`, for `peer` over the applicant's key.
struct Grant {
  PeerName peer;
  WallTime issue_at;
};
using Judgement = std::variant<Grant, EnrolPending, EnrolRefused>;

struct TokenWish {
  std::string group = {};
  uint32_t uses = 1;
  Duration life = std::chrono::hours(1);
  std::optional<Prefix> network = {};
  std::string replaces = {};
  std::string by = {};  // who makes it, for people
};

// What a certificate says, seen in a handshake.
struct ShownCertificate {
  PeerName peer;
  std::string key_sha256;
  WallTime issued_at;
  WallTime expires_at;
};

class Registry {
 public:
  Registry(RegistryOptions options, SavedTrust saved);

  Judgement Enrol(const Applicant& applicant, WallTime now);

  // `id` and `sha256` are new and random.
  Result<TokenRecord> CreateToken(const TokenWish& wish, const std::string& id,
                                  const std::string& sha256, WallTime now);
  Result<TokenRecord> RevokeToken(const std::string& id, const std::string& by, WallTime now);

  // `key_sha256` of a request; `name` empty: the one that it asks for.
  Result<TrustRecord> Approve(const std::string& key_sha256, const std::string& group,
                              const std::string& name, const std::string& by, WallTime now);
  // Undoes Drain.
  Result<TrustRecord> Readmit(const SensorName& name, const std::string& by);
  Result<TrustRecord> Drain(const SensorName& name, const std::string& by);
  Result<TrustRecord> Revoke(const SensorName& name, const std::string& by, WallTime now);

  // May a sensor with this certificate speak? kDenied, with words for its log, if not. One that is
  // not known yet is from now on: its certificate is our CA's word.
  Result<void> MaySpeak(const ShownCertificate& certificate);
  // May it have a certificate over another key in place of this one? Then that is its key.
  Result<Grant> Renew(const ShownCertificate& certificate, const std::string& new_key_sha256,
                      WallTime now);

  // Forgets what is too old. To be called every second or so.
  void Age(WallTime now);

  // Since the last call: what to store, what to log, whose streams to end and why.
  std::vector<TrustRow> TakeRows();
  std::vector<std::string> TakeNotes();
  std::vector<std::pair<SensorName, std::string>> TakeEnded();

  std::set<SensorName> Drained() const;
  const std::map<SensorName, TrustRecord>& sensors() const { return sensors_; }
  const std::map<std::string, TokenRecord>& tokens() const { return tokens_; }
  const std::map<std::string, PendingRecord>& pending() const { return pending_; }

 private:
  Judgement EnrolWithToken(const Applicant& applicant, WallTime now);
  Judgement EnrolWithout(const Applicant& applicant, WallTime now);
  Judgement Wait(const Applicant& applicant, WallTime now);
  TokenRecord* FindToken(const std::string& sha256);
  // nullopt: the token holds, for now and for this applicant.
  std::optional<EnrolRefused> Judge(const TokenRecord& token, const Applicant& applicant,
                                    WallTime now) const;
  // nullopt: the key may take the name.
  std::optional<EnrolRefused> JudgeName(const Applicant& applicant, const TokenRecord* token) const;
  Grant GrantTo(TrustRecord& record, const std::string& key_sha256, WallTime now);
  const TrustRecord* FindKey(const std::string& key_sha256) const;
  void Save(const TrustRecord& record) { rows_.emplace_back(record); }
  void Forget(const PendingRecord& pending);

  const RegistryOptions options_;
  std::map<SensorName, TrustRecord> sensors_;
  std::map<std::string, TokenRecord> tokens_;     // by id
  std::map<std::string, PendingRecord> pending_;  // by key
  std::vector<TrustRow> rows_;
  std::vector<std::string> notes_;
  std::vector<std::pair<SensorName, std::string>> ended_;
};

}  // namespace parallax::collector
