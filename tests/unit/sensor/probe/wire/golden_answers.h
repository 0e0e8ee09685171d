// Answer packets as data: tests/data/answers, whose README.md tells the format. For tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sensor/probe/wire/answer.h"

namespace parallax::sensor::test {

struct GoldenAnswer {
  enum class Input { kIpv4, kIpv6, kIcmp };
  std::string where;  // file and name
  Input input = Input::kIpv4;
  IpAddress source;  // of kIpv6 and kIcmp
  uint8_t ttl = 0;
  uint8_t protocol = 0;          // of kIpv6
  std::vector<uint8_t> packet;   // what the parser gets: of kIpv6 without the header
  std::set<std::string> answer;  // KEY=VALUE; or "rejected"
};

inline std::optional<Answer> Parse(const GoldenAnswer& golden) {
  switch (golden.input) {
    case GoldenAnswer::Input::kIpv4:
      return ParseAnswerV4(golden.packet);
    case GoldenAnswer::Input::kIpv6:
      return ParseAnswerV6(golden.source, golden.protocol, golden.ttl, golden.packet);
    case GoldenAnswer::Input::kIcmp:
      return ParseIcmp(golden.source, golden.ttl, golden.packet);
  }
  return std::nullopt;
}

// Reads the cases of one file; throws std::runtime_error if it cannot.
class GoldenReader {
 public:
  static std::vector<GoldenAnswer> Read(const std::filesystem::path& path) {
    GoldenReader reader(path);
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
      ++reader.line_;
      line.erase(std::min(line.find('#'), line.size()));
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r')) {
        line.pop_back();
      }
      if (!line.empty()) {
        reader.Take(line);
      }
    }
    reader.Finish();
    return std::move(reader.cases_);
  }

 private:
  enum class Part { kNone, kHead, kPacket, kAnswer };

  explicit GoldenReader(const std::filesystem::path& path) : file_(path.filename().string()) {}

  [[noreturn]] void Fail(const std::string& what) const {
    throw std::runtime_error(file_ + ":" + std::to_string(line_) + ": " + what);
  }

  void Take(const std::string& line) {
    constexpr std::string_view kCase = "case: ";
    constexpr std::string_view kInput = "input: ";
    if (line.starts_with(kCase)) {
      Finish();
      cases_.push_back({});
      cases_.back().where = file_ + ": " + line.substr(kCase.size());
      input_.clear();
      part_ = Part::kHead;
    } else if (part_ == Part::kHead && line.starts_with(kInput)) {
      input_ = line.substr(kInput.size());
    } else if (part_ == Part::kHead && line == "packet:") {
      part_ = Part::kPacket;
    } else if (part_ == Part::kPacket && line == "answer:") {
      part_ = Part::kAnswer;
    } else if (part_ == Part::kPacket) {
      TakeHex(line);
    } else if (part_ == Part::kAnswer) {
      std::istringstream words(line);
      for (std::string word; words >> word;) {
        cases_.back().answer.insert(word);
      }
    } else {
      Fail("what is \"" + line + "\"?");
    }
  }

  void TakeHex(const std::string& line) {
    std::string digits;
    std::copy_if(line.begin(), line.end(), std::back_inserter(digits),
                 [](char c) { return c != ' '; });
    if (digits.size() % 2 != 0 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos) {
      Fail("these are no bytes in hex");
    }
    for (size_t at = 0; at < digits.size(); at += 2) {
      cases_.back().packet.push_back(
          static_cast<uint8_t>(std::stoul(digits.substr(at, 2), nullptr, 16)));
    }
  }

  // The case that has ended is complete.
  void Finish() {
    if (cases_.empty()) {
      return;
    }
    GoldenAnswer& golden = cases_.back();
    if (part_ != Part::kAnswer || golden.answer.empty()) {
      Fail(golden.where + " has no answer");
    }
    std::istringstream words(input_);
    std::string kind, from, source, ttl;
    unsigned number = 0;
    words >> kind;
    if (kind == "ipv4") {
      golden.input = GoldenAnswer::Input::kIpv4;
    } else if (kind == "ipv6") {
      golden.input = GoldenAnswer::Input::kIpv6;
      StripIpv6(golden);
    } else if (kind == "icmp" && words >> from >> source >> ttl >> number && from == "from" &&
               ttl == "ttl" && IpAddress::Parse(source) && number <= 255) {
      golden.input = GoldenAnswer::Input::kIcmp;
      golden.source = *IpAddress::Parse(source);
      golden.ttl = static_cast<uint8_t>(number);
    } else {
      Fail(golden.where + " has no input line that is understood");
    }
  }

  // As the kernel does before it hands a packet to a raw socket.
  void StripIpv6(GoldenAnswer& golden) const {
    constexpr size_t kHeader = 40;
    std::vector<uint8_t>& packet = golden.packet;
    if (packet.size() < kHeader || packet[0] >> 4 != 6 ||
        packet.size() != kHeader + size_t{packet[4]} * 256 + packet[5]) {
      Fail(golden.where + " is no whole IPv6 packet");
    }
    golden.protocol = packet[6];
    golden.ttl = packet[7];
    golden.source = *IpAddress::FromBytes(std::span<const uint8_t>(packet).subspan(8, 16));
    packet.erase(packet.begin(), packet.begin() + kHeader);
  }

  std::string file_;
  std::string input_;
  int line_ = 0;
  Part part_ = Part::kNone;
  std::vector<GoldenAnswer> cases_;
};

// All cases of the folder, by file name.
inline std::vector<GoldenAnswer> ReadGoldenAnswers(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<GoldenAnswer> all;
  for (const auto& file : files) {
    const auto cases = GoldenReader::Read(file);
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace parallax::sensor::test
