#include "collector/store/trust_rows.h"

#include <utility>

namespace parallax::collector {
namespace {

Result<void> Write(Database& db, const TokenRecord& token) {
  const auto network =
      token.network ? std::optional<std::string>(token.network->ToString()) : std::nullopt;
  return db.Run("INSERT OR REPLACE INTO join_tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                token.id, token.sha256, token.group, network, token.replaces, token.uses,
                token.uses_left, token.created_at, token.expires_at, token.revoked_at,
                token.created_by);
}

Result<void> Write(Database& db, const TokenGone& gone) {
  return db.Run("DELETE FROM join_tokens WHERE id = ?", gone.id);
}

Result<void> Write(Database& db, const TrustRecord& record) {
  return db.Run("INSERT OR REPLACE INTO trusted_sensors VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                record.peer.name, record.peer.group, ToString(record.state), record.key_sha256,
                record.issued_at, record.expires_at, record.refused_until, record.pick_up_until,
                record.token);
}

Result<void> Write(Database& db, const PendingRecord& pending) {
  return db.Run("INSERT OR REPLACE INTO pending_sensors VALUES (?, ?, ?, ?)", pending.key_sha256,
                pending.name, pending.address, pending.asked_at);
}

Result<void> Write(Database& db, const PendingGone& gone) {
  return db.Run("DELETE FROM pending_sensors WHERE key_sha256 = ?", gone.key_sha256);
}

TokenRecord TokenFrom(const Rows& rows) {
  TokenRecord token;
  token.id = rows.Text(0);
  token.sha256 = rows.Text(1);
  token.group = rows.Text(2);
  if (!rows.IsNull(3)) {
    // What cannot be read must not come to mean "from anywhere".
    token.network = Prefix::Parse(rows.Text(3)).value_or(Prefix({}, 32));
  }
  token.replaces = rows.Text(4);
  token.uses = static_cast<uint32_t>(rows.Int(5));
  token.uses_left = static_cast<uint32_t>(rows.Int(6));
  token.created_at = rows.Time(7);
  token.expires_at = rows.Time(8);
  token.revoked_at = rows.Time(9);
  token.created_by = rows.Text(10);
  return token;
}

TrustRecord SensorFrom(const Rows& rows) {
  TrustRecord record;
  record.peer = {rows.Text(1), rows.Text(0)};
  record.state = ParseTrustState(rows.Text(2));
  record.key_sha256 = rows.Text(3);
  record.issued_at = rows.Time(4);
  record.expires_at = rows.Time(5);
  record.refused_until = rows.Time(6);
  record.pick_up_until = rows.Time(7);
  record.token = rows.Text(8);
  return record;
}

PendingRecord PendingFrom(const Rows& rows) {
  return {rows.Text(0), rows.Text(1), rows.Address(2).value_or(IpAddress()), rows.Time(3)};
}

template <typename Record>
Result<void> ReadAll(Database& db, std::string_view sql, Record (*from)(const Rows&),
                     std::vector<Record>& into) {
  auto rows = db.Query(sql);
  if (!rows) {
    return tl::make_unexpected(rows.error());
  }
  while (rows->Next()) {
    into.push_back(from(*rows));
  }
  return rows->Done();
}

}  // namespace

Result<SavedTrust> ReadTrust(Database& db) {
  SavedTrust saved;
  auto done = ReadAll(db, "SELECT * FROM join_tokens ORDER BY id", TokenFrom, saved.tokens);
  if (done) {
    done = ReadAll(db, "SELECT * FROM trusted_sensors ORDER BY name", SensorFrom, saved.sensors);
  }
  if (done) {
    done = ReadAll(db, "SELECT * FROM pending_sensors ORDER BY asked_at, key_sha256", PendingFrom,
                   saved.pending);
  }
  if (!done) {
    return tl::make_unexpected(done.error());
  }
  return saved;
}

Result<void> WriteTrust(Database& db, const TrustRow& row) {
  return std::visit([&](const auto& value) { return Write(db, value); }, row);
}

}  // namespace parallax::collector
