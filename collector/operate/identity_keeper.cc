#include "collector/operate/identity_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "collector/operate/authority.h"
#include "collector/operate/authority_files.h"
#include "collector/operate/ca_folder.h"
#include "common/certificate_bundle.h"
#include "common/certificate_life.h"
#include "common/fd.h"
#include "common/identity_files.h"
#include "common/log.h"

namespace parallax::collector {
namespace {

IdentityPaths PathsOf(const CollectorConfig::Tls& tls) {
  return {tls.ca_file, tls.certificate_file, tls.key_file};
}

// Tells the plan what is held, as if it had been made for the life that is configured now.
void Hold(RenewalPlan& plan, const std::string& certificate_pem, Duration life) {
  if (const auto info = DescribeCertificate(certificate_pem)) {
    const WallTime issued_at = IssuedAt(info->not_before, info->not_after);
    plan.Hold(issued_at, std::min(info->not_after, issued_at + life));
  }
}

}  // namespace

Result<TlsIdentity> LoadCollectorIdentity(const CollectorConfig& config, WallTime now) {
  const auto& tls = config.tls;
  const auto lock = CaLock::Take(tls);
  if (!lock) {
    return tl::make_unexpected(lock.error());
  }
  return FinishSwitch(tls).and_then([&] { return FinishInstall(PathsOf(tls)); }).and_then([&] {
    return LoadTlsIdentity(tls.ca_file, tls.certificate_file, tls.key_file, now);
  });
}

Result<void> RenewCollectorIdentity(const CollectorConfig& config, WallTime now) {
  const auto lock = CaLock::Take(config.tls);
  if (!lock) {
    return tl::make_unexpected(lock.error());
  }
  if (auto whole = FinishSwitch(config.tls); !whole) {
    return whole;
  }
  const auto authority = ReadAuthority(config);
  if (!authority) {
    return tl::make_unexpected(authority.error());
  }
  const auto own = ReadSmallFile(config.tls.certificate_file).and_then([](const std::string& pem) {
    return DescribeCertificate(pem);
  });
  if (!own) {
    return tl::make_unexpected(own.error());
  }
  auto next = IssueCollector(*authority, HostsOf(*own), config.tls.collector_certificate_life, now);
  if (!next) {
    return tl::make_unexpected(next.error());
  }
  return InstallIdentity(
      PathsOf(config.tls),
      {authority->certificate_pem, std::move(next->certificate_pem), std::move(next->key_pem)});
}

IdentityKeeper::IdentityKeeper(const CollectorConfig& config,
                               std::shared_ptr<IdentityHolder> holder, uint64_t seed)
    : config_(config), holder_(std::move(holder)), plan_(seed) {
  const auto held = holder_->Get().identity;
  Hold(plan_, held->certificate_pem, config_.tls.collector_certificate_life);
  if (OfAnotherCa(*held)) {
    plan_.Hurry(WallTime());  // at once
  }
}

bool IdentityKeeper::Step(WallTime now) {
  auto found = LoadCollectorIdentity(config_, now);
  if (!found) {
    Complain(fmt::format("{}; the collector goes on with the identity that it has",
                         found.error().message));
    return false;
  }
  bool changed = Take(std::move(*found));
  if (!plan_.Due(now)) {
    return changed;
  }
  auto renewed = RenewCollectorIdentity(config_, now).and_then([&] {
    return LoadCollectorIdentity(config_, now);
  });
  if (!renewed) {
    plan_.NoteFailure(now);
    Complain(fmt::format("cannot renew {}: {}; next attempt at {}", config_.tls.certificate_file,
                         renewed.error().message,
                         FormatRfc3339(std::chrono::floor<std::chrono::seconds>(plan_.next()))));
    return changed;
  }
  complaint_.clear();
  return Take(std::move(*renewed)) || changed;
}

bool IdentityKeeper::Take(TlsIdentity identity) {
  if (identity == *holder_->Get().identity) {
    return false;
  }
  Hold(plan_, identity.certificate_pem, config_.tls.collector_certificate_life);
  if (OfAnotherCa(identity)) {
    plan_.Hurry(WallTime());  // at once
  }
  const auto info = DescribeCertificate(identity.certificate_pem);
  LogInfo("new identity: {}, valid until {}", config_.tls.certificate_file,
          info ? FormatRfc3339(info->not_after) : "?");
  holder_->Set(std::move(identity));
  return true;
}

bool IdentityKeeper::OfAnotherCa(const TlsIdentity& identity) const {
  return !IsOfSigner(identity.ca_pem, identity.certificate_pem);
}

void IdentityKeeper::Complain(const std::string& what) {
  if (what != complaint_) {
    complaint_ = what;
    LogWarning("{}", what);
  }
}

}  // namespace parallax::collector
