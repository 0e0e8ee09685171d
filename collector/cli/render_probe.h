// Answers of `parallax probe` as text for people, one as it comes. Pure.
#pragma once

#include <string>

#include "collector/cli/render.h"

namespace parallax::cli {

// A line, or for a trace the way, too.
std::string RenderProbe(const v1::ProbeAnswer& answer, const Look& look);

}  // namespace parallax::cli
