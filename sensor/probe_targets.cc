#include "sensor/probe_targets.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/config_text.h"
#include "common/fd.h"

namespace parallax::sensor {
namespace {

constexpr size_t kLongestName = 253;
constexpr size_t kLongestLine = 4096;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some editors begin a file with it

bool MayBeName(std::string_view word) {
  // What looks like an address or a prefix and is none is a typing mistake, not a name.
  const bool numeric = word.find_first_not_of("0123456789.") == std::string_view::npos;
  return !word.empty() && word.size() <= kLongestName && !numeric &&
         word.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
             std::string_view::npos;
}

// kNotFound: it has no address, or the resolver does not say.
Result<IpAddress> Resolve(const std::string& name, std::optional<Family> family) {
  addrinfo hints{};
  hints.ai_family = !family ? AF_UNSPEC : *family == Family::kV4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_DGRAM;  // each address once
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{}: cannot be resolved ({})", name, gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    std::array<uint8_t, 16> bytes;
    if (a->ai_family == AF_INET) {
      std::memcpy(bytes.data(), reinterpret_cast<const char*>(a->ai_addr) + 4, 4);
      return *IpAddress::FromBytes(std::span(bytes).first(4));
    }
    if (a->ai_family == AF_INET6) {
      std::memcpy(bytes.data(), reinterpret_cast<const char*>(a->ai_addr) + 8, 16);
      return *IpAddress::FromBytes(bytes);
    }
  }
  return Fail(ErrorCode::kNotFound, fmt::format("{}: has no address", name));
}

class Reader {
 public:
  explicit Reader(const TargetWords& wanted) : family_(wanted.family) {}

  // `place` stands before what is said of the word.
  Result<void> Add(const std::string& word, const std::string& place) {
    const auto added = Add(word);
    if (added) {
      return {};
    }
    std::string message = place + added.error().message;
    if (added.error().code != ErrorCode::kNotFound) {
      return Fail(added.error().code, std::move(message));
    }
    targets_.unresolved.push_back(std::move(message));
    return {};
  }

  Result<void> AddFile(const std::string& name);

  Targets& targets() { return targets_; }

 private:
  Result<void> Add(const std::string& word) {
    if (const auto address = IpAddress::Parse(word)) {
      return Add(word, Prefix(*address, address->bits()));
    }
    if (MayBeName(word)) {
      const auto address = Resolve(word, family_);
      return address ? targets_.list.Add(Prefix(*address, address->bits()))
                     : Result<void>(tl::make_unexpected(address.error()));
    }
    const auto prefix = Prefix::Parse(word);
    if (prefix) {
      return Add(word, *prefix);
    }
    return Fail(ErrorCode::kUsage, word.size() <= kLongestName
                                       ? Printable(prefix.error().message)
                                       : fmt::format("{}: no target", Printable(Shorten(word))));
  }
  Result<void> Add(const std::string& word, const Prefix& prefix) {
    if (family_ && *family_ != prefix.address().family()) {
      return Fail(ErrorCode::kUsage, fmt::format("{}: not of the family that was asked for", word));
    }
    return targets_.list.Add(prefix);
  }

  const std::optional<Family> family_;
  Targets targets_;
};

std::string_view Trimmed(std::string_view line) {
  line = line.substr(0, line.find('#'));
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  const size_t first = line.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

// The next line without its end; nullopt: there is none, or the file cannot be read.
Result<std::optional<std::string>> ReadLine(FILE* file) {
  std::string line;
  int c = std::getc(file);
  for (; c != EOF && c != '\n'; c = std::getc(file)) {
    if (c == '\0') {
      return Fail(ErrorCode::kUsage, "a byte 0: this is no text in ASCII or UTF-8");
    }
    if (line.size() == kLongestLine) {
      return Fail(ErrorCode::kUsage, fmt::format("more than {} bytes in a line", kLongestLine));
    }
    line += static_cast<char>(c);
  }
  if (std::ferror(file) != 0) {
    return tl::make_unexpected(ErrnoError("cannot be read", errno));
  }
  return c == EOF && line.empty() ? std::nullopt : std::optional(std::move(line));
}

Result<void> Reader::AddFile(const std::string& name) {
  const bool standard = name == "-";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      standard ? stdin : std::fopen(name.c_str(), "re"),
      [](FILE* f) { return f == stdin ? 0 : std::fclose(f); });
  if (!file) {
    return tl::make_unexpected(ErrnoError(name, errno));
  }
  for (uint64_t number = 1;; ++number) {
    const std::string place = fmt::format("{}:{}: ", standard ? "standard input" : name, number);
    const auto line = ReadLine(file.get());
    if (!line) {
      return Fail(line.error().code, place + line.error().message);
    }
    if (!*line) {
      return {};
    }
    std::string_view text = **line;
    if (number == 1 && text.starts_with(kByteOrderMark)) {
      text.remove_prefix(kByteOrderMark.size());
    }
    if (const std::string_view word = Trimmed(text); !word.empty()) {
      if (auto ok = Add(std::string(word), place); !ok) {
        return ok;
      }
    }
  }
}

}  // namespace

Result<Targets> ReadTargets(const TargetWords& wanted) {
  Reader reader(wanted);
  for (const std::string& word : wanted.words) {
    if (auto ok = reader.Add(word, ""); !ok) {
      return tl::make_unexpected(ok.error());
    }
  }
  for (const std::string& file : wanted.files) {
    if (auto ok = reader.AddFile(file); !ok) {
      return tl::make_unexpected(ok.error());
    }
  }
  Targets& targets = reader.targets();
  targets.list.Close();
  if (targets.list.size() == 0 && !targets.unresolved.empty()) {
    return Fail(ErrorCode::kNotFound, fmt::format("{}", fmt::join(targets.unresolved, "\n")));
  }
  if (targets.list.size() == 0) {
    return Fail(ErrorCode::kUsage, "no targets: name addresses, prefixes, or a file with -f");
  }
  return std::move(targets);
}

}  // namespace parallax::sensor
