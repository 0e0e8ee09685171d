#include "tests/unit/collector/store/recording_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cassert>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <utility>

namespace parallax::collector {
namespace {

using Kind = RecordingVfs::Operation::Kind;

constexpr const char* kName = "recording";
constexpr size_t kSector = 512;

RecordingVfs* recorder = nullptr;

sqlite3_vfs* Real() { return sqlite3_vfs_find("unix"); }

// What SQLite allocates for a file: ours, and the real one behind it.
struct File {
  sqlite3_file base;
  const std::string* name;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
sqlite3_file* RealOf(sqlite3_file* file) { return Of(file)->real(); }

std::string NameOf(const char* path) { return std::filesystem::path(path).filename().string(); }

int Close(sqlite3_file* file) {
  const int code = RealOf(file)->pMethods->xClose(RealOf(file));
  delete Of(file)->name;
  return code;
}
int Read(sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
  return RealOf(file)->pMethods->xRead(RealOf(file), to, size, offset);
}
int Write(sqlite3_file* file, const void* from, int size, sqlite3_int64 offset) {
  recorder->Note({Kind::kWrite, *Of(file)->name, static_cast<uint64_t>(offset),
                  std::string(static_cast<const char*>(from), static_cast<size_t>(size))});
  return RealOf(file)->pMethods->xWrite(RealOf(file), from, size, offset);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  recorder->Note({Kind::kTruncate, *Of(file)->name, static_cast<uint64_t>(size)});
  return RealOf(file)->pMethods->xTruncate(RealOf(file), size);
}
int Sync(sqlite3_file* file, int) {
  recorder->Note({Kind::kSync, *Of(file)->name});
  return SQLITE_OK;  // what a real disk would keep is not looked at
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return RealOf(file)->pMethods->xFileSize(RealOf(file), size);
}
int Lock(sqlite3_file* file, int level) {
  return RealOf(file)->pMethods->xLock(RealOf(file), level);
}
int Unlock(sqlite3_file* file, int level) {
  return RealOf(file)->pMethods->xUnlock(RealOf(file), level);
}
int CheckReservedLock(sqlite3_file* file, int* reserved) {
  return RealOf(file)->pMethods->xCheckReservedLock(RealOf(file), reserved);
}
int FileControl(sqlite3_file* file, int what, void* argument) {
  return RealOf(file)->pMethods->xFileControl(RealOf(file), what, argument);
}
int SectorSize(sqlite3_file*) { return kSector; }
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** to) {
  return RealOf(file)->pMethods->xShmMap(RealOf(file), page, size, extend, to);
}
int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  return RealOf(file)->pMethods->xShmLock(RealOf(file), offset, n, flags);
}
void ShmBarrier(sqlite3_file* file) { RealOf(file)->pMethods->xShmBarrier(RealOf(file)); }
int ShmUnmap(sqlite3_file* file, int remove) {
  return RealOf(file)->pMethods->xShmUnmap(RealOf(file), remove);
}

constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

int Open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
  int existed = 0;
  Of(file)->base.pMethods = nullptr;
  if (path != nullptr) {
    Real()->xAccess(Real(), path, SQLITE_ACCESS_EXISTS, &existed);
  }
  const int code = Real()->xOpen(Real(), path, RealOf(file), flags, out_flags);
  if (code != SQLITE_OK) {
    return code;
  }
  Of(file)->name = new std::string(path != nullptr ? NameOf(path) : "temporary");
  Of(file)->base.pMethods = &kMethods;
  if (existed == 0) {
    recorder->Note({Kind::kCreate, *Of(file)->name});
  } else {
    recorder->NoteAppearance(path);
  }
  return SQLITE_OK;
}
int Delete(sqlite3_vfs*, const char* path, int sync_folder) {
  const int code = Real()->xDelete(Real(), path, sync_folder);
  if (code == SQLITE_OK) {
    recorder->Note({Kind::kDelete, NameOf(path), 0, {}, sync_folder != 0});
  }
  return code;
}
int Access(sqlite3_vfs*, const char* path, int what, int* yes) {
  return Real()->xAccess(Real(), path, what, yes);
}
int FullPathname(sqlite3_vfs*, const char* path, int size, char* out) {
  return Real()->xFullPathname(Real(), path, size, out);
}
int Randomness(sqlite3_vfs*, int size, char* out) { return Real()->xRandomness(Real(), size, out); }
int Sleep(sqlite3_vfs*, int micros) { return Real()->xSleep(Real(), micros); }
int CurrentTime(sqlite3_vfs*, double* now) { return Real()->xCurrentTime(Real(), now); }
int GetLastError(sqlite3_vfs*, int size, char* text) {
  return Real()->xGetLastError(Real(), size, text);
}

