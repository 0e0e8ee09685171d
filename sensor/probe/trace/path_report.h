// Traces that the collector asks for: its order as ours, and what we found in its words.
#pragma once

#include "common/records.h"
#include "sensor/probe/trace/trace_client.h"

namespace parallax::sensor {

// One probe a hop, and few silent hops at the end: a trace is wanted at the moment of the change,
// of many targets, and what a single silence leaves open another target's trace will tell.
TraceOrder TraceOf(const PathOrder& order);

// `took` and the times are the result's; ages count up to its end.
PathReport ReportOf(const TraceResult& result);

// The report on an order of which nothing was tried.
PathReport RefusedReport(const PathOrder& order, const Moment& now);

}  // namespace parallax::sensor
