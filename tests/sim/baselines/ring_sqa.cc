#include "tests/sim/baselines/ring_sqa.h"

#include <algorithm>

namespace parallax::sim {
namespace {

constexpr size_t kSlots = 30;
constexpr size_t kLast = 3;
constexpr size_t kAtFirst = 99;

}  // namespace

RingSqaBuffer::RingSqaBuffer() : sizes_(kSlots, kAtFirst) {}

void RingSqaBuffer::Push(size_t failed) {
  sizes_.pop_front();
  sizes_.push_back(failed);
}

bool RingSqaBuffer::Raised() const {
  std::vector<size_t> before(sizes_.begin(), sizes_.end() - kLast);
  std::sort(before.begin(), before.end());
  const auto floor = static_cast<double>(before[before.size() / 2] + 1);
  return std::all_of(sizes_.end() - kLast, sizes_.end(), [&](size_t size) {
    const auto failed = static_cast<double>(size);
    return failed > 1.2 * floor && failed > floor + 10;
  });
}

void RingSqa::Step(PingView& view) {
  nodes_.resize(view.sensors());
  for (size_t s = 0; s < nodes_.size(); ++s) {
    for (size_t t = 0; t < view.targets(); ++t) {
      nodes_[s].failed += view.CanPing(s, t) && !view.PingUdp(s, t) ? 1 : 0;
    }
  }
  half_ = !half_;
  if (half_) {
    return;
  }
  bool raised = false;
  for (Node& node : nodes_) {
    node.buffer.Push(node.failed);
    node.failed = 0;
    raised = raised || node.buffer.Raised();
  }
  Say(Claim::kNode, raised);
}

}  // namespace parallax::sim
