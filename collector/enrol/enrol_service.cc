#include "collector/enrol/enrol_service.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "common/key_request.h"
#include "common/log.h"
#include "common/token.h"

namespace parallax::collector {
namespace {

// What costs the asker one of its attempts: guesses and garbage, not a database that is behind.
bool IsHisFault(Refusal why) { return why != Refusal::kUnavailable && why != Refusal::kTooMany; }

}  // namespace

EnrolService::EnrolService(EnrolServiceOptions options, TrustDesk& desk)
    : options_(std::move(options)), desk_(desk) {}

void EnrolService::Handle(const HttpRequest& request, const HttpReply& reply) {
  if (request.target == kCaPath) {
    if (request.method != "GET") {
      Refuse(request, reply, {Refusal::kBadMethod, "ask for /v1/ca with GET"});
      return;
    }
    reply([this] {
      const WallTime now = options_.clock().wall;
      const auto bundle = options_.ca_bundle();
      return bundle
                 ? FormatCa(*bundle, now)
                 : FormatAnswer(EnrolRefused{Refusal::kUnavailable, "the CA cannot be read"}, now);
    });
    return;
  }
  if (request.target != kEnrolPath) {
    Refuse(request, reply,
           {Refusal::kNotFound, "there is nothing here but POST /v1/enroll and GET /v1/ca"});
  } else if (request.method != "POST") {
    Refuse(request, reply, {Refusal::kBadMethod, "enroll with POST"});
  } else {
    Enrol(request, reply);
  }
}

void EnrolService::Enrol(const HttpRequest& request, const HttpReply& reply) {
  const Moment now = options_.clock();
  if (!attempts_.MayTry(request.from, now.mono)) {
    Refuse(request, reply,
           {Refusal::kTooMany, "too many failed attempts from this address; wait a minute"});
    return;
  }
  const auto parsed = ParseRequest(request.body);
  if (!parsed) {
    Refuse(request, reply, {Refusal::kBadRequest, parsed.error().message});
    return;
  }
  if (!IsValidName(parsed->name)) {
    Refuse(request, reply,
           {Refusal::kBadRequest,
            "\"name\" cannot name a sensor: 1 to 63 of a-z 0-9 - _ . and a letter or digit first"});
    return;
  }
  const auto info = ReadRequest(parsed->request_pem);
  if (!info) {
    Refuse(request, reply, {Refusal::kBadRequest, info.error().message});
    return;
  }
  const Applicant applicant{info->key_sha256, parsed->name, request.from,
                            parsed->token.empty() ? std::string() : TokenSha256(parsed->token)};
  const auto judgement = std::make_shared<Judgement>();
  desk_.Do([&](Registry& registry) { *judgement = registry.Enrol(applicant, now.wall); },
           [this, request, reply, judgement, pem = parsed->request_pem] {
             reply([=, this] { return Finish(request, pem, *judgement); });
           });
}

void EnrolService::Refuse(const HttpRequest& request, const HttpReply& reply,
                          EnrolRefused refused) {
  const Moment now = options_.clock();
  if (IsHisFault(refused.why) && attempts_.MayTry(request.from, now.mono)) {  // else the log fills
    LogWarning("enrolment port: {} from {}: {}", RefusalWord(refused.why), request.from.ToString(),
               refused.message);
    attempts_.NoteFailure(request.from, now.mono);
  }
  reply([answer = FormatAnswer(refused, now.wall)] { return answer; });
}

HttpAnswer EnrolService::Finish(const HttpRequest& request, const std::string& request_pem,
                                const Judgement& judgement) {
  const Moment now = options_.clock();
  if (const auto* grant = std::get_if<Grant>(&judgement)) {
    return Give(request_pem, *grant);
  }
  if (const auto* pending = std::get_if<EnrolPending>(&judgement)) {
    return FormatAnswer(*pending, now.wall);
  }
  const auto& refused = std::get<EnrolRefused>(judgement);
  if (IsHisFault(refused.why)) {
    attempts_.NoteFailure(request.from, now.mono);
  }
  return FormatAnswer(refused, now.wall);
}

HttpAnswer EnrolService::Give(const std::string& request_pem, const Grant& grant) const {
  const WallTime now = options_.clock().wall;
  auto certificate = options_.sign(request_pem, grant.peer, grant.issue_at);
  auto bundle = options_.ca_bundle();
  if (!certificate || !bundle) {
    LogError("cannot sign the certificate of sensor {}: {}", grant.peer.name,
             certificate ? bundle.error().message : certificate.error().message);
    return FormatAnswer(
        EnrolRefused{Refusal::kUnavailable,
                     "the collector cannot sign certificates now (its log says why); try again"},
        now);
  }
  return FormatAnswer(
      Enrolled{grant.peer, std::move(*certificate), std::move(*bundle), options_.collectors}, now);
}

}  // namespace parallax::collector
