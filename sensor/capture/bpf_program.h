// The capture filter: our own classic BPF program per link type, because no filter text says what
// we mean. In libpcap's language `tcp[13]` never matches IPv6, `ip6[53]` does not see behind
// extension headers, `vlan` shifts every later offset and does not compile on most link types, and
// `ip6 protochain` has backward jumps, which the kernel refuses: libpcap then filters every packet
// in user space without a word.
//
// How it works: X holds how many bytes of tags, options and extension headers have been passed
// over so far, so that one copy of the code per layer serves every combination; loops over tags,
// labels and extension headers are unrolled. Loads outside the frame reject it. On receive the
// kernel strips the outer VLAN tag before the filter sees the frame and libpcap puts it back
// afterwards: both forms are accepted.
//
// The program accepts exactly what DecodeSegment() accepts, and if announcements are asked for also
// what FindAnnouncement() finds; but user space decodes everything again all the same: frames may
// have been queued before the filter was in place. What is not TCP is looked into behind the rest
// of the program: on the way of a TCP segment there is not one instruction more for it. Pure.
#pragma once

#include <vector>

#include "sensor/capture/announcement_packet.h"
#include "sensor/capture/bpf_assembler.h"
#include "sensor/capture/decode.h"

namespace parallax::sensor {

// At most kBpfMostInstructions; accepted segments are passed on whole (the snapshot length cuts).
std::vector<BpfInstruction> MakeCaptureFilter(
    LinkType type, SegmentScope scope, AnnouncementScope announcements = AnnouncementScope::kNone);

}  // namespace parallax::sensor
