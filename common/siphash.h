// SipHash-2-4 (Aumasson and Bernstein, 2012): the keyed hash for every table whose keys come off
// the wire, and the tag that tells our own probes from forgeries. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace parallax {

using HashKey = std::array<uint64_t, 2>;

uint64_t SipHash24(const HashKey& key, std::span<const uint8_t> data);

// 16 bytes from the kernel's random source, drawn anew at each call.
HashKey RandomHashKey();

// One random key for the life of the process, drawn at first use; thread-safe.
const HashKey& ProcessHashKey();

}  // namespace parallax
