#include "collector/detect/explain.h"

#include <fmt/format.h>

#include <algorithm>

namespace parallax::collector {
namespace {

constexpr size_t kMostNamed = 4;

std::string Names(const std::vector<SensorName>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostNamed; ++i) {
    if (i > 0) {
      text += i + 1 == names.size() ? " and " : ", ";
    }
    text += names[i];
  }
  if (names.size() > kMostNamed) {
    text += fmt::format(" and {} more", names.size() - kMostNamed);
  }
  return text.empty() ? "nobody" : text;
}

std::string_view FamilyName(const std::string& family) {
  return family == "ipv4" ? "IPv4" : family == "ipv6" ? "IPv6" : "IPv4 and IPv6";
}

size_t StillFailing(const IncidentRecord& record) {
  return static_cast<size_t>(std::count_if(record.targets.begin(), record.targets.end(),
                                           [](const auto& t) { return t.failing; }));
}

const std::string* Evidence(const IncidentRecord& record, const std::string& key) {
  const auto it = record.evidence.find(key);
  return it == record.evidence.end() ? nullptr : &it->second;
}

bool IsOver(const IncidentRecord& record) {
  return record.state == IncidentState::kMonitoring || record.state == IncidentState::kClosed;
}

// What to look at: one sentence, with a space before it; empty if nobody is suspected.
std::string SuspectSentence(const IncidentRecord& record) {
  if (!record.suspect) {
    return {};
  }
  const Suspect& suspect = *record.suspect;
  const std::string* instead = Evidence(record, kSuspectInsteadOf);
  std::string text;
  if (record.direction == "inbound" && suspect.to == kIntoSilence) {
    return fmt::format(
        " What these hosts send does not arrive: look at the routes that lead back. Packets to "
        "them were last seen at {}.",
        suspect.from);
  }
  if (record.evidence.contains(kGoRound)) {
    text = suspect.to == kIntoSilence
               ? fmt::format(" Packets go round at {}, a loop", suspect.from)
               : fmt::format(" {} sends them to {}, and they come back: a loop", suspect.from,
                             suspect.to);
  } else if (suspect.to == kIntoSilence) {
    text = fmt::format(" Packets are lost at {} or right behind it", suspect.from);
    text +=
        instead == nullptr ? std::string() : fmt::format(", where others go on to {}", *instead);
  } else if (instead != nullptr && *instead == suspect.to) {
    text = fmt::format(" Packets are lost on the way from {} into {}, or in it", suspect.from,
                       suspect.to);
  } else if (record.verdict == Verdict::kLossyPath || record.evidence.contains(kAbout)) {
    text = fmt::format(" They get lost between {} and {}", suspect.from, suspect.to);
  } else {
    text = fmt::format(" {} sends them to {}", suspect.from, suspect.to);
    text += instead == nullptr ? std::string() : fmt::format(" instead of {}", *instead);
  }
  const std::string* word = Evidence(record, kSuspectWordOf);
  if (suspect.confidence == "confirmed") {
    return text +
           (record.evidence.contains(kGoRound) ? "; look there first." : ": look there first.");
  }
  return text + fmt::format(" ({}{}).", suspect.confidence,
                            word == nullptr ? std::string() : ", on the word of " + *word);
}

std::string SplitSentence(const IncidentRecord& record) {
  if (record.split == "per_flow") {
    const std::string* share = Evidence(record, "bad_flows");
    return fmt::format(
        " To one and the same host some connections get through and others do not{}: "
        "one of several parallel ways is broken, and any host may be hit.",
        share == nullptr ? std::string() : fmt::format(" ({} fail)", *share));
  }
  if (record.split == "per_packet") {
    return " Single packets are lost, whatever the connection: one of several parallel ways is "
           "broken, or a link.";
  }
  return {};
}

std::string Hosts(size_t count) { return fmt::format("{} host{}", count, count == 1 ? "" : "s"); }

std::string SummariseLoss(const IncidentRecord& record) {
  const std::string* loss = Evidence(record, "loss");
  const std::string share = loss == nullptr ? "many" : "about " + *loss;
  std::string text = fmt::format("{} {} {} of {} packets", Names(record.failing_sensors),
                                 IsOver(record)                       ? "lost"
                                 : record.failing_sensors.size() == 1 ? "loses"
                                                                      : "lose",
                                 share, record.failing_sensors.size() == 1 ? "its" : "their");
  text += record.reaching_sensors.empty()
              ? std::string(".")
              : fmt::format("; {} {} not.", Names(record.reaching_sensors),
                            IsOver(record)                        ? "did"
                            : record.reaching_sensors.size() == 1 ? "does"
                                                                  : "do");
  return text + SplitSentence(record) + SuspectSentence(record);
}

std::string SummariseFlood(const IncidentRecord& record) {
  const std::string server =
      record.targets.empty() ? "a server" : record.targets.front().address.ToString();
  const std::string* rate = Evidence(record, "syn_rate");
  return fmt::format(
      "{} {} {}; nobody behind these attempts tries again or is known: a SYN flood; no "
      "routing fault makes them.",
      server, IsOver(record) ? "drew" : "draws",
      rate == nullptr ? "far more SYNs than it is used to" : *rate);
}

std::string SummariseAnomaly(const IncidentRecord& record, uint64_t half_open, uint64_t repeated) {
  const size_t still = StillFailing(record);
  const bool over = still == 0;
  const bool past = over || IsOver(record);
  std::string victims =
      fmt::format("{} {} host{}", record.targets.size(), FamilyName(record.family),
                  record.targets.size() == 1 ? "" : "s");
  // Of those that it opens on, few have been looked at twice.
  if (const uint64_t awaiting = CountIn(record, kAwaiting);
      !over && awaiting > record.targets.size()) {
    victims += fmt::format(", and at a first look {} more,", awaiting);
  }
  std::string text =
      record.reaching_sensors.empty()
          ? fmt::format("{} {} reach {}, {}.", Names(record.failing_sensors),
                        past ? "could not" : "cannot", victims,
                        record.split == "per_flow" ? "each over some of its connections only"
                                                   : "some of them these and some of them those")
          : fmt::format("{} {} reach {} that {} {}.", Names(record.failing_sensors),
                        past ? "could not" : "cannot", victims, Names(record.reaching_sensors),
                        past                                  ? "reached"
                        : record.reaching_sensors.size() == 1 ? "reaches"
                                                              : "reach");
  if (over) {
    text += " All of them are reachable again.";
  } else if (still < record.targets.size()) {
    text += fmt::format(" {} still fail{}.", still, still == 1 ? "s" : "");
  }
  text += SuspectSentence(record);
  text += SplitSentence(record);
  if (const std::string* flaps = Evidence(record, kFlapping)) {
    text += fmt::format(" It comes and goes: {}.", *flaps);
  }
  if (half_open > 0) {
    text += fmt::format(
        " {} connection attempt{} from them arrived there and stayed half-open: the way in works, "
        "our answers get lost.",
        half_open, half_open == 1 ? "" : "s");
    if (repeated * 2 >= half_open && record.verdict == Verdict::kMixed) {
      text += " These clients repeat their SYNs as real hosts do: they are no part of the flood.";
    } else if (repeated * 2 >= half_open) {
      text +=
          " It is no SYN flood: the clients repeat their SYNs as real hosts do, and answer "
          "from elsewhere.";
    }
  }
  return text;
}

}  // namespace

