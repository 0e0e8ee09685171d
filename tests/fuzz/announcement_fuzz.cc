// One frame through the finder of announcements, the kernel's filter, the reader and the watch. The
// first byte of the input picks link type and how much the capture cut off; the rest is the frame.
#include <pcap/pcap.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <vector>

#include "sensor/announce/announcement_watch.h"
#include "sensor/announce/offer_reader.h"
#include "sensor/capture/announcement_packet.h"
#include "sensor/capture/bpf_program.h"
#include "tests/fuzz/require.h"

namespace parallax::sensor {
namespace {

constexpr size_t kLinks = std::size(kAllLinkTypes);
constexpr uint32_t kCutOff[] = {0, 1, 8, 60, 1460, 65535, 0xffff0000, 0};

using Program = std::vector<bpf_insn>;
using Offers = std::vector<GatewayOffer>;

std::vector<Program> Programs() {
  std::vector<Program> programs;
  for (const LinkType link : kAllLinkTypes) {
    Program& program = programs.emplace_back();
    for (const BpfInstruction& i :
         MakeCaptureFilter(link, SegmentScope::kSynOrRst, AnnouncementScope::kAll)) {
      program.push_back({i.code, i.jt, i.jf, i.k});
    }
  }
  return programs;
}

void CheckOffer(const GatewayOffer& offer, const AnnouncementPacket& packet) {
  Require(offer.speaker == packet.src, "who sends it speaks");
  Require(offer.gateway.family() == packet.src.family(), "one family");
  Require(!offer.prefix || offer.prefix->address().family() == packet.src.family(), "one family");
  Require(offer.prefix.has_value() == (offer.kind != AnnouncementKind::kOspf),
          "all but OSPF say where to");
  if (offer.kind == AnnouncementKind::kRedirect) {
    Require(offer.prefix->length() == packet.src.bits(), "a redirect is for one host");
    return;
  }
  Require(CanBeGateway(offer.gateway), "the gateway can be one");
  Require(!offer.prefix || offer.prefix->length() <= (packet.src.is_v4() ? 8u : 16u),
          "only routes that matter");
}

void CheckReading(const AnnouncementPacket& packet) {
  OfferReader reader;
  Offers offers(1);  // what is there stays
  reader.Read(packet, offers);
  Require(!offers.empty() && offers[0] == GatewayOffer{}, "what was there is still there");
  offers.erase(offers.begin());
  const OfferCounts& counts = reader.counts();
  Require(counts.packets == 1 && counts.offers == offers.size(), "counted");
  Require(offers.size() <= OfferReader::kMostOffers, "bounded");
  Require(offers.empty() || counts.no_offer == 0, "no offer is none");
  Require(counts.cut <= 1 && counts.malformed <= 1 && counts.no_offer <= 1, "one packet");
  for (size_t i = 0; i < offers.size(); ++i) {
    CheckOffer(offers[i], packet);
    for (size_t j = 0; j < i; ++j) {
      Require(offers[i].gateway != offers[j].gateway || offers[i].prefix != offers[j].prefix,
              "said once");
    }
  }

  AnnouncementWatch watch;
  std::vector<Record> records;
  CapturedAnnouncement captured{.packet = packet,
                                .stamp = {},
                                .seen = MonoTime(std::chrono::hours(1)),
                                .interface = "eth0",
                                .frame = 1};
  watch.Hear(captured, records);
  Require(records.size() == std::min<size_t>(offers.size(), 16), "told at once, up to a burst");
  records.clear();
  captured.seen += std::chrono::milliseconds(1);
  watch.Hear(captured, records);
  watch.Advance(captured.seen + std::chrono::seconds(30), records);
  Require(records.empty(), "and not again");
}

void Check(size_t link_index, uint32_t cut_off, std::span<const uint8_t> captured) {
  static const std::vector<Program> programs = Programs();
  const LinkType link = kAllLinkTypes[link_index];
  const auto wire_length = static_cast<uint32_t>(captured.size()) + cut_off;
  const auto packet = FindAnnouncement(link, captured, wire_length);
  const auto segment = DecodeSegment(link, captured, wire_length, SegmentScope::kSynOrRst);
  Require(!packet || !segment, "a frame is one or the other");

  const auto length = static_cast<u_int>(captured.size());
  const bool passed =
      bpf_filter(programs[link_index].data(), captured.data(), wire_length, length) != 0;
  Require(passed == (packet.has_value() || segment.has_value()), "the filter agrees");
  if (!packet) {
    return;
  }
  const auto* const begin = captured.data();
  Require(packet->body.data() >= begin &&
              packet->body.data() + packet->body.size() <= begin + captured.size(),
          "the body is a part of the frame");
  Require(packet->vlan.count <= VlanList::kMost, "no more tags than there is room for");
  const auto place = FindNetwork(link, captured);
  Require(place.has_value(), "what was found has an IP header");
  const auto alone = FindAnnouncement(LinkType::kRaw, captured.subspan(place->offset),
                                      wire_length - static_cast<uint32_t>(place->offset));
  Require(alone && alone->protocol == packet->protocol && alone->src == packet->src &&
              alone->dst == packet->dst && alone->cut_off == packet->cut_off &&
              alone->body.data() == packet->body.data() &&
              alone->body.size() == packet->body.size(),
          "the IP packet alone is the same");
  CheckReading(*packet);
}

}  // namespace
}  // namespace parallax::sensor

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax::sensor;
  if (size > 0) {
    const size_t pick = data[0];
    Check(pick % kLinks, kCutOff[pick / kLinks % std::size(kCutOff)], {data + 1, size - 1});
  }
  return 0;
}
