// The operators who may come over the network: one file per operator, NAME.pem, its certificate, in
// the folder "operators" beside the CA. A certificate that is not there counts for nothing, so that
// removing the file takes the right away, at the next call. No state; any thread, any process.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "collector/config.h"
#include "common/peer_name.h"
#include "common/result.h"
#include "common/time.h"
#include "common/tls.h"

namespace parallax::collector {

struct AddOperatorOptions {
  std::string name;
  OperatorRole role = OperatorRole::kRead;
  std::string config_path;  // the collector's
  std::string out;          // the folder to make
};

// Makes `out` (0700) with ca.pem, operator.pem and operator.key, and lists the operator. Who has
// the name already is replaced. Returns what to print.
Result<std::string> AddOperator(const AddOperatorOptions& options, WallTime now);
// kNotFound if there is none of that name.
Result<std::string> RemoveOperator(const std::string& name, const std::string& config_path);

struct ListedOperator {
  OperatorName name;
  std::string certificate_pem;
  CertificateInfo certificate;
};
// By name. Files that hold no operator's certificate are left out.
std::vector<ListedOperator> ListOperators(const CollectorConfig::Tls& tls);

// Who shows this certificate, PEM: kDenied if it is not that of an operator, is not listed, or is
// not valid at `now`.
Result<OperatorName> IdentifyOperator(const CollectorConfig::Tls& tls,
                                      std::string_view certificate_pem, WallTime now);
// What an operator who may only read may call: "/parallax.v1.Operator/GetStatus".
bool OnlyReads(std::string_view method);

}  // namespace parallax::collector
