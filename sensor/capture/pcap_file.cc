#include "sensor/capture/pcap_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pcap/pcap.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace parallax::sensor {
namespace {

constexpr size_t kReadAhead = size_t{1} << 19;

std::string LinkTypeName(int number) {
  const char* name = pcap_datalink_val_to_name(number);
  return name == nullptr ? fmt::format("number {}", number) : fmt::format("{} ({})", name, number);
}

std::string ReadableLinkTypes() {
  std::string names;
  for (const LinkType type : kAllLinkTypes) {
    names += names.empty() ? "" : ", ";
    names += ToString(type);
  }
  return names;
}

// What to do about a file that is a capture behind something else.
std::string Advice(std::span<const uint8_t> start) {
  struct Kind {
    std::string_view magic;
    const char* name;
    const char* reader;
  };
  static constexpr Kind kKinds[] = {{"\x1f\x8b", "gzip", "zcat"},
                                    {"\x28\xb5\x2f\xfd", "zstd", "zstdcat"},
                                    {"\xfd"
                                     "7zXZ",
                                     "xz", "xzcat"},
                                    {"BZh", "bzip2", "bzcat"}};
  for (const Kind& kind : kKinds) {
    if (start.size() >= kind.magic.size() &&
        std::memcmp(start.data(), kind.magic.data(), kind.magic.size()) == 0) {
      return fmt::format(
          "; it is compressed with {}: try {} FILE | parallax-sensor capture --read -", kind.name,
          kind.reader);
    }
  }
  return "";
}

}  // namespace

Result<PcapFile> PcapFile::Open(const std::string& path) {
  const bool standard_input = path == "-";
  UniqueFd fd;
  if (!standard_input) {
    fd = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) {
      return tl::make_unexpected(ErrnoError(path, errno));
    }
  }
  const std::string name = standard_input ? "standard input" : path;
  struct stat status {};
  const bool known = fstat(standard_input ? STDIN_FILENO : fd.get(), &status) == 0;
  if (known && S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: is a folder; name a pcap or pcapng file", name));
  }
  const bool regular = known && S_ISREG(status.st_mode);
  PcapFile file(name, std::move(fd), regular ? static_cast<uint64_t>(status.st_size) : 0);
  if (const auto header = file.ReadHeader(); !header) {
    return tl::make_unexpected(header.error());
  }
  return file;
}

Result<void> PcapFile::ReadHeader() {
  const auto no_capture = [&](std::string_view why) {
    const std::span<const uint8_t> start(buffer_.data() + begin_, end_ - begin_);
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: not a pcap or pcapng capture ({}){}", name_, why, Advice(start)));
  };
  size_t need = 1;
  SavedFrame frame;
  for (int item = 0; item < 2; ++item) {  // the format, then its header
    const bool pcapng = item == 1;
    if (pcapng && parser_.pcap_link_number()) {
      break;
    }
    for (bool parsed = false; !parsed;) {
      const auto filled = Fill(need);
      if (!filled) {
        return tl::make_unexpected(filled.error());
      }
      if (!*filled) {
        return no_capture(end_ == 0 ? "it is empty" : "it ends within its header");
      }
      const auto step = parser_.Parse({buffer_.data() + begin_, end_ - begin_}, frame);
      if (!step) {
        return no_capture(step.error().message);
      }
      parsed = step->step != CaptureParser::Step::kMore;
      need = parsed ? 1 : step->bytes;
      begin_ += parsed ? step->bytes : 0;
    }
  }
  if (const auto number = parser_.pcap_link_number(); number && !LinkTypeFromDlt(*number)) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: link type {} is not supported (supported: {})", name_,
                            LinkTypeName(*number), ReadableLinkTypes()));
  }
  return {};
}

Result<bool> PcapFile::Fill(size_t bytes) {
  if (end_ - begin_ >= bytes) {
    return true;
  }
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const int fd = file_ ? file_.get() : STDIN_FILENO;
  while (end_ < bytes) {
    // An item may claim to be long: memory grows with what is really there.
    if (buffer_.size() == end_ || buffer_.empty()) {
      buffer_.resize(std::max(kReadAhead, end_ * 2));
    }
    if (size_ == 0 && before_waiting_) {
      before_waiting_();
    }
    const ssize_t got = read(fd, buffer_.data() + end_, buffer_.size() - end_);
    if (got < 0) {
      return tl::make_unexpected(ErrnoError(name_, errno));
    }
    if (got == 0) {
      return false;
    }
    end_ += static_cast<size_t>(got);
    position_ += static_cast<uint64_t>(got);
  }
  return true;
}

Result<void> PcapFile::Discard(size_t bytes) {
  while (bytes > end_ - begin_) {
    bytes -= end_ - begin_;
    begin_ = end_ = 0;
    const auto filled = Fill(1);
    if (!filled) {
      return tl::make_unexpected(filled.error());
    }
    if (!*filled) {
      return Fail(ErrorCode::kFailure, fmt::format("{}: cut short or damaged after frame {} (a "
                                                   "block that ends beyond the end of the file)",
                                                   name_, frames_));
    }
  }
  begin_ += bytes;
  return {};
}

Result<bool> PcapFile::NextSaved(SavedFrame& saved) {
  const auto damaged = [&](std::string_view why) {
    return Fail(ErrorCode::kFailure,
                fmt::format("{}: cut short or damaged after frame {} ({})", name_, frames_, why));
  };
  for (size_t need = 1;;) {
    const auto filled = Fill(need);
    if (!filled) {
      return tl::make_unexpected(filled.error());
    }
    if (!*filled) {
      if (begin_ == end_) {
        return false;
      }
      return damaged("it ends within a frame or block");
    }
    const auto parsed = parser_.Parse({buffer_.data() + begin_, end_ - begin_}, saved);
    if (!parsed) {
      return damaged(parsed.error().message);
    }
    switch (parsed->step) {
      case CaptureParser::Step::kFrame:
        begin_ += parsed->bytes;
        ++frames_;
        return true;
      case CaptureParser::Step::kSkip:
        if (auto done = Discard(parsed->bytes); !done) {
          return tl::make_unexpected(done.error());
        }
        need = 1;
        break;
      case CaptureParser::Step::kMore:
        need = parsed->bytes;
        break;
    }
  }
}

Result<bool> PcapFile::Next(Frame& frame) {
  SavedFrame saved;
  for (;;) {
    const auto more = NextSaved(saved);
    if (!more) {
      return more;
    }
    if (!*more) {
      if (!unsupported_.empty()) {
        return tl::make_unexpected(NotSupported());
      }
      return false;
    }
    if (saved.link_type) {
      break;
    }
    ++unsupported_[saved.link_number];
  }
  frame = {.captured = saved.captured,
           .wire_length = saved.wire_length,
           .stamp = saved.stamp,
           .number = frames_,
           .link_type = *saved.link_type,
           .interface = saved.interface};
  return true;
}

Error PcapFile::NotSupported() const {
  std::string kinds;
  for (const auto& [number, count] : unsupported_) {
    kinds += fmt::format("{}{} of {}", kinds.empty() ? "" : ", ", count, LinkTypeName(number));
  }
  return {ErrorCode::kFailure,
          fmt::format("{}: of {} frames, these have a link type that is not supported: {} "
                      "(supported: {})",
                      name_, frames_, kinds, ReadableLinkTypes())};
}

}  // namespace parallax::sensor
