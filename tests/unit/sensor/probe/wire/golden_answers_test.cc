// What the parser says of each packet in tests/data/answers, and nothing else.
#include "tests/unit/sensor/probe/wire/golden_answers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/unit/sensor/probe/wire/answer_names.h"

namespace parallax::sensor::test {
namespace {

// Every field that is not as in an empty Answer, besides those that every answer has.
std::set<std::string> Describe(const std::optional<Answer>& answer) {
  if (!answer) {
    return {"rejected"};
  }
  const Answer& a = *answer;
  std::set<std::string> fields = {
      fmt::format("kind={}", Name(a.kind)),
      fmt::format("source={}", a.source.ToString()),
      fmt::format("ttl={}", a.ttl),
      fmt::format("target={}", a.target.ToString()),
      fmt::format("method={}", ToString(a.method)),
      fmt::format("port={}", a.port),
      fmt::format("flow_port={}", a.flow_port),
      fmt::format("sequence={}", a.sequence),
  };
  if (a.tag) {
    fields.insert(fmt::format("probe_id={:016x}", a.tag->probe_id));
    fields.insert(fmt::format("tag={:016x}", a.tag->tag));
  }
  if (a.kind == AnswerKind::kError || a.kind == AnswerKind::kRedirect) {
    fields.insert(fmt::format("icmp_type={}", a.icmp_type));
    fields.insert(fmt::format("icmp_code={}", a.icmp_code));
    fields.insert(fmt::format("quoted_source={}", a.quoted_source.ToString()));
    fields.insert(fmt::format("quoted_ttl={}", a.quoted_ttl));
  }
  if (a.kind == AnswerKind::kError) {
    fields.insert(fmt::format("meaning={}", Name(a.meaning)));
  }
  const bool quotes_v4 =
      a.source.is_v4() && fields.contains(fmt::format("icmp_type={}", a.icmp_type));
  if (quotes_v4 || a.quoted_ip_id != 0) {
    fields.insert(fmt::format("quoted_ip_id={}", a.quoted_ip_id));
  }
  if (a.quoted_checksum) {
    fields.insert(fmt::format("quoted_checksum={}", *a.quoted_checksum));
  }
  if (a.mpls.count > 0) {
    std::string labels;
    for (size_t i = 0; i < a.mpls.count; ++i) {
      const MplsLabel& label = a.mpls.labels[i];
      labels +=
          fmt::format("{}{}/{}/{}", i == 0 ? "" : ",", label.label, label.traffic_class, label.ttl);
    }
    fields.insert("mpls=" + labels);
  }
  if (a.kind == AnswerKind::kRedirect || a.gateway != IpAddress()) {
    fields.insert(fmt::format("gateway={}", a.gateway.ToString()));
  }
  return fields;
}

TEST(GoldenAnswers, AreReadAsTheFilesSay) {
  const auto all = ReadGoldenAnswers(PARALLAX_ANSWER_DATA);
  ASSERT_GE(all.size(), 300u);
  std::set<std::string> names;
  for (const GoldenAnswer& golden : all) {
    EXPECT_TRUE(names.insert(golden.where).second) << golden.where << " is there twice";
    EXPECT_EQ(Describe(Parse(golden)), golden.answer) << golden.where;
  }
}

}  // namespace
}  // namespace parallax::sensor::test
