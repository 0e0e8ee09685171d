// Tokens and who is trusted, as text for people. Pure.
#pragma once

#include <string>

#include "collector/cli/render.h"

namespace parallax::cli {

// The secret alone is data.
Page RenderCreated(const v1::CreatedToken& created);
Page RenderTokens(const v1::TokenList& list, const Look& look);
// `said`: what became of it.
Page RenderTrust(const v1::SensorTrust& trust, const std::string& said);

// For a sensor's page: its key and certificate, or nothing if they are not known.
std::string KeyText(const v1::Sensor& sensor);
std::string CertificateText(const v1::Sensor& sensor, uint64_t now);

}  // namespace parallax::cli
