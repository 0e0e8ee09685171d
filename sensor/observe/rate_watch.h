// Is a rate still what it usually is? A one-sided CUSUM (Page, 1954; for SYN floods: Wang, Zhang
// and Shin, 2002) over counts per second: S := max(0, S + x - usual - slack), where `usual` is
// learnt while nothing is unusual. A new level
// becomes usual too, within forty minutes. Pure.
#pragma once

namespace parallax::sensor {

class RateWatch {
 public:
  // The next second's count. While `learning`, the quietest five seconds so far are taken for
  // usual: a flood may have begun meanwhile.
  void Second(double count, bool learning);

  double rate() const { return rate_; }    // per second, smoothed over some seconds
  double usual() const { return usual_; }  // per second
  // S in units of what is usual in a second (or of one, if that is more).
  double excess() const { return sum_ / (usual_ > 1 ? usual_ : 1); }

 private:
  double rate_ = 0;
  double usual_ = 0;
  double sum_ = 0;
  double block_sum_ = 0;
  int block_seconds_ = 0;
  bool learnt_ = false;
};

}  // namespace parallax::sensor
