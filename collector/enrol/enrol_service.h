// Answers what comes in over the enrolment port (common/enrolment.h): parses, asks the registry,
// and once the decision is on disk signs the certificate. No sockets. One thread, that of the port.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collector/enrol/attempt_limit.h"
#include "collector/enrol/https_server.h"
#include "collector/enrol/trust_desk.h"

namespace parallax::collector {

struct EnrolServiceOptions {
  // A certificate, PEM, over the request's key.
  std::function<Result<std::string>(const std::string& request_pem, const PeerName& peer,
                                    WallTime now)>
      sign;
  std::function<Result<std::string>()> ca_bundle;  // PEM, as sensors are to trust it
  std::vector<std::string> collectors;             // "HOST:PORT" where sensors report to
  std::function<Moment()> clock = Now;
};

class EnrolService {
 public:
  EnrolService(EnrolServiceOptions options, TrustDesk& desk);

  // As HttpsServer's handler.
  void Handle(const HttpRequest& request, const HttpReply& reply);

 private:
  void Enrol(const HttpRequest& request, const HttpReply& reply);
  void Refuse(const HttpRequest& request, const HttpReply& reply, EnrolRefused refused);
  HttpAnswer Finish(const HttpRequest& request, const std::string& request_pem,
                    const Judgement& judgement);
  HttpAnswer Give(const std::string& request_pem, const Grant& grant) const;

  const EnrolServiceOptions options_;
  TrustDesk& desk_;
  AttemptLimit attempts_;
};

}  // namespace parallax::collector
