// Decides when a certificate is renewed: at a third of its life, +-5 %, so that a thousand hosts
// that were set up together do not come together; at once if that is over; soon if its CA is on the
// way out; after a failure again, ever less often. Pure: the time is handed in.
//
//   (nothing held) --Hold--> waiting --third of its life, or Hurry--> due --Hold--> waiting
//                               ^                                      |
//                               \-------------- NoteFailure -----------/
#pragma once

#include <cstdint>
#include <random>

#include "common/time.h"

namespace parallax {

class RenewalPlan {
 public:
  explicit RenewalPlan(uint64_t seed) : random_(seed) {}

  // A certificate, made and ending then. Forgets failures.
  void Hold(WallTime issued_at, WallTime expires_at);
  // The held one should be replaced within a twentieth of its life, or ten minutes if that is less.
  void Hurry(WallTime now);
  // It was due and could not be renewed.
  void NoteFailure(WallTime now);

  bool Due(WallTime now) const { return now >= next_; }
  bool Expired(WallTime now) const { return now >= expires_at_; }
  // When it is due, the first time or again.
  WallTime next() const { return next_; }

 private:
  Duration Life() const { return expires_at_ - issued_at_; }
  // `d` times something between `least` and `most`.
  Duration Around(Duration d, double least, double most);

  std::mt19937_64 random_;
  WallTime issued_at_;
  WallTime expires_at_;
  WallTime next_;
  Duration retry_{};  // zero: no failure yet
};

}  // namespace parallax
