// Records into the spool, and out of it into batches. Part of convert.h.
#include <algorithm>

#include "sensor/link/convert.h"
#include "sensor/link/convert_record.h"

namespace parallax::sensor {
namespace {

// Texts of a batch are few: rules and interfaces.
uint32_t PlaceOf(const std::string& text, v1::AttemptColumns* columns) {
  const auto& texts = columns->texts();
  const auto found = std::find(texts.begin(), texts.end(), text);
  if (found != texts.end()) {
    return static_cast<uint32_t>(found - texts.begin());
  }
  columns->add_texts(text);
  return static_cast<uint32_t>(columns->texts_size() - 1);
}

void AddColumns(const v1::Attempt& attempt, int64_t& first_seen, v1::AttemptColumns* out) {
  const std::string& client = attempt.client().address();
  out->mutable_families()->push_back(client.size() == 4 ? 4 : 6);
  out->mutable_addresses()->append(client);
  out->mutable_addresses()->append(attempt.server().address());
  out->add_client_ports(attempt.client().port());
  out->add_server_ports(attempt.server().port());
  out->add_isns(attempt.isn());
  const auto seen = static_cast<int64_t>(attempt.first_seen());
  out->add_first_seen(seen - first_seen);
  first_seen = seen;
  out->add_ages_nanos(attempt.age_nanos());
  out->mutable_outcomes()->push_back(static_cast<char>(attempt.outcome()));
  out->add_rules(PlaceOf(attempt.rule(), out));
  out->add_interfaces(PlaceOf(attempt.interface(), out));
  out->add_syns(attempt.syns());
  out->add_syn_acks(attempt.syn_acks());
  out->mutable_ttls()->push_back(static_cast<char>(attempt.ttl()));
  out->add_sampling(attempt.sampling());
}

void Age(v1::Record* record, Duration by) {
  const auto add = [by](auto* part) { part->set_age_nanos(part->age_nanos() + Nanos(by)); };
  switch (record->kind_case()) {
    case v1::Record::kAttempt:
      return add(record->mutable_attempt());
    case v1::Record::kReport:
      return add(record->mutable_report());
    case v1::Record::kServer:
      return add(record->mutable_server());
    case v1::Record::kPath:
      return add(record->mutable_path());
    case v1::Record::kAnnouncement:
      return add(record->mutable_announcement());
    case v1::Record::kGap:
      return add(record->mutable_gap());
    case v1::Record::KIND_NOT_SET:
      return;
  }
}

}  // namespace

std::string Encode(const Record& record) {
  v1::Record out;
  Fill(record, &out);
  return out.SerializeAsString();
}

size_t FillBatch(const Spool::Chunk& chunk, size_t from, BatchForm form, v1::Batch* out) {
  out->set_first_sequence(chunk.first_sequence + from);
  v1::Record record;
  int64_t first_seen = 0;
  size_t count = 0;
  for (; from + count < chunk.items.size(); ++count) {
    const Spool::Item& item = chunk.items[from + count];
    if (!record.ParseFromString(item.payload)) {
      break;
    }
    Age(&record, item.age);
    const bool column = form == BatchForm::kColumns && record.has_attempt();
    if (form == BatchForm::kRows ? record.has_gap() : count > 0 && column != out->has_attempts()) {
      break;
    }
    if (column) {
      AddColumns(record.attempt(), first_seen, out->mutable_attempts());
    } else {
      *out->add_records() = std::move(record);
    }
  }
  return count;
}

}  // namespace parallax::sensor
