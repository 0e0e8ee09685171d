// The identity that a daemon shows to those who connect from now on: whoever renews it puts it
// here, whoever opens a port or a connection takes it from here. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "common/tls.h"

namespace parallax {

class IdentityHolder {
 public:
  explicit IdentityHolder(TlsIdentity first)
      : identity_(std::make_shared<const TlsIdentity>(std::move(first))) {}
  IdentityHolder(const IdentityHolder&) = delete;
  IdentityHolder& operator=(const IdentityHolder&) = delete;

  struct Held {
    std::shared_ptr<const TlsIdentity> identity;
    uint64_t version = 0;  // 1, and one more with each Set
  };
  Held Get() const {
    const std::lock_guard lock(mutex_);
    return {identity_, version_};
  }
  uint64_t version() const {
    const std::lock_guard lock(mutex_);
    return version_;
  }
  // REQUIRES: it holds (CheckTlsIdentity).
  void Set(TlsIdentity identity) {
    auto next = std::make_shared<const TlsIdentity>(std::move(identity));
    const std::lock_guard lock(mutex_);
    identity_ = std::move(next);
    ++version_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TlsIdentity> identity_;
  uint64_t version_ = 1;
};

}  // namespace parallax
