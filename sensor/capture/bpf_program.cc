#include "sensor/capture/bpf_program.h"

#include "sensor/capture/bpf_announcements.h"

namespace parallax::sensor {
namespace {

using Label = BpfAssembler::Label;
constexpr Label kNext = BpfAssembler::kNext;
constexpr uint32_t kPassAll = 262144;  // libpcap's largest snapshot length

// Memory cells.
constexpr uint32_t kEnd = 0;    // where the IP packet ends, in terms of X
constexpr uint32_t kValue = 1;  // a value that must outlive some arithmetic

// Writes the program for one link type. Every block expects X to count the bytes from base_ to
// the layer at hand; with a fixed base_ every indirect load stays behind the link header, which
// cooked sockets demand (see BpfAssembler::LoadHalfAt).
class FilterWriter {
 public:
  FilterWriter(LinkType type, SegmentScope scope, AnnouncementScope announcements)
      : type_(type), scope_(scope), announcements_(announcements == AnnouncementScope::kAll) {}

  std::vector<BpfInstruction> Write() {
    a_.SetX(0);
    WriteLink();
    WriteMpls();
    WriteByVersion();
    WriteIpv4();
    WriteIpv6();
    WriteTcp();
    a_.Bind(accept_);
    a_.Return(kPassAll);
    a_.Bind(reject_);
    a_.Return(0);
    if (announcements_) {
      WriteAnnouncementFilter(base_, others_, a_);
    }
    return a_.Assemble();
  }

 private:
  void WriteLink() {
    switch (type_) {
      case LinkType::kEthernet:
        base_ = 14;
        a_.LoadHalfAt(12);
        WriteEtherType();
        break;
      case LinkType::kLinuxSll:
      case LinkType::kLinuxSll2:
        base_ = type_ == LinkType::kLinuxSll ? 16 : 20;
        a_.LoadHalfAt(type_ == LinkType::kLinuxSll ? 14 : 0);
        WriteCooked();
        break;
      case LinkType::kRaw:
        a_.Jump(by_version_);
        break;
      case LinkType::kIpv4:
        a_.Jump(ipv4_);
        break;
      case LinkType::kIpv6:
        a_.Jump(ipv6_);
        break;
      case LinkType::kNull:
      case LinkType::kLoop:
        base_ = 4;
        WriteAddressFamily();
        break;
      case LinkType::kPpp:
        WriteAddressAndControl();
        WritePpp();
        break;
      case LinkType::kPppEther:
        WritePppoe();
        break;
      case LinkType::kCiscoHdlc:
        base_ = 4;
        a_.LoadHalfAt(2);
        DispatchEtherType();
        a_.Jump(reject_);
        break;
    }
  }

  // A: EtherType. Falls through if it is not one that leads straight to an IP header or to MPLS.
  void DispatchEtherType() {
    a_.JumpIf(BpfTest::kEqual, wire::kEtherIpv4, ipv4_);
    a_.JumpIf(BpfTest::kEqual, wire::kEtherIpv6, ipv6_);
    for (const uint16_t mpls : wire::kEtherMpls) {
      a_.JumpIf(BpfTest::kEqual, mpls, mpls_);
    }
  }

  void WriteCooked() {
    const Label fits = a_.NewLabel();
    a_.JumpIf(BpfTest::kGreaterOrEqual, wire::kEtherTypeLeast, fits);
    a_.JumpIf(BpfTest::kEqual, wire::kSllLlc, kNext, reject_);
    a_.Bind(fits);
    WriteEtherType();
  }

  // A: EtherType or length. Untagged IPv4 is out of here after one comparison.
  void WriteEtherType() {
    const Label not_tagged = a_.NewLabel();
    for (uint32_t tag = 1; tag <= wire::kVlanTags; ++tag) {
      const Label tagged = a_.NewLabel();
      a_.JumpIf(BpfTest::kEqual, wire::kEtherIpv4, ipv4_);
      a_.JumpIf(BpfTest::kEqual, wire::kEtherIpv6, ipv6_);
      for (const uint16_t vlan : wire::kEtherVlan) {
        a_.JumpIf(BpfTest::kEqual, vlan, tagged);
      }
      a_.Jump(not_tagged);
      a_.Bind(tagged);
      a_.LoadHalf(base_ + 2);
      a_.SetX(tag * 4);
    }
    a_.Bind(not_tagged);
    const Label has_type = a_.NewLabel();
    a_.JumpIf(BpfTest::kGreaterOrEqual, wire::kEtherTypeLeast, has_type);
    a_.LoadWord(base_);
    a_.And(0xffffff00);
    a_.JumpIf(BpfTest::kEqual, 0xaaaa0300, kNext, reject_);
    a_.LoadWord(base_ + 2);
    a_.And(0x00ffffff);
    const Label snap = a_.NewLabel();
    a_.JumpIf(BpfTest::kEqual, wire::kSnapOui, snap);
    a_.JumpIf(BpfTest::kEqual, wire::kSnapOuiBridge, kNext, reject_);
    a_.Bind(snap);
    a_.LoadHalf(base_ + 6);
    AdvanceKeepingA(8);
    a_.Bind(has_type);
    DispatchEtherType();
    a_.JumpIf(BpfTest::kEqual, wire::kEtherPppoeSession, kNext, reject_);
    WritePppoe();
  }

