// One frame through the decoder and through the kernel's filter, which libpcap's interpreter runs.
// The first byte of the input picks link type, scope and how much the capture cut off; the rest is
// the frame.
#include <pcap/pcap.h>

#include <array>
#include <iterator>
#include <span>
#include <vector>

#include "sensor/capture/bpf_program.h"
#include "sensor/capture/decode.h"
#include "tests/fuzz/require.h"

namespace parallax::sensor {
namespace {

constexpr size_t kLinks = std::size(kAllLinkTypes);
constexpr std::array kScopes = {SegmentScope::kSyn, SegmentScope::kSynOrRst, SegmentScope::kAll};
constexpr uint32_t kCutOff[] = {0, 1, 8, 60, 1460, 65535, 0xffff0000, 0};

using Program = std::vector<bpf_insn>;

std::vector<Program> Programs() {
  std::vector<Program> programs;
  for (const LinkType link : kAllLinkTypes) {
    for (const SegmentScope scope : kScopes) {
      Program& program = programs.emplace_back();
      for (const BpfInstruction& i : MakeCaptureFilter(link, scope)) {
        program.push_back({i.code, i.jt, i.jf, i.k});
      }
    }
  }
  return programs;
}

void Check(size_t link_index, size_t scope_index, uint32_t cut_off,
           std::span<const uint8_t> captured) {
  static const std::vector<Program> programs = Programs();
  const LinkType link = kAllLinkTypes[link_index];
  const SegmentScope scope = kScopes[scope_index];
  const auto wire_length = static_cast<uint32_t>(captured.size()) + cut_off;
  const auto segment = DecodeSegment(link, captured, wire_length, scope);

  const Program& program = programs[link_index * kScopes.size() + scope_index];
  const auto length = static_cast<u_int>(captured.size());
  const bool passed = bpf_filter(program.data(), captured.data(), wire_length, length) != 0;
  Require(passed == segment.has_value(), "filter and decoder agree");

  const auto place = FindNetwork(link, captured);
  Require(!place || place->offset <= captured.size(), "the IP header begins within the frame");
  if (segment) {
    Require(place.has_value(), "what was decoded has an IP header");
    const auto inner = DecodeSegment(LinkType::kRaw, captured.subspan(place->offset),
                                     wire_length - static_cast<uint32_t>(place->offset), scope);
    SynSegment untagged = *segment;
    untagged.vlan = {};
    Require(inner && *inner == untagged, "the IP packet alone is the same segment");
    Require(segment->vlan.count <= VlanList::kMost, "no more tags than there is room for");
  } else {
    Require(segment.error() != DecodeSkip::kTruncated || cut_off > 0, "truncated: cut off");
    Require(segment.error() != DecodeSkip::kOutOfScope || scope != SegmentScope::kAll,
            "nothing is out of the scope of all");
  }

  // A wider scope sees the same and more; more cut off changes no address; less captured changes
  // nothing that can still be read.
  for (size_t wider = scope_index + 1; segment && wider < kScopes.size(); ++wider) {
    const auto same = DecodeSegment(link, captured, wire_length, kScopes[wider]);
    Require(same && *same == *segment, "a wider scope decodes it as well");
  }
  const auto whole = DecodeSegment(link, captured, length, scope);
  Require(whole.has_value() == segment.has_value(), "what the capture cut off is not needed");
  if (!captured.empty()) {
    const auto cut = captured.first(captured.size() - 1 - captured.back() % captured.size());
    const auto prefix = DecodeSegment(link, cut, wire_length, scope);
    Require(!prefix || (segment && *prefix == *segment), "a prefix says nothing else");
  }
}

}  // namespace
}  // namespace parallax::sensor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax::sensor;
  if (size > 0) {
    const size_t pick = data[0];
    Check(pick % kLinks, pick / kLinks % kScopes.size(), kCutOff[pick / (kLinks * kScopes.size())],
          {data + 1, size - 1});
  }
  return 0;
}
