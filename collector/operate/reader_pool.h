// Read-only connections for whoever asks next. Thread-safe; a borrowed Reader belongs to its
// borrower until it goes back.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "collector/store/reader.h"

namespace parallax::collector {

class ReaderPool {
 public:
  class Loan {
   public:
    Loan(ReaderPool& pool, std::unique_ptr<Reader> reader)
        : pool_(&pool), reader_(std::move(reader)) {}
    Loan(Loan&&) noexcept = default;
    Loan& operator=(Loan&&) = delete;
    ~Loan() {
      if (reader_) {
        pool_->Return(std::move(reader_));
      }
    }
    Reader* operator->() const { return reader_.get(); }

   private:
    ReaderPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  // At most `keep` idle connections stay open.
  ReaderPool(std::string path, Duration time_limit, size_t keep)
      : path_(std::move(path)), time_limit_(time_limit), keep_(keep) {}

  Result<Loan> Borrow();

 private:
  void Return(std::unique_ptr<Reader> reader);

  const std::string path_;
  const Duration time_limit_;
  const size_t keep_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_;
};

}  // namespace parallax::collector