  void WritePppoe() {
    a_.LoadByte(base_ + 1);
    a_.JumpIf(BpfTest::kEqual, 0, kNext, reject_);
    Advance(6);
    WritePpp();
  }

  void WritePpp() {
    const Label compressed = a_.NewLabel();
    a_.LoadByte(base_);
    a_.JumpIf(BpfTest::kAny, 1, compressed);
    a_.LoadHalf(base_);
    AdvanceKeepingA(2);
    a_.JumpIf(BpfTest::kEqual, wire::kPppIpv4, ipv4_);
    a_.JumpIf(BpfTest::kEqual, wire::kPppIpv6, ipv6_);
    a_.JumpIf(BpfTest::kEqual, wire::kPppMpls, mpls_);
    a_.JumpIf(BpfTest::kEqual, wire::kPppMplsMulticast, mpls_, reject_);
    a_.Bind(compressed);
    AdvanceKeepingA(1);
    a_.JumpIf(BpfTest::kEqual, wire::kPppIpv4, ipv4_);
    a_.JumpIf(BpfTest::kEqual, wire::kPppIpv6, ipv6_, reject_);
  }

  void WriteAddressAndControl() {
    const Label compressed = a_.NewLabel();
    const Label cisco = a_.NewLabel();
    const Label ppp = a_.NewLabel();
    a_.LoadHalfAt(0);
    for (const uint16_t start : wire::kCiscoHdlcStart) {
      a_.JumpIf(BpfTest::kEqual, start, cisco);
    }
    a_.JumpIf(BpfTest::kEqual, 0xff03, kNext, compressed);
    a_.SetX(2);
    a_.Bind(compressed);
    a_.Jump(ppp);
    a_.Bind(cisco);
    a_.LoadHalfAt(2);
    a_.SetX(4);
    DispatchEtherType();
    a_.Jump(reject_);
    a_.Bind(ppp);
  }

  void WriteAddressFamily() {
    a_.LoadWordAt(0);
    const auto match = [&](uint32_t family, Label to) {
      a_.JumpIf(BpfTest::kEqual, family, to);
      if (type_ == LinkType::kNull) {
        a_.JumpIf(BpfTest::kEqual, family << 24, to);
      }
    };
    match(wire::kNullIpv4, ipv4_);
    for (const uint8_t family : wire::kNullIpv6) {
      match(family, ipv6_);
    }
    a_.Jump(reject_);
  }

  void WriteMpls() {
    a_.Bind(mpls_);
    const Label bottom = a_.NewLabel();
    for (int label = 0; label < wire::kMplsLabels; ++label) {
      const bool last = label + 1 == wire::kMplsLabels;
      const Label more = a_.NewLabel();
      a_.LoadByte(base_ + 2);
      a_.JumpIf(BpfTest::kAny, 1, bottom, last ? reject_ : more);
      a_.Bind(more);
      if (!last) {
        Advance(4);
      }
    }
    a_.Bind(bottom);
    Advance(4);
  }

  void WriteByVersion() {
    a_.Bind(by_version_);
    a_.LoadByte(base_);
    a_.And(0xf0);
    a_.JumpIf(BpfTest::kEqual, 0x40, ipv4_);
    a_.JumpIf(BpfTest::kEqual, 0x60, ipv6_, reject_);
  }

  void WriteIpv4() {
    a_.Bind(ipv4_);
    a_.LoadHalf(base_ + 6);
    a_.JumpIf(BpfTest::kAny, 0x1fff, reject_);  // a later fragment
    a_.LoadByte(base_ + 9);
    const Label wanted = a_.NewLabel();
    a_.JumpIf(BpfTest::kEqual, wire::kProtoTcp, wanted);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoAh, kNext, others_.ipv4);
    a_.Bind(wanted);
    a_.Store(kValue);

    const Label has_length = a_.NewLabel();
    const Label end_known = a_.NewLabel();
    a_.LoadHalf(base_ + 2);
    a_.JumpIf(BpfTest::kEqual, 0, kNext, has_length);
    a_.LoadImmediate(0xffffffff);
    a_.Jump(end_known);
    a_.Bind(has_length);
    a_.AddX();
    a_.Bind(end_known);
    a_.Store(kEnd);

    a_.PassIpv4Header(base_, reject_);

    a_.Recall(kValue);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoTcp, tcp_);
    a_.LoadByte(base_);  // the next header field of AH
    a_.JumpIf(BpfTest::kEqual, wire::kProtoTcp, kNext, others_.ipv4_authentication);
    SkipHeader(2, 2);
    a_.Jump(tcp_);
  }

