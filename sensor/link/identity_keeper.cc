#include "sensor/link/identity_keeper.h"

#include <fmt/format.h>

#include <utility>

#include "common/certificate_bundle.h"
#include "common/certificate_life.h"
#include "common/key_request.h"
#include "common/log.h"
#include "common/pause.h"
#include "common/tls.h"

namespace parallax::sensor {

IdentityKeeper::IdentityKeeper(IdentityPaths paths, std::shared_ptr<IdentityHolder> holder,
                               AskForCertificate ask, uint64_t seed)
    : paths_(std::move(paths)), holder_(std::move(holder)), ask_(std::move(ask)), plan_(seed) {
  Plan(*holder_->Get().identity, Now().wall);
}

void IdentityKeeper::Trust(const std::string& ca_pem) {
  const std::lock_guard lock(mutex_);
  pending_ = ca_pem;
}

void IdentityKeeper::Run(const std::stop_token& stop) {
  constexpr Duration kEvery = std::chrono::seconds(1);
  do {
    Step(Now().wall, stop);
  } while (Pause(stop, kEvery));
}

void IdentityKeeper::Step(WallTime now, const std::stop_token& stop) {
  AdoptPending(now);
  if (plan_.Due(now)) {
    Renew(now, stop);
  }
}

void IdentityKeeper::Plan(const TlsIdentity& identity, WallTime now) {
  if (const auto own = DescribeCertificate(identity.certificate_pem)) {
    plan_.Hold(IssuedAt(own->not_before, own->not_after), own->not_after);
  }
  if (!IsOfSigner(identity.ca_pem, identity.certificate_pem)) {
    plan_.Hurry(now);  // its CA is on the way out
  }
}

void IdentityKeeper::AdoptPending(WallTime now) {
  std::optional<std::string> pending;
  {
    const std::lock_guard lock(mutex_);
    pending.swap(pending_);
  }
  const auto held = holder_->Get().identity;
  if (!pending || *pending == held->ca_pem) {
    return;
  }
  TlsIdentity next = *held;
  next.ca_pem = std::move(*pending);
  // Our own certificate has to be one of theirs, or we would not get in again.
  if (const auto done = Install(std::move(next), now); !done) {
    LogWarning("the CAs that the collector names are not taken over: {}", done.error().message);
    return;
  }
  LogInfo("{}: the collector's CAs are others now", paths_.ca_file);
}

void IdentityKeeper::Renew(WallTime now, const std::stop_token& stop) {
  const auto held = holder_->Get().identity;
  const auto renewed = MakeKeyAndRequest().and_then([&](const KeyAndRequest& key) {
    return ask_(*held, key.request_pem, stop)
        .and_then([&](RenewedCertificate answer) -> Result<void> {
          return Install({std::move(answer.ca_pem), std::move(answer.certificate_pem), key.key_pem},
                         now);
        });
  });
  if (renewed) {
    complaint_.clear();
    const auto own = DescribeCertificate(holder_->Get().identity->certificate_pem);
    LogInfo("{}: renewed, valid until {}", paths_.certificate_file,
            own ? FormatRfc3339(own->not_after) : "?");
    return;
  }
  if (stop.stop_requested()) {
    return;
  }
  plan_.NoteFailure(now);
  const std::string complaint =
      fmt::format("{}: {} not renewed: {}", paths_.certificate_file,
                  plan_.Expired(now) ? "it has expired, and is" : "is", renewed.error().message);
  if (complaint != complaint_) {
    complaint_ = complaint;
    LogWarning("{}; trying again", complaint);
  }
}

Result<void> IdentityKeeper::Install(TlsIdentity identity, WallTime now) {
  return CheckTlsIdentity(identity, paths_.ca_file, paths_.certificate_file, paths_.key_file, now)
      .and_then([&] { return InstallIdentity(paths_, identity); })
      .map([&] {
        Plan(identity, now);
        holder_->Set(std::move(identity));
      });
}

}  // namespace parallax::sensor
