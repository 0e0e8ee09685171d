// The page that tells of one incident. Each kind of incident has its page in
// tests/data/cli/pages/NAME.txt; PARALLAX_UPDATE_GOLDEN=1 in the environment writes them anew.
#include "collector/cli/incident_story.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "collector/cli/json.h"
#include "collector/cli/render.h"
#include "collector/cli/words.h"
#include "tests/unit/collector/cli/sample_incidents.h"

namespace parallax::cli {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const uint64_t kNow = collector::ToProto(collector::At(200));
const SensorGroups kGroups = {
    {"lib1", "library"}, {"mail1", "mail"}, {"mail2", "mail"}, {"noc1", "noc"}, {"web1", "web"}};

std::string PageOf(const v1::Incident& incident, bool colour = false) {
  return RenderIncident(incident, kNow, kGroups, {colour}).data;
}

std::vector<std::string> LinesOf(const std::string& page) {
  std::vector<std::string> lines;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

// A page as one line, so that it does not matter where a sentence is broken.
std::string Flat(const std::string& page) {
  return std::regex_replace(page, std::regex("\\s+"), " ");
}

TEST(IncidentStory, EveryKindHasItsPage) {
  for (const auto& [name, incident] : SampleIncidents()) {
    const std::string path = std::string(PARALLAX_CLI_DATA) + "/pages/" + name + ".txt";
    const std::string page = PageOf(incident);
    if (std::getenv("PARALLAX_UPDATE_GOLDEN") != nullptr) {
      std::ofstream(path, std::ios::binary) << page;
    }
    std::ifstream in(path, std::ios::binary);
    EXPECT_EQ(page, std::string(std::istreambuf_iterator<char>(in), {})) << name;
  }
}

TEST(IncidentStory, ThePageIsNoWiderThanATerminal) {
  for (const auto& [name, incident] : SampleIncidents()) {
    for (const std::string& line : LinesOf(PageOf(incident))) {
      EXPECT_LE(line.size(), kWidth) << name << ": " << line;
      EXPECT_FALSE(line.ends_with(' ')) << name << ": " << line;
    }
  }
}

TEST(Matrix, TellsOfSensorsWhoseProbesAreLucky) {
  v1::TargetList targets;
  targets.add_items()->set_address("198.51.100.7");
  v1::IncidentList live;
  *live.add_items() = SampleIncidents().at("route-anomaly");
  EXPECT_THAT(RenderMatrix(targets, live, {}).notes, Not(HasSubstr("by flow")));
  *live.add_items() = SampleIncidents().at("route-anomaly-per-flow");
  EXPECT_THAT(Flat(RenderMatrix(targets, live, {}).notes),
              HasSubstr("INC-7: noc1 as well, by flow: some connections to its hosts fail"));
}

TEST(IncidentStory, FiveLinesAreEnoughToAct) {
  const auto lines = LinesOf(PageOf(SampleIncidents().at("route-anomaly")));
  ASSERT_GE(lines.size(), 5U);
  EXPECT_EQ(lines[0], "INC-7  route_anomaly  critical  open for 3m00s");
  EXPECT_EQ(lines[1],
            "Routing fault: mail1 cannot reach 30 IPv4 hosts that lib1, noc1 and web1 reach.");
  EXPECT_EQ(
      lines[2],
      "  suspect      10.1.1.1 -> 10.1.1.66, instead of 10.0.0.1 (likely, on the word of mail1 "
      "alone)");
  EXPECT_THAT(lines[3],
              StartsWith("  SYN flood    no: 41 of 43 half-open attempts had the SYN repeated"));
  EXPECT_THAT(lines[4], StartsWith("  do first     check the routes of 10.1.1.1: "));
}

// What the record holds is on the page, whatever the incident is called.
TEST(IncidentStory, NoEvidenceIsLost) {
  const std::map<std::string, std::string> odd = {{"half_open_attempts", "7654"},
                                                  {"half_open_with_repeated_syn", "4321"}};
  for (auto [name, incident] : SampleIncidents()) {
    for (const EvidenceKind& kind : KnownEvidence()) {
      const std::string key(kind.key);
      const auto number = odd.find(key);
      const std::string mark = number == odd.end() ? "<" + key + ">" : number->second;
      for (const bool suspect : {true, false}) {
        v1::Incident with = incident;
        (*with.mutable_evidence())[key] = mark;
        if (!suspect) {
          with.clear_suspect();
        }
        std::string page = Flat(PageOf(with));
        std::erase(page, ',');
        EXPECT_THAT(page, HasSubstr(mark)) << name << " " << key;
        EXPECT_THAT(page, Not(HasSubstr("Also noted"))) << name << " " << key;
      }
    }
  }
}

TEST(IncidentStory, WhatNobodyHasWordsForIsAlsoNoted) {
  v1::Incident incident = SampleIncidents().at("policy");
  (*incident.mutable_evidence())["a_key_of_a_later_version"] = "some\033[31mthing";
  EXPECT_THAT(PageOf(incident),
              HasSubstr("\nAlso noted\n  a_key_of_a_later_version  some?[31mthing\n"));
}

// The engine's own files are read for the keys they write, so that a new one is not forgotten here.
TEST(IncidentStory, EveryKeyOfTheEngineIsKnown) {
  std::vector<std::string> known;
  for (const EvidenceKind& kind : KnownEvidence()) {
    known.emplace_back(kind.key);
  }
  const std::regex written(
      R"re(evidence(?:\[| = \{\{)"([a-z_0-9]+)"|constexpr const char\* k\w+ = "([a-z_]+)")re");
  size_t found = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PARALLAX_DETECT)) {
    if (!entry.is_regular_file()) {
      continue;
    }
    std::ifstream in(entry.path());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    for (auto it = std::sregex_iterator(text.begin(), text.end(), written);
         it != std::sregex_iterator(); ++it) {
      const std::string key = (*it)[1].matched ? (*it)[1] : (*it)[2];
      if (key != "silence") {  // a place, no evidence
        EXPECT_THAT(known, Contains(key)) << entry.path();
        ++found;
      }
    }
  }
  EXPECT_GT(found, 20U);
}