  void WriteIpv6() {
    a_.Bind(ipv6_);
    a_.LoadByte(base_);
    a_.And(0xf0);
    a_.JumpIf(BpfTest::kEqual, 0x60, kNext, reject_);
    const Label sized = a_.NewLabel();
    const Label end_known = a_.NewLabel();
    a_.LoadHalf(base_ + 4);
    a_.JumpIf(BpfTest::kEqual, 0, kNext, sized);
    a_.LoadByte(base_ + 6);
    a_.JumpIf(BpfTest::kEqual, wire::kExtHopByHop, kNext, reject_);
    a_.LoadImmediate(0xffffffff);  // a jumbogram
    a_.Jump(end_known);
    a_.Bind(sized);
    a_.Add(40);
    a_.AddX();
    a_.Bind(end_known);
    a_.Store(kEnd);
    a_.LoadByte(base_ + 6);
    AdvanceKeepingA(40);
    for (int header = 0; header < wire::kExtensionHeaders; ++header) {
      WriteExtensionHeader();
    }
    a_.JumpIf(BpfTest::kEqual, wire::kProtoTcp, tcp_, others_.ipv6);
  }

  // A: the kind of header at X. Leaves the next kind in A and moves X behind this one.
  void WriteExtensionHeader() {
    const Label plain = a_.NewLabel();
    const Label fragment = a_.NewLabel();
    const Label authentication = a_.NewLabel();
    const Label done = a_.NewLabel();
    a_.JumpIf(BpfTest::kEqual, wire::kProtoTcp, tcp_);
    a_.JumpIf(BpfTest::kEqual, wire::kExtHopByHop, plain);
    a_.JumpIf(BpfTest::kEqual, wire::kExtRouting, plain);
    a_.JumpIf(BpfTest::kEqual, wire::kExtDestination, plain);
    a_.JumpIf(BpfTest::kEqual, wire::kExtFragment, fragment);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoAh, authentication, others_.ipv6);
    a_.Bind(plain);
    NextHeader(1, 3);
    a_.Jump(done);
    a_.Bind(fragment);
    a_.LoadHalf(base_ + 2);
    a_.JumpIf(BpfTest::kAny, 0xfff8, reject_);
    a_.LoadByte(base_);
    AdvanceKeepingA(8);
    a_.Jump(done);
    a_.Bind(authentication);
    NextHeader(2, 2);
    a_.Bind(done);
  }

  void NextHeader(uint32_t plus, uint32_t shift) {
    a_.LoadByte(base_);
    a_.Store(kValue);
    SkipHeader(plus, shift);
    a_.Recall(kValue);
  }

  // X += (length byte + plus) << shift.
  void SkipHeader(uint32_t plus, uint32_t shift) {
    a_.LoadByte(base_ + 1);
    a_.Add(plus);
    a_.ShiftLeft(shift);
    a_.AddX();
    a_.AToX();
  }

  void WriteTcp() {
    a_.Bind(tcp_);
    a_.LoadHalf(base_ + 12);  // first the test that most traffic fails
    if (scope_ != SegmentScope::kAll) {
      a_.JumpIf(BpfTest::kAny, scope_ == SegmentScope::kSyn ? kTcpSyn : kTcpSyn | kTcpRst, kNext,
                reject_);
    }
    a_.JumpIf(BpfTest::kGreaterOrEqual, 0x5000, kNext, reject_);  // data offset
    a_.XToA();
    a_.Add(wire::kTcpLeast);
    a_.RecallX(kEnd);
    a_.JumpIfGreaterThanX(reject_, accept_);  // padding is not TCP
  }

  void Advance(uint32_t bytes) {
    a_.XToA();
    a_.Add(bytes);
    a_.AToX();
  }
  void AdvanceKeepingA(uint32_t bytes) {
    a_.Store(kValue);
    Advance(bytes);
    a_.Recall(kValue);
  }

  const LinkType type_;
  const SegmentScope scope_;
  const bool announcements_;
  BpfAssembler a_;
  uint32_t base_ = 0;
  const Label mpls_ = a_.NewLabel();
  const Label by_version_ = a_.NewLabel();
  const Label ipv4_ = a_.NewLabel();
  const Label ipv6_ = a_.NewLabel();
  const Label tcp_ = a_.NewLabel();
  const Label accept_ = a_.NewLabel();
  const Label reject_ = a_.NewLabel();
  // What is not TCP.
  const AnnouncementLabels others_ =
      announcements_ ? AnnouncementLabels{a_.NewLabel(), a_.NewLabel(), a_.NewLabel()}
                     : AnnouncementLabels{reject_, reject_, reject_};
};

}  // namespace

std::vector<BpfInstruction> MakeCaptureFilter(LinkType type, SegmentScope scope,
                                              AnnouncementScope announcements) {
  return FilterWriter(type, scope, announcements).Write();
}

}  // namespace parallax::sensor