sqlite3_vfs& Ours() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs made{};
    made.iVersion = 1;
    made.szOsFile = static_cast<int>(sizeof(File)) + Real()->szOsFile;
    made.mxPathname = Real()->mxPathname;
    made.zName = kName;
    made.xOpen = Open;
    made.xDelete = Delete;
    made.xAccess = Access;
    made.xFullPathname = FullPathname;
    made.xRandomness = Randomness;
    made.xSleep = Sleep;
    made.xCurrentTime = CurrentTime;
    made.xGetLastError = GetLastError;
    return made;
  }();
  return vfs;
}

// A file as the disk has it, and what was asked since.
struct Disk {
  std::optional<std::string> durable;
  std::vector<const RecordingVfs::Operation*> pending;  // never kSync
};

void Do(const RecordingVfs::Operation& operation, std::optional<std::string>& content) {
  switch (operation.kind) {
    case Kind::kCreate:
      content = "";
      break;
    case Kind::kTruncate:
      if (content) {
        content->resize(operation.offset);
      }
      break;
    case Kind::kDelete:
      content.reset();
      break;
    case Kind::kWrite:
      if (content) {
        content->resize(std::max(content->size(), operation.offset + operation.bytes.size()));
        content->replace(operation.offset, operation.bytes.size(), operation.bytes);
      }
      break;
    case Kind::kSync:
      break;
  }
}

// Some of its sectors.
void Tear(const RecordingVfs::Operation& write, std::optional<std::string>& content,
          std::mt19937_64& random) {
  for (size_t at = 0; at < write.bytes.size();) {
    const size_t size = std::min(kSector - (write.offset + at) % kSector, write.bytes.size() - at);
    if (random() % 2 == 0) {
      Do({Kind::kWrite, write.file, write.offset + at, write.bytes.substr(at, size)}, content);
    }
    at += size;
  }
}

}  // namespace

RecordingVfs::RecordingVfs(Files before) : before_(std::move(before)) {
  assert(recorder == nullptr);
  recorder = this;
  sqlite3_vfs_register(&Ours(), 1);
}

void RecordingVfs::Stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  sqlite3_vfs_unregister(&Ours());
  sqlite3_vfs_register(Real(), 1);
  recorder = nullptr;
}

void RecordingVfs::NoteAppearance(const std::string& path) {
  const std::string name = NameOf(path.c_str());
  const auto known = [&](const Operation& operation) { return operation.file == name; };
  if (before_.contains(name) || std::ranges::any_of(operations_, known)) {
    return;
  }
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  Note({Kind::kCreate, name});
  Note({Kind::kWrite, name, 0, content.str()});
  Note({Kind::kSync, name});
}

RecordingVfs::Files RecordingVfs::AfterPowerLoss(size_t operations, uint64_t seed) const {
  std::map<std::string, Disk> disks;
  for (const auto& [file, content] : before_) {
    disks[file].durable = content;
  }
  for (size_t i = 0; i < operations; ++i) {
    const Operation& operation = operations_[i];
    Disk& disk = disks[operation.file];
    if (operation.kind == Kind::kSync || (operation.kind == Kind::kDelete && operation.synced)) {
      for (const Operation* one : disk.pending) {
        Do(*one, disk.durable);
      }
      disk.pending.clear();
      Do(operation, disk.durable);
    } else {
      disk.pending.push_back(&operation);
    }
  }
  // Of what is pending: all, nothing, the beginning, or anything.
  std::mt19937_64 random(seed);
  Files left;
  for (auto& [file, disk] : disks) {
    const uint64_t manner = random() % 4;
    const size_t beginning = disk.pending.empty() ? 0 : random() % disk.pending.size();
    for (size_t i = 0; i < disk.pending.size(); ++i) {
      const Operation& operation = *disk.pending[i];
      const bool kept =
          manner == 0 || (manner == 2 && i < beginning) || (manner == 3 && random() % 2 == 0);
      if (operation.kind == Kind::kCreate) {  // in the folder or not: the content comes and goes
        disk.durable = manner == 1 ? disk.durable : std::optional<std::string>("");
      } else if (kept) {
        Do(operation, disk.durable);
      } else if (operation.kind == Kind::kWrite && manner != 1 && random() % 2 == 0) {
        Tear(operation, disk.durable, random);
      }
    }
    if (disk.durable) {
      left[file] = std::move(*disk.durable);
    }
  }
  return left;
}

}  // namespace parallax::collector
