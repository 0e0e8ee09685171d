#include "sensor/probe_targets.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/fd.h"

namespace parallax::sensor {
namespace {

constexpr size_t kLongestName = 253;

bool MayBeName(std::string_view word) {
  // What looks like an address or a prefix and is none is a typing mistake, not a name.
  const bool numeric = word.find_first_not_of("0123456789.") == std::string_view::npos;
  return !word.empty() && word.size() <= kLongestName && !numeric &&
         word.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
             std::string_view::npos;
}

Result<IpAddress> Resolve(const std::string& name, std::optional<Family> family) {
  addrinfo hints{};
  hints.ai_family = !family ? AF_UNSPEC : *family == Family::kV4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_DGRAM;  // each address once
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(name.c_str(), nullptr, &hints, &found); error != 0) {
    return Fail(ErrorCode::kUsage, fmt::format("{}: neither an address nor a prefix nor a name "
                                               "that can be resolved ({})",
                                               name, gai_strerror(error)));
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
  return Fail(ErrorCode::kUsage, fmt::format("{}: has no address", name));
}

Result<void> Add(const std::string& word, const TargetWords& wanted, TargetList& list) {
  if (const auto address = IpAddress::Parse(word)) {
    if (wanted.family && *wanted.family != address->family()) {
      return Fail(ErrorCode::kUsage, fmt::format("{}: not of the family that was asked for", word));
    }
    return list.Add(Prefix(*address, address->bits()));
  }
  if (MayBeName(word)) {
    const auto address = Resolve(word, wanted.family);
    return address ? list.Add(Prefix(*address, address->bits()))
                   : Result<void>(tl::make_unexpected(address.error()));
  }
  const auto prefix = Prefix::Parse(word);
  if (!prefix) {
    return Fail(ErrorCode::kUsage, prefix.error().message);
  }
  if (wanted.family && *wanted.family != prefix->address().family()) {
    return Fail(ErrorCode::kUsage, fmt::format("{}: not of the family that was asked for", word));
  }
  return list.Add(*prefix);
}

std::string_view Trimmed(std::string_view line) {
  line = line.substr(0, line.find('#'));
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  const size_t first = line.find_first_not_of(kBlanks);
  return first == std::string_view::npos
             ? std::string_view()
             : line.substr(first, line.find_last_not_of(kBlanks) - first + 1);
}

Result<void> AddFile(const std::string& name, const TargetWords& wanted, TargetList& list) {
  const bool standard = name == "-";
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      standard ? stdin : std::fopen(name.c_str(), "re"),
      [](FILE* f) { return f == stdin ? 0 : std::fclose(f); });
  if (!file) {
    return tl::make_unexpected(ErrnoError(name, errno));
  }
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";  // some editors begin a file with it
  char* line = nullptr;
  size_t room = 0;
  uint64_t number = 0;
  Result<void> result;
  while (result && getline(&line, &room, file.get()) >= 0) {
    ++number;
    std::string_view text = line;
    if (number == 1 && text.starts_with(kByteOrderMark)) {
      text.remove_prefix(kByteOrderMark.size());
    }
    const std::string_view word = Trimmed(text);
    if (!word.empty()) {
      result = Add(std::string(word), wanted, list);
    }
  }
  const int error = errno;
  std::free(line);
  if (!result) {
    return Fail(result.error().code, fmt::format("{}:{}: {}", standard ? "standard input" : name,
                                                 number, result.error().message));
  }
  return std::ferror(file.get()) != 0 ? tl::make_unexpected(ErrnoError(name, error))
                                      : Result<void>();
}

}  // namespace

Result<TargetList> ReadTargets(const TargetWords& wanted) {
  TargetList list;
  for (const std::string& word : wanted.words) {
    if (auto ok = Add(word, wanted, list); !ok) {
      return tl::make_unexpected(ok.error());
    }
  }
  for (const std::string& file : wanted.files) {
    if (auto ok = AddFile(file, wanted, list); !ok) {
      return tl::make_unexpected(ok.error());
    }
  }
  list.Close();
  if (list.size() == 0) {
    return Fail(ErrorCode::kUsage, "no targets: name addresses, prefixes, or a file with -f");
  }
  return list;
}

}  // namespace parallax::sensor
