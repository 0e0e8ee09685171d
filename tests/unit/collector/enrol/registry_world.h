// A registry with short words for what happens to it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "collector/enrol/registry.h"

namespace parallax::collector {

inline const WallTime kStart = *ParseRfc3339("2026-11-23T13:30:18.5Z");

// 64 digits that begin with `word`'s letters as hex: keys and digests.
inline std::string Digest(const std::string& word) {
  std::string digits;
  for (const char c : word) {
    digits += "0123456789abcdef"[(c >> 4) & 0xf];
    digits += "0123456789abcdef"[c & 0xf];
  }
  digits.resize(64, '0');
  return digits;
}

class RegistryWorld : public testing::Test {
 protected:
  Judgement Ask(const std::string& name, const std::string& key, const std::string& token = "",
                const std::string& from = "192.0.2.7") {
    return registry_.Enrol(
        {Digest(key), name, *IpAddress::Parse(from), token.empty() ? std::string() : Digest(token)},
        now_);
  }
  static Grant Granted(const Judgement& judgement) {
    const auto* grant = std::get_if<Grant>(&judgement);
    const auto* refused = std::get_if<EnrolRefused>(&judgement);
    EXPECT_NE(grant, nullptr) << (refused != nullptr ? refused->message : "pending");
    return grant != nullptr ? *grant : Grant{};
  }
  static Refusal Refused(const Judgement& judgement) {
    const auto* refused = std::get_if<EnrolRefused>(&judgement);
    EXPECT_NE(refused, nullptr);
    return refused != nullptr ? refused->why : Refusal::kTimeout;
  }
  static bool Pending(const Judgement& judgement) {
    return std::holds_alternative<EnrolPending>(judgement);
  }
  void MakeToken(const std::string& secret, TokenWish wish = {}) {
    wish.group = wish.group.empty() ? "mail" : wish.group;
    wish.by = "tester";
    const auto made = registry_.CreateToken(wish, "id-" + secret, Digest(secret), now_);
    ASSERT_TRUE(made) << made.error().message;
  }
  Result<void> Speak(const std::string& name, const std::string& key, WallTime issued_at,
                     const std::string& group = "mail") {
    return registry_.MaySpeak(
        {{group, name}, Digest(key), issued_at, issued_at + std::chrono::hours(720)});
  }
  // What a collector that starts again knows: the rows that were stored, and nothing else.
  void Restart() {
    for (const TrustRow& row : registry_.TakeRows()) {
      Store(row);
    }
    SavedTrust saved;
    for (const auto& [id, token] : tokens_) {
      saved.tokens.push_back(token);
    }
    for (const auto& [name, sensor] : sensors_) {
      saved.sensors.push_back(sensor);
    }
    for (const auto& [key, pending] : pending_) {
      saved.pending.push_back(pending);
    }
    std::destroy_at(&registry_);
    std::construct_at(&registry_, options_, saved);
  }

  const RegistryOptions options_;
  Registry registry_{options_, {}};
  WallTime now_ = kStart;

 private:
  void Store(const TrustRow& row) {
    if (const auto* token = std::get_if<TokenRecord>(&row)) {
      tokens_[token->id] = *token;
    } else if (const auto* gone = std::get_if<TokenGone>(&row)) {
      tokens_.erase(gone->id);
    } else if (const auto* sensor = std::get_if<TrustRecord>(&row)) {
      sensors_[sensor->peer.name] = *sensor;
    } else if (const auto* pending = std::get_if<PendingRecord>(&row)) {
      pending_[pending->key_sha256] = *pending;
    } else {
      pending_.erase(std::get<PendingGone>(row).key_sha256);
    }
  }
  std::map<std::string, TokenRecord> tokens_;
  std::map<std::string, TrustRecord> sensors_;
  std::map<std::string, PendingRecord> pending_;
};

}  // namespace parallax::collector
