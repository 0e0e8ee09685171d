#include "common/identity_files.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <string_view>

#include "common/fd.h"

namespace parallax {
namespace {

constexpr unsigned kSecret = 0600;
constexpr unsigned kPublic = 0644;
// Between the parts; PEM knows no such line.
constexpr std::string_view kMark = "# parallax: next part\n";

std::string Join(const TlsIdentity& identity) {
  return fmt::format("{}{}{}{}{}", identity.key_pem, kMark, identity.certificate_pem, kMark,
                     identity.ca_pem);
}

std::optional<TlsIdentity> Split(std::string_view text) {
  const size_t first = text.find(kMark);
  const size_t second = first == text.npos ? text.npos : text.find(kMark, first + kMark.size());
  if (second == text.npos) {
    return std::nullopt;
  }
  TlsIdentity identity;
  identity.key_pem = text.substr(0, first);
  identity.certificate_pem = text.substr(first + kMark.size(), second - first - kMark.size());
  identity.ca_pem = text.substr(second + kMark.size());
  return identity;
}

Result<void> PutInPlace(const IdentityPaths& paths, const TlsIdentity& identity) {
  return WriteFileAtomically(paths.ca_file, identity.ca_pem, kPublic, true)
      .and_then([&] {
        return WriteFileAtomically(paths.certificate_file, identity.certificate_pem, kPublic, true);
      })
      .and_then(
          [&] { return WriteFileAtomically(paths.key_file, identity.key_pem, kSecret, true); })
      .and_then([&]() -> Result<void> {
        const std::string journal = JournalOf(paths);
        if (::unlink(journal.c_str()) != 0 && errno != ENOENT) {
          return tl::make_unexpected(ErrnoError(journal, errno));
        }
        return {};
      });
}

}  // namespace

std::string JournalOf(const IdentityPaths& paths) { return paths.key_file + ".next"; }

Result<void> InstallIdentity(const IdentityPaths& paths, const TlsIdentity& identity) {
  return WriteFileAtomically(JournalOf(paths), Join(identity), kSecret, true).and_then([&] {
    return PutInPlace(paths, identity);
  });
}

Result<void> FinishInstall(const IdentityPaths& paths) {
  const std::string journal = JournalOf(paths);
  const auto text = ReadSmallFile(journal);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? Result<void>()
                                                     : tl::make_unexpected(text.error());
  }
  const auto identity = Split(*text);
  if (!identity) {
    return Fail(
        ErrorCode::kBadConfig,
        fmt::format("{}: no new identity that could be put in place; remove this file", journal));
  }
  return PutInPlace(paths, *identity);
}

}  // namespace parallax
