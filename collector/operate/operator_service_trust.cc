// The part of OperatorService that changes something: who may report to this collector.
#include <fmt/format.h>

#include <algorithm>

#include "collector/enrol/trust_desk.h"
#include "collector/operate/operator_convert.h"
#include "collector/operate/operator_convert_trust.h"
#include "collector/operate/operator_service.h"
#include "collector/operate/operator_status.h"
#include "common/fingerprint.h"
#include "common/grpc_security.h"
#include "common/peer_name.h"
#include "common/tls.h"
#include "common/token.h"

namespace parallax::collector {
namespace {

constexpr uint32_t kMostUses = 10'000;
constexpr Duration kShortestLife = std::chrono::seconds(1);
constexpr Duration kLongestLife = std::chrono::hours(30 * 24);
constexpr Duration kPatience = std::chrono::seconds(10);
constexpr size_t kLongestBy = 64;
constexpr std::string_view kNameRule = "1 to 63 of a-z 0-9 - _ . and a letter or digit first";

// The operator whose certificate was shown; nullopt on the Unix socket.
std::optional<OperatorName> ShownOperator(const grpc::ServerContext& context) {
  const auto auth = context.auth_context();
  const auto shown = auth ? DescribeCertificate(PeerCertificate(*auth))
                          : Fail(ErrorCode::kDenied, "no certificate");
  return shown ? ParseOperatorUri(shown->spiffe_uri) : std::nullopt;
}

Result<TokenWish> ReadWish(const grpc::ServerContext* context,
                           const v1::CreateTokenRequest& request) {
  TokenWish wish;
  if (!IsValidName(request.group())) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" cannot name a group: {}", request.group(), kNameRule));
  }
  if (!request.replaces().empty() && !IsValidName(request.replaces())) {
    return Fail(ErrorCode::kUsage,
                fmt::format("\"{}\" cannot name a sensor: {}", request.replaces(), kNameRule));
  }
  if (request.uses() < 1 || request.uses() > kMostUses) {
    return Fail(ErrorCode::kUsage,
                fmt::format("{} uses: not between 1 and {}", request.uses(), kMostUses));
  }
  if (request.life_nanos() < static_cast<uint64_t>(kShortestLife.count()) ||
      request.life_nanos() > static_cast<uint64_t>(kLongestLife.count())) {
    return Fail(ErrorCode::kUsage,
                fmt::format("a token lives between {} and {}", FormatDuration(kShortestLife),
                            FormatDuration(kLongestLife)));
  }
  if (!request.network().empty()) {
    const auto network = Prefix::Parse(request.network());
    if (!network) {
      return tl::make_unexpected(network.error());
    }
    wish.network = *network;
  }
  wish.group = request.group();
  wish.uses = request.uses();
  wish.life = Duration(static_cast<int64_t>(request.life_nanos()));
  wish.replaces = request.replaces();
  wish.by = CallerOf(context, request.asked_by());
  return wish;
}

// Decides, waits until that is on disk, and hands the outcome on.
template <typename Record, typename Decide, typename Use>
grpc::Status Change(TrustDesk* desk, Decide decide, Use use) {
  if (desk == nullptr) {
    return {grpc::StatusCode::UNIMPLEMENTED, "this collector keeps no registry"};
  }
  Result<Record> outcome = Fail(ErrorCode::kFailure, "nothing was decided");
  const auto stored =
      desk->DoAndWait([&](Registry& registry) { outcome = decide(registry); }, kPatience);
  if (!outcome || !stored) {
    return ToStatus(outcome ? stored.error() : outcome.error());
  }
  use(*outcome);
  return grpc::Status::OK;
}

}  // namespace

std::string CallerOf(const grpc::ServerContext* context, std::string name) {
  if (const auto shown = context != nullptr ? ShownOperator(*context) : std::nullopt) {
    const auto address = PeerAddress(context->peer());
    return fmt::format("operator {} ({})", shown->name, address ? address->ToString() : "?");
  }
  name.resize(std::min(name.size(), kLongestBy));
  std::erase_if(name, [](char c) { return c <= ' ' || c >= 0x7f; });
  return name.empty() ? "an operator" : "operator " + name;
}

