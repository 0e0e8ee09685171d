// What a sensor sends, from protobuf to records: whatever it is, each record is either taken whole
// and in range or refused, and none is counted twice.
#include <string>

#include "collector/ingest/convert.h"
#include "tests/fuzz/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace parallax;
  v1::FromSensor message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) {
    return 0;
  }
  (void)collector::FromProto(message.hello());
  (void)collector::FromProto(message.health());
  const auto batch = collector::FromProto(message.batch());
  if (!batch) {
    return 0;
  }
  Require(batch->first_sequence >= 1 && batch->last_sequence >= batch->first_sequence,
          "sequences begin at 1 and do not go back");
  Require(batch->last_sequence <= INT64_MAX, "no sequence out of range");
  uint64_t taken = 0;
  uint64_t next = batch->first_sequence;
  for (const collector::Run& run : batch->runs) {
    Require(!run.records.empty(), "no empty run");
    Require(run.first_sequence >= next, "runs in order, with something refused between them");
    next = run.first_sequence + run.records.size() + 1;  // a refused one lies between
    taken += run.records.size();
    for (const Record& record : run.records) {
      Require(std::visit([](const auto& r) { return r.age >= Duration{}; }, record),
              "no negative age");
      if (const auto* attempt = std::get_if<Attempt>(&record)) {
        Require(attempt->client.address.family() == attempt->server.address.family(),
                "both ends of one family");
        Require(attempt->rule.size() <= 128 && attempt->sampling >= 1,
                "texts short, sampling at least 1");
      }
    }
  }
  Require(taken + batch->refused == batch->last_sequence - batch->first_sequence + 1,
          "each record taken or refused");
  Require(batch->refused == 0 || !batch->complaint.empty(), "a refusal has a reason");
  return 0;
}
