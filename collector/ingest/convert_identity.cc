#include "collector/ingest/convert_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace parallax::collector {
namespace {

constexpr int kMostCas = 16;
constexpr size_t kSha256Bytes = 32;

Error Malformed(std::string_view what) {
  return {ErrorCode::kUsage, fmt::format("identity: {}", what)};
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

}  // namespace

Result<SensorIdentity> FromProto(const v1::Identity& identity, const SensorName& sensor,
                                 WallTime told_at) {
  if (identity.trusted_cas_size() > kMostCas) {
    return tl::make_unexpected(Malformed("more than 16 CAs"));
  }
  SensorIdentity out;
  out.sensor = sensor;
  out.told_at = told_at;
  for (const std::string& ca : identity.trusted_cas()) {
    if (ca.size() != kSha256Bytes) {
      return tl::make_unexpected(Malformed("a CA's fingerprint is not of 32 bytes"));
    }
    out.trusted_cas.push_back(Hex(ca));
  }
  if (!identity.certificate_ca().empty() && identity.certificate_ca().size() != kSha256Bytes) {
    return tl::make_unexpected(Malformed("its CA's fingerprint is not of 32 bytes"));
  }
  out.certificate_ca = Hex(identity.certificate_ca());
  out.certificate_expires = FromUnixNanos(static_cast<int64_t>(
      std::min<uint64_t>(identity.certificate_expires_at(), std::numeric_limits<int64_t>::max())));
  return out;
}

}  // namespace parallax::collector