grpc::Status OperatorService::CreateToken(grpc::ServerContext* context,
                                          const v1::CreateTokenRequest* request,
                                          v1::CreatedToken* reply) {
  const auto wish = ReadWish(context, *request);
  const auto secret = MakeToken();
  const auto id = MakeTokenId();
  for (const Error* error : {wish ? nullptr : &wish.error(), secret ? nullptr : &secret.error(),
                             id ? nullptr : &id.error()}) {
    if (error != nullptr) {
      return ToStatus(*error);
    }
  }
  const WallTime now = options_.clock();
  return Change<TokenRecord>(
      options_.desk,
      [&](Registry& registry) {
        return registry.CreateToken(*wish, *id, TokenSha256(*secret), now);
      },
      [&](const TokenRecord& token) {
        reply->set_secret(*secret);
        ToProto(token, now, reply->mutable_token());
      });
}

grpc::Status OperatorService::ListTokens(grpc::ServerContext*, const v1::ListTokensRequest*,
                                         v1::TokenList* reply) {
  auto reader = readers_.Borrow();
  if (!reader) {
    return ToStatus(reader.error());
  }
  auto trust = (*reader)->Trust();
  if (!trust) {
    return ToStatus(trust.error());
  }
  const WallTime now = options_.clock();
  std::ranges::stable_sort(trust->tokens, [](const TokenRecord& a, const TokenRecord& b) {
    return a.created_at > b.created_at;
  });
  for (const TokenRecord& token : trust->tokens) {
    ToProto(token, now, reply->add_items());
  }
  reply->set_answered_at(ToProto(now));
  return grpc::Status::OK;
}

grpc::Status OperatorService::RevokeToken(grpc::ServerContext* context,
                                          const v1::RevokeTokenRequest* request, v1::Token* reply) {
  const WallTime now = options_.clock();
  return Change<TokenRecord>(
      options_.desk,
      [&](Registry& registry) {
        return registry.RevokeToken(request->id(), CallerOf(context, request->asked_by()), now);
      },
      [&](const TokenRecord& token) { ToProto(token, now, reply); });
}

grpc::Status OperatorService::ApproveSensor(grpc::ServerContext* context,
                                            const v1::ApproveSensorRequest* request,
                                            v1::SensorTrust* reply) {
  const auto key = ParseFingerprint(request->which());
  if (key && !IsValidName(request->group())) {
    return ToStatus(
        {ErrorCode::kUsage, fmt::format("--group \"{}\": a request is approved into a group: {}",
                                        request->group(), kNameRule)});
  }
  if (!request->name().empty() && (!key || !IsValidName(request->name()))) {
    return ToStatus(
        {ErrorCode::kUsage,
         key ? fmt::format("\"{}\" cannot name a sensor: {}", request->name(), kNameRule)
             : std::string("only a request gets a name; a sensor has one")});
  }
  const WallTime now = options_.clock();
  const std::string by = CallerOf(context, request->asked_by());
  return Change<TrustRecord>(
      options_.desk,
      [&](Registry& registry) {
        return key ? registry.Approve(*key, request->group(), request->name(), by, now)
                   : registry.Readmit(request->which(), by);
      },
      [&](const TrustRecord& record) { ToProto(record, reply); });
}

grpc::Status OperatorService::DrainSensor(grpc::ServerContext* context,
                                          const v1::DrainSensorRequest* request,
                                          v1::SensorTrust* reply) {
  return Change<TrustRecord>(
      options_.desk,
      [&](Registry& registry) {
        return registry.Drain(request->name(), CallerOf(context, request->asked_by()));
      },
      [&](const TrustRecord& record) { ToProto(record, reply); });
}

grpc::Status OperatorService::RevokeSensor(grpc::ServerContext* context,
                                           const v1::RevokeSensorRequest* request,
                                           v1::SensorTrust* reply) {
  const WallTime now = options_.clock();
  return Change<TrustRecord>(
      options_.desk,
      [&](Registry& registry) {
        return registry.Revoke(request->name(), CallerOf(context, request->asked_by()), now);
      },
      [&](const TrustRecord& record) { ToProto(record, reply); });
}

}  // namespace parallax::collector
