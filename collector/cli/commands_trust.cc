// Subcommands that say who may report: tokens, approvals, revocations, draining.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "collector/cli/answer.h"
#include "collector/cli/commands.h"
#include "collector/cli/render_trust.h"

namespace parallax::cli {
namespace {

Result<void> PrintTrust(const Options& options, const v1::SensorTrust& trust, const char* said) {
  return IsTable(options) ? Print(RenderTrust(trust, said))
                          : PrintOne(options, "SensorTrust", ToJson(trust));
}

}  // namespace

Result<void> CreateToken(const Options& options, const TokenOptions& token) {
  v1::CreateTokenRequest request;
  request.set_group(token.group);
  request.set_uses(token.uses);
  request.set_life_nanos(static_cast<uint64_t>(token.life.count()));
  request.set_network(token.network);
  request.set_replaces(token.replaces);
  request.set_asked_by(WhoAmI());
  return WithAnswer(
      options, [&](Client& client) { return client.CreateToken(request); },
      [&](const v1::CreatedToken& created) {
        if (IsTable(options)) {
          return Print(RenderCreated(created));
        }
        Json json = {{"secret", created.secret()}};
        json.update(ToJson(created.token()));
        return PrintOne(options, "Token", json);
      });
}

Result<void> ListTokens(const Options& options) {
  return ShowList(
      options, "TokenList", [](Client& client) { return client.Tokens(); },
      [&](const v1::TokenList& list) { return RenderTokens(list, LookFor(options)); });
}

Result<void> RevokeToken(const Options& options, const std::string& id) {
  v1::RevokeTokenRequest request;
  request.set_id(id);
  request.set_asked_by(WhoAmI());
  return WithAnswer(
      options, [&](Client& client) { return client.RevokeToken(request); },
      [&](const v1::Token& token) {
        return IsTable(options)
                   ? Print({"", fmt::format("Token {} lets nobody in any more.\n", token.id())})
                   : PrintOne(options, "Token", ToJson(token));
      });
}

Result<void> ApproveSensor(const Options& options, const std::string& which,
                           const std::string& group, const std::string& name) {
  v1::ApproveSensorRequest request;
  request.set_which(which);
  request.set_group(group);
  request.set_name(name);
  request.set_asked_by(WhoAmI());
  return WithAnswer(
      options, [&](Client& client) { return client.ApproveSensor(request); },
      [&](const v1::SensorTrust& trust) { return PrintTrust(options, trust, "is approved"); });
}

Result<void> DrainSensor(const Options& options, const std::string& name) {
  v1::DrainSensorRequest request;
  request.set_name(name);
  request.set_asked_by(WhoAmI());
  return WithAnswer(
      options, [&](Client& client) { return client.DrainSensor(request); },
      [&](const v1::SensorTrust& trust) {
        return PrintTrust(options, trust, "keeps its link and is not asked to probe");
      });
}

Result<void> RevokeSensor(const Options& options, const std::string& name) {
  v1::RevokeSensorRequest request;
  request.set_name(name);
  request.set_asked_by(WhoAmI());
  return WithAnswer(
      options, [&](Client& client) { return client.RevokeSensor(request); },
      [&](const v1::SensorTrust& trust) {
        return PrintTrust(options, trust, "is revoked: its certificates are refused from now on");
      });
}

}  // namespace parallax::cli
