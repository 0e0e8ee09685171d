#include "collector/cli/render_trust.h"

#include <fmt/format.h>

#include "collector/cli/table.h"
#include "collector/cli/words.h"

namespace parallax::cli {
namespace {

// What a token is bound to besides its group.
std::string OnlyFor(const v1::Token& token) {
  std::string text = token.network();
  if (!token.replaces().empty()) {
    text += fmt::format("{}replaces {}", text.empty() ? "" : ", ", token.replaces());
  }
  return text.empty() ? "-" : text;
}

}  // namespace

Page RenderCreated(const v1::CreatedToken& created) {
  const v1::Token& token = created.token();
  return {created.secret() + "\n",
          fmt::format("Token {} for group {}: {}, until {}. It is not shown again.\n"
                      "Next, on the new sensor's host: parallax-sensor enroll --token-file FILE "
                      "--config ... --collector ... --ca-pin ...\n",
                      token.id(), Printable(token.group()), Plural(token.uses(), "use"),
                      Clock(token.expires_at()))};
}

Page RenderTokens(const v1::TokenList& list, const Look& look) {
  Table table({{"ID"},
               {"GROUP"},
               {"STATE"},
               {"USES LEFT", Table::Align::kRight},
               {"EXPIRES"},
               {"ONLY FOR"},
               {"MADE BY"}});
  for (const auto& token : list.items()) {
    table.Add({token.id(),
               token.group(),
               {token.state(), token.state() == "valid" ? Colour::kGreen : Colour::kDim},
               fmt::format("{} of {}", token.uses_left(), token.uses()),
               Clock(token.expires_at()),
               OnlyFor(token),
               token.created_by()});
  }
  if (table.empty()) {
    return {"", "There are no tokens.\nNext: parallax token create --group GROUP\n"};
  }
  return {table.Text(look.colour), "Next: parallax token revoke ID\n"};
}

Page RenderTrust(const v1::SensorTrust& trust, const std::string& said) {
  return {"", fmt::format("Sensor {} ({}) {}.\nNext: parallax sensor show {}\n",
                          Printable(trust.name()), Printable(trust.group()), said,
                          Printable(trust.name()))};
}

std::string KeyText(const v1::Sensor& sensor) { return Printable(sensor.key_fingerprint()); }

std::string CertificateText(const v1::Sensor& sensor, uint64_t now) {
  if (sensor.certificate_expires_at() == 0) {
    return {};
  }
  return fmt::format("issued {}, {} {}", Ago(sensor.certificate_issued_at(), now),
                     sensor.certificate_expires_at() < now ? "expired at" : "valid until",
                     Clock(sensor.certificate_expires_at()));
}

}  // namespace parallax::cli
