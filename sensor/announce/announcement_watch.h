// Who offers a gateway on the wires that this sensor listens to, told without repeating it for
// every packet. An announcement is a kind, a speaker, a gateway, a prefix and an interface; what is
// said of it may change: metric, withdrawal, the speaker's link-layer address.
//
//   never heard, or not for an hour --> told: at once
//   changed ------------------------> told: at once, or a second after it was last told
//   the same, a minute after it was last told --> told again; not if it is withdrawn
//
// Anybody on the wire can make up speakers, and must not push out those that are known. So there is
// a table for each kind; new ones are let in at a slow pace; and where it is full, a new one takes
// the place of the one that was not heard for longest, if that was heard just once and not in the
// last minute, or not in the last hour. What is turned away is counted. Those made up do compete
// with a true newcomer of the same kind.
//
// Pure; one thread. At most 5 x 64 entries with the default options, 100 KiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/records.h"
#include "common/time.h"
#include "sensor/announce/offer_reader.h"
#include "sensor/capture/announcement_packet.h"

namespace parallax::sensor {

struct AnnouncementWatchOptions {
  size_t entries = 64;        // of each kind
  double new_at_once = 16;    // of each kind
  double new_per_second = 1;  // of each kind
};

struct AnnouncementWatchStats {
  OfferCounts read;
  uint64_t told = 0;       // records
  uint64_t held_back = 0;  // offers of unknown gateways, because there were too many new ones
  uint64_t no_room = 0;    // likewise, because the table was full of others
};

class AnnouncementWatch {
 public:
  explicit AnnouncementWatch(const AnnouncementWatchOptions& options = {});

  void Hear(const CapturedAnnouncement& captured, std::vector<Record>& out);
  // Tells of the changes that had to wait. Call it every 10 ms or so.
  void Advance(MonoTime now, std::vector<Record>& out);

  AnnouncementWatchStats stats() const;

 private:
  struct Entry {
    Announcement announcement;  // its age left out
    std::optional<LinkAddress> link;
    MonoTime heard_at;
    MonoTime told_at;
    bool waiting = false;  // changed since it was last told
  };
  struct Table {
    std::vector<Entry> entries;
    double tokens = 0;  // for new ones
    MonoTime filled_at;
  };

  void Hear(const GatewayOffer& offer, const CapturedAnnouncement& captured,
            std::vector<Record>& out);
  // A place for a new entry; nullptr if it is turned away.
  Entry* Admit(Table& table, MonoTime now);
  bool TakeToken(Table& table, MonoTime now) const;
  void Tell(Entry& entry, MonoTime now, std::vector<Record>& out);

  const AnnouncementWatchOptions options_;
  OfferReader reader_;
  std::array<Table, kAnnouncementKinds> tables_;
  AnnouncementWatchStats stats_;
  bool waiting_ = false;  // one entry or more
  std::vector<GatewayOffer> offers_;
};

// The record of an offer by itself, as if it were heard for the first time.
Announcement ToAnnouncement(const GatewayOffer& offer, const CapturedAnnouncement& captured);

}  // namespace parallax::sensor
