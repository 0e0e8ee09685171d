#include "collector/operate/ca_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "common/path_text.h"

namespace parallax::collector {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kSecret = 0600;
constexpr unsigned kPublic = 0644;

fs::path Beside(const CollectorConfig::Tls& tls, const char* ending) {
  fs::path path = tls.ca_file;
  path.replace_extension();
  return path += ending;
}

// Whether the key that waits belongs to this certificate.
bool NextKeyIsOf(const CollectorConfig::Tls& tls, const BundledCertificate& certificate) {
  const auto key = ReadSmallFile(NextCaKeyFile(tls));
  return key && IsKeyOf(certificate.pem, *key);
}

Result<CaState> Expect(const CollectorConfig::Tls& tls, CaStage stage, std::string_view otherwise) {
  auto state = ReadCaState(tls);
  if (state && state->stage != stage) {
    return Fail(ErrorCode::kFailure, std::string(otherwise));
  }
  return state;
}

Result<void> WriteBundle(const CollectorConfig::Tls& tls,
                         const std::vector<BundledCertificate>& bundle) {
  return WriteFileAtomically(tls.ca_file, JoinBundle(bundle), kPublic, true);
}

}  // namespace

std::string CaKeyFile(const CollectorConfig::Tls& tls) { return Beside(tls, ".key").string(); }

std::string NextCaKeyFile(const CollectorConfig::Tls& tls) {
  return Beside(tls, "-next.key").string();
}

Result<CaLock> CaLock::Take(const CollectorConfig::Tls& tls) {
  const std::string folder = FolderOf(tls.ca_file);
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    return tl::make_unexpected(ErrnoError(folder, errno));
  }
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) {
      return tl::make_unexpected(ErrnoError(folder, errno));
    }
  }
  return CaLock(std::move(fd));
}

Result<CaState> ReadCaState(const CollectorConfig::Tls& tls) {
  const auto pem = ReadSmallFile(tls.ca_file);
  if (!pem) {
    return tl::make_unexpected(pem.error());
  }
  auto bundle = ReadBundle(*pem);
  if (!bundle) {
    return Fail(bundle.error().code, fmt::format("{}: {}", tls.ca_file, bundle.error().message));
  }
  if (bundle->size() > 2) {
    return Fail(ErrorCode::kBadConfig,
                fmt::format("{}: holds {} CAs; one replaces another, and there is no room for more",
                            tls.ca_file, bundle->size()));
  }
  CaState state{CaStage::kSingle, std::move(*bundle)};
  if (state.bundle.size() == 2) {
    state.stage = NextKeyIsOf(tls, state.other()) ? CaStage::kAnnounced : CaStage::kReplaced;
  }
  return state;
}

Result<void> AnnounceCa(const CollectorConfig::Tls& tls, const KeyPair& next) {
  auto state = Expect(tls, CaStage::kSingle,
                      "one CA is replacing another already; see parallax-collector ca show");
  if (!state) {
    return tl::make_unexpected(state.error());
  }
  const auto added = ReadBundle(next.certificate_pem);
  if (!added) {
    return tl::make_unexpected(added.error());
  }
  state->bundle.push_back(added->front());
  // A key that waits for no certificate is one of a step that was cut off here; it never signed.
  return WriteFileAtomically(NextCaKeyFile(tls), next.key_pem, kSecret, true).and_then([&] {
    return WriteBundle(tls, state->bundle);
  });
}

Result<void> SwitchCa(const CollectorConfig::Tls& tls) {
  auto state = Expect(tls, CaStage::kAnnounced, "there is no new CA to change to");
  if (!state) {
    return tl::make_unexpected(state.error());
  }
  std::swap(state->bundle.front(), state->bundle.back());
  return WriteBundle(tls, state->bundle).and_then([&] { return FinishSwitch(tls); });
}

Result<void> FinishSwitch(const CollectorConfig::Tls& tls) {
  const std::string next = NextCaKeyFile(tls);
  if (::access(next.c_str(), F_OK) != 0) {
    return {};
  }
  const auto state = ReadCaState(tls);
  if (!state) {
    return tl::make_unexpected(state.error());
  }
  if (!NextKeyIsOf(tls, state->signing())) {
    return {};
  }
  return RenameDurably(next, CaKeyFile(tls));
}

Result<void> RetireCa(const CollectorConfig::Tls& tls) {
  auto state = Expect(tls, CaStage::kReplaced,
                      "there is no old CA to retire; see parallax-collector ca show");
  if (!state) {
    return tl::make_unexpected(state.error());
  }
  state->bundle.pop_back();
  return WriteBundle(tls, state->bundle);
}

}  // namespace parallax::collector
