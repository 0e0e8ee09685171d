// What newer routers append to their ICMP errors behind the quote (RFC 4884), and the one object of
// it that we keep: the MPLS label stack with which the packet came in (RFC 4950). Pure, no
// allocation, safe for any bytes.
#pragma once

#include <cstddef>
#include <optional>

#include "sensor/probe/wire/answer.h"
#include "sensor/probe/wire/byte_view.h"

namespace parallax::sensor {

// What follows the 8-byte header of an ICMP error, taken apart.
struct QuoteAndExtension {
  // The packet that the error is about, as far as it is quoted; maybe padded with zeros.
  ByteView quote;
  // Beyond this many bytes of `quote`, what stands there may be something else.
  size_t trusted = 0;
  MplsStack mpls;  // empty: none, or malformed
};

// `length`: the length that the router has stated, in bytes; 0: none. One that reaches beyond the
// end is taken for none, and one under 128 for true only if an extension structure is there. With
// none stated, a structure that is behind the 128th byte and has the right checksum counts, too:
// routers older than RFC 4884 append theirs so (section 5.5 there).
QuoteAndExtension SplitQuote(ByteView body, size_t length);

// nullopt: not an extension structure from its first to its last byte. A checksum of 0 means that
// the router has not computed any; with `must_have_checksum`, that will not do.
std::optional<MplsStack> ReadExtension(ByteView structure, bool must_have_checksum);

}  // namespace parallax::sensor
