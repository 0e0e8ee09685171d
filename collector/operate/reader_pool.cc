#include "collector/operate/reader_pool.h"

namespace parallax::collector {

Result<ReaderPool::Loan> ReaderPool::Borrow() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      Loan loan(*this, std::move(idle_.back()));
      idle_.pop_back();
      return loan;
    }
  }
  auto reader = Reader::Open(path_, time_limit_);
  if (!reader) {
    return tl::make_unexpected(reader.error());
  }
  return Loan(*this, std::move(*reader));
}

void ReaderPool::Return(std::unique_ptr<Reader> reader) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < keep_) {
    idle_.push_back(std::move(reader));
  }
}

}  // namespace parallax::collector