std::string Summarise(const IncidentRecord& record, uint64_t half_open, uint64_t repeated) {
  // Of routes, or of packets that get lost.
  const auto fault = [&] {
    return record.evidence.contains(kAbout) ? SummariseLoss(record)
                                            : SummariseAnomaly(record, half_open, repeated);
  };
  switch (record.verdict) {
    case Verdict::kRouteAnomaly:
      return SummariseAnomaly(record, half_open, repeated);
    case Verdict::kTargetDown:
      return fmt::format("{} went silent for every sensor: gone, not a route.{}",
                         Hosts(record.targets.size()),
                         StillFailing(record) == 0                      ? " All are back."
                         : StillFailing(record) < record.targets.size() ? " Some are back."
                                                                        : "");
    case Verdict::kBorderOutage: {
      const std::string* extent = Evidence(record, "extent");
      return fmt::format(
          "{} went silent for every sensor at once: the way out of the campus is "
          "broken, not {}.{}{}{}",
          Hosts(record.targets.size()), record.targets.size() == 1 ? "the host" : "the hosts",
          extent == nullptr ? std::string() : " " + *extent + ".", SuspectSentence(record),
          StillFailing(record) == 0 ? " All are back." : "");
    }
    case Verdict::kLossyPath:
      return fault();
    case Verdict::kPolicy: {
      const std::string* method = Evidence(record, "filtered_method");
      return fmt::format(
          "{} probes from {} {} by a filter; other methods get through. No route is "
          "to blame.",
          method == nullptr ? "Some" : *method, Names(record.failing_sensors),
          IsOver(record) ? "were stopped" : "are stopped");
    }
    case Verdict::kSynFlood:
      return SummariseFlood(record);
    case Verdict::kMixed: {
      const std::string* server = Evidence(record, kFlood);
      return fmt::format(
          "{} And {} {} flooded with SYNs from made-up sources at the same time: both are true.",
          fault(), server == nullptr ? "a server there" : *server, IsOver(record) ? "was" : "is");
    }
    case Verdict::kSensorDegraded: {
      const std::string* why = Evidence(record, kVantage);
      return fmt::format("{} {} degraded: {}. What it {} about others is set aside.",
                         Names(record.failing_sensors), IsOver(record) ? "was" : "is",
                         why == nullptr ? "it loses packets" : *why,
                         IsOver(record) ? "said" : "says");
    }
    case Verdict::kSensorIsolated: {
      const std::string* why = Evidence(record, kVantage);
      const bool over = IsOver(record);
      const std::string* all = over ? Evidence(record, kCutOffTogether) : nullptr;
      const bool one = record.failing_sensors.size() == 1 && all == nullptr;
      return fmt::format("{} {} cut off{}: {}. What {} {} reach says nothing about the network{}.",
                         all != nullptr ? *all : Names(record.failing_sensors),
                         one    ? over ? "was" : "is"
                         : over ? "were"
                                : "are",
                         one ? "" : " together", why == nullptr ? "its own link failed" : *why,
                         one ? "it" : "they", over ? "could not" : "cannot",
                         one ? "" : " beyond what they share");
    }
    default:
      return {};
  }
}

}  // namespace parallax::collector
