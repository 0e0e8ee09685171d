// The part of the capture filter that tells announcements from other packets that are not TCP: just
// what FindAnnouncement() finds. It stands behind the rest of the program, with endings of its own,
// so that no jump on the way of a TCP segment gets longer. Pure.
#pragma once

#include <cstdint>

#include "sensor/capture/bpf_assembler.h"

namespace parallax::sensor {

// Where the program for TCP gives up on a packet. X counts the bytes from the base to the header
// meant.
struct AnnouncementLabels {
  BpfAssembler::Label ipv4;                 // A: the protocol; X: the IPv4 header, not looked into
  BpfAssembler::Label ipv4_authentication;  // X: an authentication header
  BpfAssembler::Label ipv6;                 // A: what the header is; X: that header, no extension
};

// Binds all three.
void WriteAnnouncementFilter(uint32_t base, const AnnouncementLabels& labels, BpfAssembler& a);

}  // namespace parallax::sensor
