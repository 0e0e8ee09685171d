#include "collector/ingest/convert_columns.h"

#include "collector/ingest/convert_record.h"

namespace parallax::collector {
namespace {

size_t AddressBytes(char family) { return family == 4 ? 4 : 16; }

}  // namespace

Result<ColumnReader> ColumnReader::Open(const v1::AttemptColumns& columns) {
  const std::string& families = columns.families();
  size_t address_bytes = 0;
  for (const char family : families) {
    if (family != 4 && family != 6) {
      return Fail(ErrorCode::kFailure, "columns with an unknown address family");
    }
    address_bytes += 2 * AddressBytes(family);
  }
  const auto count = static_cast<int>(families.size());
  const bool agree = columns.addresses().size() == address_bytes &&
                     columns.client_ports_size() == count && columns.server_ports_size() == count &&
                     columns.isns_size() == count && columns.first_seen_size() == count &&
                     columns.ages_nanos_size() == count &&
                     columns.outcomes().size() == families.size() &&
                     columns.rules_size() == count && columns.interfaces_size() == count &&
                     columns.syns_size() == count && columns.syn_acks_size() == count &&
                     columns.ttls().size() == families.size() && columns.sampling_size() == count;
  if (!agree) {
    return Fail(ErrorCode::kFailure, "columns of different lengths");
  }
  return ColumnReader(columns);
}

Result<Record> ColumnReader::Next() {
  const v1::AttemptColumns& in = *columns_;
  const int i = next_++;
  const auto at = static_cast<size_t>(i);
  v1::Attempt& row = *row_.mutable_attempt();
  const size_t length = AddressBytes(in.families()[at]);
  row.mutable_client()->set_address(in.addresses().data() + address_, length);
  row.mutable_server()->set_address(in.addresses().data() + address_ + length, length);
  address_ += 2 * length;
  row.mutable_client()->set_port(in.client_ports(i));
  row.mutable_server()->set_port(in.server_ports(i));
  row.set_isn(in.isns(i));
  // Unsigned, so that nonsense wraps around and is found out of range.
  first_seen_ = static_cast<int64_t>(static_cast<uint64_t>(first_seen_) +
                                     static_cast<uint64_t>(in.first_seen(i)));
  row.set_first_seen(static_cast<uint64_t>(first_seen_));
  row.set_age_nanos(in.ages_nanos(i));
  row.set_outcome(static_cast<v1::AttemptOutcome>(static_cast<unsigned char>(in.outcomes()[at])));
  row.set_syns(in.syns(i));
  row.set_syn_acks(in.syn_acks(i));
  row.set_ttl(static_cast<unsigned char>(in.ttls()[at]));
  row.set_sampling(in.sampling(i));
  const auto texts = static_cast<uint32_t>(in.texts_size());
  if (in.rules(i) >= texts || in.interfaces(i) >= texts) {
    return Fail(ErrorCode::kFailure, "attempt with a text that is not there");
  }
  row.set_rule(in.texts(static_cast<int>(in.rules(i))));
  row.set_interface(in.texts(static_cast<int>(in.interfaces(i))));
  return ReadRecord(row_);
}

}  // namespace parallax::collector
