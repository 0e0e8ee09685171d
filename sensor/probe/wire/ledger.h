// The exact table of probes in flight: gives each probe its identity, and says of each answer
// whether it answers one of them. An answer counts only if the table and the keyed tag agree.
// Probes that nobody waits for any more are remembered a while, so that late and repeated answers
// can be told from forged ones. Pure; owned by the probe thread. Bounded: `capacity` probes in all,
// 96 bytes each, forgetting the ended ones first, oldest first.
//
// What must agree, besides method, target and the target's port:
//   echo reply         identifier, sequence, and the payload's id and tag
//   SYN-ACK, RST       our port, and the acknowledged sequence number (32 bits, keyed)
//   ACK                likewise, of any probe of the flow that is remembered: if the target says
//                      that one again, another SYN has come to it (RFC 9293 3.10.7.4). Answers a
//                      younger one that is still waited for and goes at least as far, or one that
//                      the named one has overtaken. Once for each that is named
//   UDP reply          our port (keyed), and the payload's id and tag if it echoes a probe; else it
//                      names none: of the flow's last ones that with the highest TTL of which
//                      nothing was heard is answered
//   quote in an error  our port and the sequence; where a NAT has changed our port or the checksum:
//                      the payload's id and tag, TCP's 32-bit sequence, or for UDP, if our port
//                      stands, the IP identification. A tag that is there must be right.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "common/siphash.h"
#include "common/time.h"
#include "sensor/probe/wire/tagger.h"

namespace parallax::sensor {

// On whose behalf a probe was sent; handed back with its answer.
struct ProbeOwner {
  enum class Kind : uint8_t { kOrder, kGateway, kSweep, kTrace };
  static constexpr size_t kKinds = 4;
  Kind kind = Kind::kOrder;
  uint32_t index = 0;   // kOrder: which try
  uint64_t serial = 0;  // the owner's own number
};

struct AnswerCounts {
  uint64_t accepted = 0;
  uint64_t late = 0;       // to a probe of ours that was no longer waited for
  uint64_t duplicate = 0;  // to a probe of ours that was answered already
  uint64_t forged = 0;   // for a flow of ours, but tag, acknowledgement or source is wrong; of TCP
                         // also what another process of this host has asked for
  uint64_t foreign = 0;  // somebody else's ping or connection
};

// What an answer belongs to.
struct ProbeMatch {
  ProbeOwner owner;
  uint64_t probe_id = 0;
  Duration rtt{};
  uint8_t ttl = 0;    // that the probe was sent with
  bool nat = false;   // the quote has another source port or checksum than we sent
  bool late = false;  // the probe was closed before: evidence, but not an answer in time
};

class ProbeLedger {
 public:
  ProbeLedger(const ProbeTagger& tagger, size_t capacity);

  // A new probe, in flight from `now` on; nullopt if `capacity` probes are in flight.
  std::optional<Probe> Open(const IpAddress& target, uint32_t scope, const ProbeTry& attempt,
                            uint8_t ttl, const ProbeOwner& owner, MonoTime now);

  // The exact time at which the probe left, where it is known better than at Open.
  void SetSent(uint64_t probe_id, MonoTime at);

  // Who is waiting for the probe's answer; nullopt: nobody any more.
  std::optional<ProbeOwner> OwnerOf(uint64_t probe_id) const;

  // No answer to the probe is waited for any more.
  void Close(uint64_t probe_id, MonoTime now);

  // Whose answer it is, if it is one of ours: accepted, or `late`. Else nullopt, and it has been
  // counted as what it is. Of each probe the first error of a router, the first redirect and the
  // first answer of the target, which may be an error, count; the rest are duplicates.
  std::optional<ProbeMatch> OnAnswer(const Answer& answer, MonoTime received);

  const AnswerCounts& counts() const { return counts_; }
  size_t in_flight() const { return in_flight_; }
  size_t capacity() const { return capacity_; }

 private:
  using Slot = uint32_t;
  static constexpr Slot kNone = UINT32_MAX;
  static constexpr unsigned kMostIdsTried = 1024;

  struct Entry {
    Probe probe;  // probe.id == 0: the slot is free
    ProbeOwner owner;
    MonoTime sent;
    Slot older = kNone;  // TCP, UDP: neighbours within the flow
    Slot younger = kNone;
    bool open = false;
    bool answered = false;
    bool errored = false;
    bool redirected = false;
    bool acked = false;  // an ACK has named it
  };
  struct Ended {
    MonoTime forget_at;
    uint64_t probe_id;
  };

  // Hash -> slot: open addressing, several slots may share a hash.
  class SlotIndex {
   public:
    SlotIndex();
    void Insert(uint64_t hash, Slot slot);
    void Erase(uint64_t hash, Slot slot);
    // The slots under `hash`, in no particular order, until `visit` returns true.
    template <typename Visit>
    bool Find(uint64_t hash, Visit&& visit) const;

   private:
    struct Cell {
      uint32_t hash = 0;  // low half: who looks compares the probe itself
      Slot slot = kNone;
    };
    std::vector<Cell> cells_;  // a power of two of them, at most half in use
    size_t used_ = 0;
  };

  uint64_t WireHash(const IpAddress& target, ProbeMethod method, uint16_t port,
                    uint32_t number) const;
  const Entry* FindById(uint64_t probe_id) const;
  Entry* FindById(uint64_t probe_id);
  Entry* FindBySequence(const Answer& answer, uint32_t sequence);
  Entry* FindByTag(const Answer& answer);
  static uint8_t Reach(const Entry& entry);  // the TTL it was sent with
  static unsigned LikelihoodOfReply(const Entry& entry);
  Entry* FindByFlow(const Answer& answer);
  Entry* FindByAck(Entry& named, const Answer& answer);
  Entry* FindMatch(const Answer& answer);
  // The slot that holds the sequence of `probe`, whose wire hash is `hash`; kNone: none does.
  Slot TakenBy(const Probe& probe, uint64_t hash) const;
  uint64_t FlowHash(const Probe& probe) const;
  Slot YoungestOf(const IpAddress& target, ProbeMethod method, uint16_t port,
                  uint16_t flow_port) const;
  void JoinFlow(Slot slot);
  void LeaveFlow(Slot slot);
  void Forget(Slot slot);
  void ForgetOldest();
  void CountUnmatched(const Answer& answer);

  const ProbeTagger& tagger_;
  const size_t capacity_;
  const HashKey key_ = ProcessHashKey();
  uint64_t next_number_ = 1;
  std::vector<Entry> entries_;  // grows with need
  std::vector<Slot> free_;
  SlotIndex by_wire_;
  SlotIndex by_flow_;        // TCP, UDP: the youngest of each flow
  std::deque<Ended> ended_;  // in the order in which they ended; some may be forgotten already
  size_t in_flight_ = 0;
  AnswerCounts counts_;
};

}  // namespace parallax::sensor
