#include "common/enrolment.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/fingerprint.h"

namespace parallax {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostCollectors = 8;
constexpr size_t kLongestMessage = 500;

struct RefusalRow {
  Refusal refusal;
  std::string_view word;
  unsigned status;
};
constexpr std::array<RefusalRow, kRefusals> kTable = {{
    {Refusal::kBadRequest, "bad_request", 400},
    {Refusal::kUnknownToken, "unknown_token", 403},
    {Refusal::kExpiredToken, "expired_token", 403},
    {Refusal::kUsedToken, "used_token", 403},
    {Refusal::kRevokedToken, "revoked_token", 403},
    {Refusal::kWrongNetwork, "wrong_network", 403},
    {Refusal::kWrongName, "wrong_name", 403},
    {Refusal::kRevoked, "revoked", 403},
    {Refusal::kNameTaken, "name_taken", 409},
    {Refusal::kNotFound, "not_found", 404},
    {Refusal::kBadMethod, "bad_method", 405},
    {Refusal::kTimeout, "timeout", 408},
    {Refusal::kTooLarge, "too_large", 413},
    {Refusal::kTooMany, "too_many", 429},
    {Refusal::kUnavailable, "unavailable", 503},
}};

const RefusalRow& RowOf(Refusal refusal) { return kTable[static_cast<size_t>(refusal)]; }

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::optional<Json> ParseObject(std::string_view body) {
  Json json = Json::parse(body.begin(), body.end(), nullptr, false);
  return json.is_object() ? std::optional(std::move(json)) : std::nullopt;
}

// nullopt if it is absent or no string.
std::optional<std::string> Text(const Json& json, const char* key) {
  const auto it = json.find(key);
  return it != json.end() && it->is_string() ? std::optional(it->get<std::string>()) : std::nullopt;
}

// One line, whatever came.
std::string OneLine(std::string text) {
  text.resize(std::min(text.size(), kLongestMessage));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, ' ');
  return text;
}

tl::unexpected<Error> NoCollector() {
  return Fail(
      ErrorCode::kFailure,
      "what answers there is no collector of Parallax that enrolls sensors; check HOST:PORT "
      "(server.https_listen in collector.toml)");
}

Result<EnrolAnswer> ParseEnrolled(const Json& json) {
  const auto certificate = Text(json, "certificate");
  const auto ca = Text(json, "ca");
  const auto group = Text(json, "group");
  const auto name = Text(json, "name");
  const auto collectors = json.find("collectors");
  if (!certificate || !ca || !group || !name || collectors == json.end() ||
      !collectors->is_array() || collectors->size() > kMostCollectors || !IsValidName(*group) ||
      !IsValidName(*name)) {
    return NoCollector();
  }
  Enrolled enrolled{{*group, *name}, *certificate, *ca, {}};
  for (const Json& one : *collectors) {
    if (!one.is_string()) {
      return NoCollector();
    }
    enrolled.collectors.push_back(one.get<std::string>());
  }
  return enrolled;
}

Result<EnrolAnswer> ParsePending(const Json& json) {
  const auto fingerprint = ParseFingerprint(Text(json, "fingerprint").value_or(""));
  const auto ask_again = json.find("ask_again_seconds");
  if (!fingerprint || ask_again == json.end() || !ask_again->is_number_integer()) {
    return NoCollector();
  }
  const auto seconds = std::clamp<int64_t>(ask_again->get<int64_t>(), 1, 3600);
  return EnrolPending{*fingerprint, std::chrono::seconds(seconds)};
}

}  // namespace

std::string_view RefusalWord(Refusal refusal) { return RowOf(refusal).word; }

std::string FormatRequest(const EnrolRequest& request) {
  Json json = {{"request", request.request_pem}, {"name", request.name}};
  if (!request.token.empty()) {
    json["token"] = request.token;
  }
  return Dump(json);
}

Result<EnrolRequest> ParseRequest(std::string_view body) {
  const auto json = ParseObject(body);
  if (!json) {
    return Fail(ErrorCode::kUsage, "the body is no JSON object");
  }
  const auto request = Text(*json, "request");
  const auto name = Text(*json, "name");
  const auto token = Text(*json, "token");
  if (!request || !name || (!token && json->contains("token"))) {
    return Fail(ErrorCode::kUsage,
                "the body must hold the strings \"request\" and \"name\", and may hold \"token\"");
  }
  return EnrolRequest{*request, *name, token.value_or("")};
}

HttpAnswer FormatAnswer(const EnrolAnswer& answer, WallTime now) {
  if (const auto* enrolled = std::get_if<Enrolled>(&answer)) {
    return {200, Dump({{"certificate", enrolled->certificate_pem},
                       {"ca", enrolled->ca_pem},
                       {"group", enrolled->peer.group},
                       {"name", enrolled->peer.name},
                       {"collectors", enrolled->collectors},
                       {"time", FormatRfc3339(now)}})};
  }
  if (const auto* pending = std::get_if<EnrolPending>(&answer)) {
    return {202, Dump({{"state", "pending"},
                       {"fingerprint", FormatFingerprint(pending->key_sha256)},
                       {"ask_again_seconds", pending->ask_again.count()},
                       {"time", FormatRfc3339(now)}})};
  }
  const auto& refused = std::get<EnrolRefused>(answer);
  return {RowOf(refused.why).status, Dump({{"error", RefusalWord(refused.why)},
                                           {"message", refused.message},
                                           {"time", FormatRfc3339(now)}})};
}

HttpAnswer FormatCa(const std::string& ca_pem, WallTime now) {
  return {200, Dump({{"ca", ca_pem}, {"time", FormatRfc3339(now)}})};
}

Result<EnrolAnswer> ParseAnswer(unsigned status, std::string_view body) {
  const auto json = ParseObject(body);
  if (!json) {
    return NoCollector();
  }
  if (status == 200) {
    return ParseEnrolled(*json);
  }
  if (status == 202) {
    return ParsePending(*json);
  }
  const auto word = Text(*json, "error");
  const auto row = std::find_if(kTable.begin(), kTable.end(),
                                [&](const RefusalRow& r) { return word && r.word == *word; });
  if (row == kTable.end()) {
    return NoCollector();
  }
  return EnrolRefused{row->refusal, OneLine(Text(*json, "message").value_or(std::string(*word)))};
}

}  // namespace parallax
