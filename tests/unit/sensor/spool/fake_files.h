// A disk in memory that forgets, on power loss, what was not synced: any part of it, torn at
// sectors and in any order. And that fails when it is told to.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sensor/spool/spool_files.h"

namespace parallax::sensor {

struct FakeDisk {
  struct Write {
    uint64_t offset = 0;
    std::string bytes;
  };
  struct File {
    std::string content;         // as a running system sees it
    std::string durable;         // as it is on the disk for sure
    std::vector<Write> pending;  // written, not synced
  };

  std::map<std::string, std::shared_ptr<File>> files;
  std::map<std::string, std::shared_ptr<File>> durable_names;
  // Called before each operation that changes something, or reads ("write", "read", "sync", "open",
  // "remove", "sync_folder"); an error makes it fail.
  std::function<Result<void>(std::string_view operation)> before = [](std::string_view) {
    return Result<void>();
  };
  // A write that fails writes this much first.
  size_t short_write = 0;
  std::shared_ptr<std::mutex> mutex = std::make_shared<std::mutex>();

  // What is on the disk when the power comes back.
  FakeDisk AfterPowerLoss(uint64_t seed) const {
    constexpr size_t kSector = 512;
    std::mt19937_64 random(seed);
    const auto coin = [&] { return random() % 2 == 0; };
    FakeDisk out;
    std::map<std::string, std::shared_ptr<File>> names = durable_names;
    for (const auto& [name, file] : files) {
      if (!durable_names.contains(name) && coin()) {
        names[name] = file;
      }
    }
    for (const auto& [name, file] : durable_names) {
      if (!files.contains(name) && coin()) {
        names.erase(name);
      }
    }
    for (const auto& [name, file] : names) {
      std::string content = file->durable;
      std::vector<Write> writes = file->pending;
      std::shuffle(writes.begin(), writes.end(), random);
      for (const Write& write : writes) {
        for (size_t at = 0; at < write.bytes.size(); at += kSector) {
          if (coin()) {
            continue;
          }
          const std::string_view part = std::string_view(write.bytes).substr(at, kSector);
          content.resize(std::max(content.size(), write.offset + at + part.size()), '\0');
          content.replace(write.offset + at, part.size(), part);
        }
      }
      auto made = std::make_shared<File>();
      made->content = made->durable = content;
      out.files[name] = out.durable_names[name] = made;
    }
    return out;
  }
};

class FakeFile final : public SpoolFile {
 public:
  FakeFile(FakeDisk& disk, std::shared_ptr<FakeDisk::File> file)
      : disk_(disk), file_(std::move(file)) {}

  Result<void> Write(uint64_t offset, std::string_view bytes) override {
    std::lock_guard lock(*disk_.mutex);
    const Result<void> may = disk_.before("write");
    const std::string_view part = may ? bytes : bytes.substr(0, disk_.short_write);
    if (!part.empty()) {
      file_->content.resize(std::max<size_t>(file_->content.size(), offset + part.size()), '\0');
      file_->content.replace(offset, part.size(), part);
      file_->pending.push_back({offset, std::string(part)});
    }
    return may;
  }
  Result<std::string> Read(uint64_t offset, size_t size) override {
    std::lock_guard lock(*disk_.mutex);
    if (auto may = disk_.before("read"); !may) {
      return tl::make_unexpected(may.error());
    }
    return offset >= file_->content.size() ? std::string() : file_->content.substr(offset, size);
  }
  Result<void> Sync() override {
    std::lock_guard lock(*disk_.mutex);
    if (auto may = disk_.before("sync"); !may) {
      return may;
    }
    file_->durable = file_->content;
    file_->pending.clear();
    return {};
  }

 private:
  FakeDisk& disk_;
  std::shared_ptr<FakeDisk::File> file_;
};

class FakeFiles final : public SpoolFiles {
 public:
  explicit FakeFiles(FakeDisk& disk) : disk_(disk) {}

  Result<std::vector<Entry>> List() override {
    std::lock_guard lock(*disk_.mutex);
    std::vector<Entry> out;
    for (const auto& [name, file] : disk_.files) {
      out.push_back({name, file->content.size()});
    }
    return out;
  }
  Result<std::shared_ptr<SpoolFile>> Open(const std::string& name) override {
    std::lock_guard lock(*disk_.mutex);
    if (!disk_.files.contains(name)) {
      if (auto may = disk_.before("open"); !may) {
        return tl::make_unexpected(may.error());
      }
      disk_.files[name] = std::make_shared<FakeDisk::File>();
    }
    return std::shared_ptr<SpoolFile>(new FakeFile(disk_, disk_.files[name]));
  }
  Result<void> Remove(const std::string& name) override {
    std::lock_guard lock(*disk_.mutex);
    if (auto may = disk_.before("remove"); !may) {
      return may;
    }
    disk_.files.erase(name);
    return {};
  }
  Result<void> SyncFolder() override {
    std::lock_guard lock(*disk_.mutex);
    if (auto may = disk_.before("sync_folder"); !may) {
      return may;
    }
    disk_.durable_names = disk_.files;
    return {};
  }

 private:
  FakeDisk& disk_;
};

}  // namespace parallax::sensor
