#include "sensor/capture/bpf_announcements.h"

#include <array>

#include "sensor/capture/announcement_packet.h"

namespace parallax::sensor {
namespace {

using Label = BpfAssembler::Label;
constexpr Label kNext = BpfAssembler::kNext;
constexpr uint32_t kValue = 1;  // memory cell of a value that must outlive some arithmetic

class Writer {
 public:
  Writer(uint32_t base, const AnnouncementLabels& labels, BpfAssembler& a)
      : base_(base), labels_(labels), a_(a) {}

  void Write() {
    const Label upper4 = a_.NewLabel();
    const Label udp4 = a_.NewLabel();
    const Label udp6 = a_.NewLabel();
    a_.Bind(labels_.ipv4_authentication);
    PassAuthentication();
    a_.Jump(upper4);
    a_.Bind(labels_.ipv4);
    PassIpv4();
    a_.Bind(upper4);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoUdp, udp4);
    WriteTypes(wire::kProtoIcmp, {wire::kIcmpRedirect, wire::kIcmpRouterAdvertisement},
               wire::kOspf2Hello);
    a_.Bind(labels_.ipv6);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoUdp, udp6);
    WriteTypes(wire::kProtoIcmpv6, {wire::kIcmpv6RouterAdvertisement, wire::kIcmpv6Redirect},
               wire::kOspf3Hello);
    a_.Bind(udp4);
    WriteUdp4();
    a_.Bind(udp6);
    WriteUdp6();
    a_.Bind(accept_);
    a_.Return(kAnnouncementSnapLength);
    a_.Bind(reject_);
    a_.Return(0);
  }

 private:
  // Leaves the next protocol in A and moves X behind the header.
  void PassAuthentication() {
    a_.LoadByte(base_);
    a_.Store(kValue);
    a_.LoadByte(base_ + 1);
    a_.Add(2);
    a_.ShiftLeft(2);
    a_.AddX();
    a_.AToX();
    a_.Recall(kValue);
  }

  // Keeps the protocol in A and moves X behind the header.
  void PassIpv4() {
    const Label wanted = a_.NewLabel();
    a_.JumpIf(BpfTest::kEqual, wire::kProtoUdp, wanted);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoIcmp, wanted);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoOspf, kNext, reject_);
    a_.Bind(wanted);
    a_.Store(kValue);
    a_.PassIpv4Header(base_, reject_);
    a_.Recall(kValue);
  }

  // A: the protocol, X: its header. Two ICMP types, and a version and type of OSPF.
  void WriteTypes(uint8_t icmp, const std::array<uint8_t, 2>& types, uint16_t ospf) {
    const Label not_icmp = a_.NewLabel();
    a_.JumpIf(BpfTest::kEqual, icmp, kNext, not_icmp);
    a_.LoadByte(base_);
    a_.JumpIf(BpfTest::kEqual, types[0], accept_);
    a_.JumpIf(BpfTest::kEqual, types[1], accept_, reject_);
    a_.Bind(not_icmp);
    a_.JumpIf(BpfTest::kEqual, wire::kProtoOspf, kNext, reject_);
    a_.LoadHalf(base_);
    a_.JumpIf(BpfTest::kEqual, ospf, accept_, reject_);
  }

  void WriteUdp4() {
    const Label not_dhcp = a_.NewLabel();
    a_.LoadHalf(base_ + 2);
    a_.JumpIf(BpfTest::kEqual, wire::kPortRip, accept_);
    a_.JumpIf(BpfTest::kEqual, wire::kPortDhcpClient, kNext, not_dhcp);
    a_.LoadHalf(base_);
    a_.JumpIf(BpfTest::kEqual, wire::kPortDhcpServer, accept_);
    a_.Bind(not_dhcp);
    a_.LoadHalf(base_);
    a_.JumpIf(BpfTest::kEqual, wire::kPortRip, accept_, reject_);
  }

  void WriteUdp6() {
    a_.LoadHalf(base_ + 2);
    a_.JumpIf(BpfTest::kEqual, wire::kPortRipng, accept_);
    a_.LoadHalf(base_);
    a_.JumpIf(BpfTest::kEqual, wire::kPortRipng, accept_, reject_);
  }

  const uint32_t base_;
  const AnnouncementLabels labels_;
  BpfAssembler& a_;
  const Label accept_ = a_.NewLabel();
  const Label reject_ = a_.NewLabel();
};

}  // namespace

void WriteAnnouncementFilter(uint32_t base, const AnnouncementLabels& labels, BpfAssembler& a) {
  Writer(base, labels, a).Write();
}

}  // namespace parallax::sensor
