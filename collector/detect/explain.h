// An incident in one sentence or two, for the person on call. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "collector/detect/model.h"

namespace parallax::collector {

// Key of the evidence: hosts that failed once, in no second round yet.
inline constexpr const char* kAwaiting = "hosts_awaiting_second_look";

// `half_open` attempts of the incident's targets were seen at the failing sensors; of these,
// `repeated` had their SYN repeated as a real TCP repeats it.
std::string Summarise(const IncidentRecord& record, uint64_t half_open, uint64_t repeated);

}  // namespace parallax::collector
