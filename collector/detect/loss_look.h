// One look at how much is lost: the same healthy targets asked once a second from several vantages,
// whatever is answered. Says who loses, how much, and over which targets. Pure: numbers in, numbers
// out.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "collector/detect/vantage.h"
#include "common/records.h"

namespace parallax::collector {

struct LossTally {
  unsigned sent = 0;
  unsigned lost = 0;
  LossTally& operator+=(const LossTally& other) {
    sent += other.sent;
    lost += other.lost;
    return *this;
  }
  double share() const { return sent == 0 ? 0 : static_cast<double>(lost) / sent; }
};

class LossLook {
 public:
  // Tries of a report stand in the order in which they were made, one a second from `first` on.
  void Add(VantageId sensor, const ProbeReport& report, size_t first = 0);

  // Loss in so many different seconds that it was no burst, beside answers in the same seconds.
  bool Loses(VantageId sensor) const;
  // So little loss that it is hardly the chance of one that loses that share.
  bool Spares(VantageId sensor, double share) const;
  // Do all of its targets lose alike, as they do behind a link that they share? False if they
  // differ more than chance would have it.
  bool IsEven(VantageId sensor) const;
  LossTally Of(VantageId sensor) const;
  // Of its targets, those that lose more than chance has it; all that lose any if they lose alike.
  std::map<IpAddress, LossTally> Hit(VantageId sensor) const;
  LossTally OfHit(VantageId sensor) const;
  // Of the sensor and target alone.
  const std::map<std::pair<VantageId, IpAddress>, LossTally>& pairs() const { return pairs_; }
  std::vector<VantageId> sensors() const;

 private:
  static constexpr size_t kFewestSeconds = 3;
  static constexpr unsigned kSolid = 4;
  static constexpr unsigned kFewestLost = 3;
  static constexpr double kLeastShare = 0.02;
  static constexpr double kNoChance = 0.02;
  static constexpr double kDeviationsEven = 3;
  static constexpr unsigned kNotChance = 2;  // lost to one target

  // By second: one in which nothing is answered belongs to an outage, and is no loss.
  std::map<VantageId, std::map<size_t, LossTally>> seconds_;
  std::map<VantageId, LossTally> sensors_;
  // Lost tries by how they lie: a few in a row, or so many that nothing got through for a while.
  std::map<VantageId, unsigned> scattered_;
  std::map<VantageId, unsigned> solid_;
  std::map<std::pair<VantageId, IpAddress>, LossTally> pairs_;
};

}  // namespace parallax::collector
