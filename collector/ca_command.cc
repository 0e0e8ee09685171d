#include "collector/ca_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "collector/config.h"
#include "collector/operate/authority.h"
#include "collector/operate/ca_folder.h"
#include "collector/operate/ca_rotation.h"
#include "collector/operate/identity_keeper.h"
#include "collector/operate/operator_files.h"
#include "collector/store/reader.h"
#include "common/checkup.h"
#include "common/fd.h"
#include "common/fingerprint.h"

namespace parallax::collector {
namespace {

constexpr Duration kPatience = std::chrono::seconds(5);
constexpr size_t kMostNamed = 10;

// Those who may report, and what they go by.
Result<std::vector<KnownSensor>> SensorsOf(const CollectorConfig& config) {
  const auto reader = Reader::Open(config.store.path, kPatience);
  if (!reader) {
    return tl::make_unexpected(reader.error());
  }
  auto sensors = (*reader)->KnownSensors();
  const auto trust = sensors ? (*reader)->Trust() : tl::make_unexpected(sensors.error());
  if (!trust) {
    return tl::make_unexpected(trust.error());
  }
  std::set<SensorName> revoked;
  for (const TrustRecord& record : trust->sensors) {
    if (record.state == TrustState::kRevoked) {
      revoked.insert(record.peer.name);
    }
  }
  std::erase_if(*sensors, [&](const KnownSensor& one) { return revoked.contains(one.name); });
  return sensors;
}

// Whose certificates are of another CA than `ca`: the collector's own, and operators'.
std::vector<Dependent> OthersNotSignedBy(const std::string& ca, const CaState& state,
                                         const CollectorConfig& config, WallTime now) {
  std::vector<Dependent> dependents;
  const auto own = ReadSmallFile(config.tls.certificate_file);
  if (!own || IssuerIn(state.bundle, *own) != ca) {
    dependents.push_back({"the collector",
                          "its certificate is still of the old CA; while it runs, "
                          "it makes another one within seconds"});
  }
  for (const ListedOperator& one : ListOperators(config.tls)) {
    if (one.certificate.not_after > now && IssuerIn(state.bundle, one.certificate_pem) != ca) {
      dependents.push_back({"operator " + one.name.name,
                            "the certificate is still of the old CA; make another one with "
                            "parallax-collector add-operator"});
    }
  }
  return dependents;
}

// Who would be cut off by the next step.
Result<std::vector<Dependent>> Dependents(const CaState& state, const CollectorConfig& config,
                                          WallTime now) {
  if (state.stage == CaStage::kSingle) {
    return std::vector<Dependent>();
  }
  const auto sensors = SensorsOf(config);
  if (!sensors) {
    return tl::make_unexpected(sensors.error());
  }
  const Duration life = config.tls.sensor_certificate_life;
  if (state.stage == CaStage::kAnnounced) {
    return NotYetTrusting(state.other().info.sha256, *sensors, life, now);
  }
  const std::string& ca = state.signing().info.sha256;
  auto dependents = NotYetSignedBy(ca, *sensors, life, now);
  std::ranges::move(OthersNotSignedBy(ca, state, config, now), std::back_inserter(dependents));
  return dependents;
}

std::string Names(const std::vector<Dependent>& dependents) {
  std::string text;
  for (size_t i = 0; i < std::min(dependents.size(), kMostNamed); ++i) {
    text += fmt::format("  {}: {}\n", dependents[i].name, dependents[i].why);
  }
  if (dependents.size() > kMostNamed) {
    text += fmt::format("  and {} more\n", dependents.size() - kMostNamed);
  }
  return text;
}

std::string Describe(const CaState& state, const std::vector<Dependent>& dependents,
                     const CaOptions& options) {
  const auto line = [](const char* what, const BundledCertificate& one) {
    return fmt::format("{} {}  valid until {}\n", what, FormatFingerprint(one.info.sha256),
                       FormatRfc3339(one.info.not_after).substr(0, 10));
  };
  const auto next = [&](const char* step) {
    return fmt::format("  parallax-collector ca {} --config {}\n", step,
                       ShellWord(options.config_path));
  };
  std::string text = line("signs:  ", state.signing());
  switch (state.stage) {
    case CaStage::kSingle:
      return text + "\nTo put another CA in its place, while everything runs:\n" + next("announce");
    case CaStage::kAnnounced:
      text += line("to come:", state.other());
      text += dependents.empty() ? "\nAll sensors trust the one to come. Next:\n"
                                 : "\nNot ready yet:\n" + Names(dependents) + "Then:\n";
      return text + next("switch");
    case CaStage::kReplaced:
      text += line("to go:  ", state.other());
      text += dependents.empty() ? "\nNobody needs the one to go any more. Next:\n"
                                 : "\nNot ready yet:\n" + Names(dependents) + "Then:\n";
      return text + next("retire");
  }
  return text;
}

Result<void> Take(const CaOptions& options, const CollectorConfig& config, WallTime now) {
  if (options.action == CaAction::kAnnounce) {
    return MakeAuthority(now).and_then(
        [&](const KeyPair& made) { return AnnounceCa(config.tls, made); });
  }
  const auto state = ReadCaState(config.tls);
  if (!state) {
    return tl::make_unexpected(state.error());
  }
  const bool due = (options.action == CaAction::kSwitch) == (state->stage == CaStage::kAnnounced);
  if (due && !options.force) {
    const auto dependents = Dependents(*state, config, now);
    if (!dependents) {
      return tl::make_unexpected(dependents.error());
    }
    if (!dependents->empty()) {
      return Fail(ErrorCode::kFailure,
                  fmt::format("{} would be cut off (--force does it all the same):\n{}",
                              dependents->size(), Names(*dependents)));
    }
  }
  return options.action == CaAction::kSwitch ? SwitchCa(config.tls) : RetireCa(config.tls);
}

}  // namespace

Result<std::string> RunCa(const CaOptions& options, WallTime now) {
  const auto config = LoadCollectorConfig(options.config_path);
  if (!config) {
    return tl::make_unexpected(config.error());
  }
  if (options.action == CaAction::kRenew) {
    if (auto renewed = RenewCollectorIdentity(*config, now); !renewed) {
      return tl::make_unexpected(renewed.error());
    }
    return fmt::format("Made another {}; a collector that runs shows it within seconds.\n",
                       config->tls.certificate_file);
  }
  if (options.action != CaAction::kShow) {
    const auto lock = CaLock::Take(config->tls);
    if (!lock) {
      return tl::make_unexpected(lock.error());
    }
    const auto taken =
        FinishSwitch(config->tls).and_then([&] { return Take(options, *config, now); });
    if (!taken) {
      return tl::make_unexpected(taken.error());
    }
  }
  const auto state = ReadCaState(config->tls);
  if (!state) {
    return tl::make_unexpected(state.error());
  }
  const auto dependents = Dependents(*state, *config, now);
  if (!dependents) {
    return tl::make_unexpected(dependents.error());
  }
  return Describe(*state, *dependents, options);
}

}  // namespace parallax::collector