TEST(IncidentStory, CommandsExist) {
  for (const auto& [name, incident] : SampleIncidents()) {
    const auto next = TellIncident(incident, kNow, kGroups).next;
    EXPECT_FALSE(next.empty()) << name;
    EXPECT_LE(next.size(), 4U) << name;
    for (const StoryCommand& command : next) {
      ASSERT_THAT(command.command, StartsWith("parallax "));
      // Words that are right fail for want of a collector, others for being wrong.
      const int status = std::system(("'" PARALLAX_CLI "' --socket nobody-listens-here " +
                                      command.command.substr(9) + " >/dev/null 2>&1")
                                         .c_str());
      EXPECT_EQ(WEXITSTATUS(status), 5) << command.command;
    }
  }
}

TEST(IncidentStory, AMergedOneSaysSoFirst) {
  const std::string page = PageOf(SampleIncidents().at("merged"));
  EXPECT_THAT(page, StartsWith("Merged into INC-3, "));
  EXPECT_THAT(page, HasSubstr("\nLook at next\n  parallax incident show INC-3  "));
}

TEST(IncidentStory, GroupsAreNamedWhereTheyAreKnown) {
  const v1::Incident incident = SampleIncidents().at("route-anomaly-closed");
  EXPECT_THAT(PageOf(incident), HasSubstr("mail1 and mail2 (group mail), web1 (group web)\n"));
  EXPECT_THAT(Flat(PageOf(incident)), HasSubstr("3 sensors of 2 groups"));
  const std::string without = RenderIncident(incident, kNow, {}, {}).data;
  EXPECT_THAT(without, HasSubstr("  failed from  mail1, mail2 and web1\n"));
  EXPECT_THAT(without, Not(HasSubstr("group mail")));
}

TEST(IncidentStory, OnWhoseWordIsSaidInFull) {
  v1::Incident incident = SampleIncidents().at("route-anomaly");
  (*incident.mutable_evidence())["suspect_word_of"] = "a, b, c, d, e, f";
  EXPECT_THAT(Flat(PageOf(incident)), HasSubstr("(likely, on the word of a, b, c, d and 2 more)"));
  EXPECT_THAT(PageOf(incident), HasSubstr("\n  on word of   a, b, c, d, e, f\n"));
}

TEST(IncidentStory, LongListsAreCounted) {
  v1::Incident incident = SampleIncidents().at("route-anomaly");
  for (int i = 0; i < 40; ++i) {
    incident.add_failing_sensors("sensor" + std::to_string(i));
  }
  const std::string page = Flat(PageOf(incident));
  EXPECT_THAT(page, HasSubstr("sensor10 and 29 more"));
  EXPECT_THAT(page, HasSubstr("198.51.100.18 and 21 more"));
  for (const char* host : {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4"}) {
    incident.add_targets(host);
    incident.add_targets_still_failing(host);
  }
  EXPECT_THAT(Flat(PageOf(incident)), HasSubstr("198.51.100.15, 2001:db8::1, 2001:db8::2, "
                                                "2001:db8::3 and 25 more"));
}

TEST(IncidentStory, EvidenceInOtherWordsIsShownAsItIs) {
  v1::Incident incident = SampleIncidents().at("route-anomaly");
  (*incident.mutable_evidence())["suspect_1"] = "10.1.1.66: 9 of 8 ways over it fail (gain 1)";
  EXPECT_THAT(PageOf(incident),
              HasSubstr("  traces say   10.1.1.66: 9 of 8 ways over it fail (gain 1)\n"));
}

TEST(IncidentStory, ColourOnlyAddsToTheText) {
  for (const auto& [name, incident] : SampleIncidents()) {
    const std::string coloured = PageOf(incident, true);
    EXPECT_NE(coloured, PageOf(incident));
    EXPECT_EQ(std::regex_replace(coloured, std::regex("\033\\[[0-9]+m"), ""), PageOf(incident));
  }
}

TEST(IncidentStory, AnEmptyRecordIsNoTrouble) {
  EXPECT_THAT(PageOf(v1::Incident()), HasSubstr("Look at next"));
  for (const auto& [name, incident] : SampleIncidents()) {
    v1::Incident bare;
    bare.set_verdict(incident.verdict());
    bare.set_state("open");
    EXPECT_THAT(PageOf(bare), HasSubstr("Look at next")) << name;
  }
}

}  // namespace
}  // namespace parallax::cli
