// The tables, as the steps that lead from one version of the schema to the next.
#pragma once

#include <span>

namespace parallax::collector {

// Migrations()[v] leads from version v to v + 1. Never edit one that has been released.
std::span<const char* const> Migrations();

}  // namespace parallax::collector
