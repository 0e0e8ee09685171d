// What the sections have in common: names, words, addresses.
#include "tests/sim/scenario_reader.h"

#include <algorithm>

namespace parallax::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kLongest = std::chrono::hours(24 * 60);

}  // namespace

std::string ScenarioReader::Known(const std::string& key, const Names& names,
                                  std::string_view what) {
  std::string name = file_->String(key, "");
  if (!names.contains(name)) {
    file_->Complain(key, name.empty() ? fmt::format("must name a {}", what)
                                      : fmt::format("there is no {} \"{}\"", what, name));
  }
  return name;
}

std::vector<std::string> ScenarioReader::AllKnown(const std::string& key, const Names& names,
                                                  std::string_view what) {
  std::vector<std::string> all = file_->Strings(key, {});
  for (const std::string& name : all) {
    if (!names.contains(name)) {
      file_->Complain(key, fmt::format("there is no {} \"{}\"", what, name));
    }
  }
  return all;
}

std::vector<std::string> ScenarioReader::Routers(const std::string& key, bool one_at_least) {
  std::vector<std::string> names = AllKnown(key, routers_, "router");
  if (one_at_least && names.empty()) {
    file_->Complain(key, "must name a router");
  }
  return names;
}

std::string ScenarioReader::Named(const std::string& key, Names& names) {
  std::string name = file_->String(key, "");
  if (name.empty()) {
    file_->Complain(key, "must be given");
  } else if (!names.insert(name).second) {
    file_->Complain(key, fmt::format("\"{}\" is there twice", name));
  }
  return name;
}

std::string ScenarioReader::OneOf(const std::string& key,
                                  const std::vector<std::string_view>& words) {
  std::string text = file_->String(key, "");
  if (!text.empty() && std::find(words.begin(), words.end(), text) == words.end()) {
    file_->Complain(key, fmt::format("\"{}\" is none of {}", text, fmt::join(words, ", ")));
  }
  return text;
}

std::vector<IpAddress> ScenarioReader::Addresses(const std::string& key) {
  std::vector<IpAddress> result;
  file_->Elements(key, "an address in quotes", [&result](const std::string& text) -> Result<void> {
    const auto address = IpAddress::Parse(text);
    if (!address) {
      return Fail(ErrorCode::kBadConfig, fmt::format("\"{}\" is no address", text));
    }
    result.push_back(*address);
    return {};
  });
  if (result.empty()) {
    file_->Complain(key, "must name an address at least");
  }
  return result;
}

std::vector<Prefix> ScenarioReader::SomePrefixes(const std::string& key) {
  std::vector<Prefix> prefixes = file_->Prefixes(key).prefixes();
  if (prefixes.empty()) {
    file_->Complain(key, "must name a prefix at least");
  }
  return prefixes;
}

std::optional<Prefix> ScenarioReader::OnePrefix(const std::string& key) {
  if (!file_->Has(key)) {
    return std::nullopt;
  }
  const auto parsed = Prefix::Parse(file_->String(key, ""));
  if (!parsed) {
    file_->Complain(key, parsed.error().message);
    return std::nullopt;
  }
  return *parsed;
}

Duration ScenarioReader::Time(const std::string& key, Duration fallback) {
  return file_->Time(key, fallback, 0s, kLongest);
}

Loss ScenarioReader::ReadLoss(const std::string& at) {
  Loss loss;
  loss.random = Share(at + "random", 0);
  loss.burst_every = Time(at + "burst_every");
  loss.burst_length = Time(at + "burst_length");
  loss.in_burst = Share(at + "in_burst", 1);
  return loss;
}

HashPolicy ScenarioReader::Hash(const std::string& key) {
  return Word<HashPolicy>(key, {{"flow", HashPolicy::kFlow},
                                {"destination", HashPolicy::kDestination},
                                {"source_destination", HashPolicy::kSourceDestination},
                                {"packet", HashPolicy::kPacket}});
}

}  // namespace parallax::sim
