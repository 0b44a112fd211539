#include "collector/store/fault_rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/faults/fault_codec.h"

namespace linkpilot::collector {

namespace {

// Addresses hold no white space.
std::string joined(const std::vector<std::string>& recipients) {
  return fmt::format("{}", fmt::join(recipients, "\n"));
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

Status read_faults(Database& database, const std::string& sql, std::vector<Fault>& into) {
  Result<Statement> statement = database.prepare(sql);
  if (!statement) return fail(statement.error());
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    Result<Fault> fault = decode_fault(statement->text(0));
    if (fault) into.push_back(*std::move(fault));
  }
}

Status read_mails(Database& database, std::vector<OutgoingMail>& into) {
  Result<Statement> statement = database.prepare(
      "SELECT id, thread, message_id, subject, created_ns, sender, recipients, octets FROM mails "
      "ORDER BY id");
  if (!statement) return fail(statement.error());
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    OutgoingMail mail;
    mail.id = as_identity(statement->integer(0));
    mail.thread = statement->text(1);
    mail.message_id = statement->text(2);
    mail.subject = statement->text(3);
    mail.created = UnixNanos{statement->integer(4)};
    mail.from = statement->text(5);
    mail.recipients = split(statement->text(6));
    mail.octets = statement->text(7);
    if (!mail.recipients.empty()) into.push_back(std::move(mail));
  }
}

Status read_notices(Database& database, std::vector<NoticeRow>& into) {
  Result<Statement> statement = database.prepare("SELECT key, body FROM notices ORDER BY key");
  if (!statement) return fail(statement.error());
  for (;;) {
    Result<bool> more = statement->step();
    if (!more) return fail(more.error());
    if (!*more) return {};
    into.push_back({std::string(statement->text(0)), std::string(statement->text(1))});
  }
}

}  // namespace

Status FaultRows::prepare(Database& database) {
  struct Prepared {
    Statement* statement;
    const char* sql;
  };
  const Prepared statements[] = {
      {&replace_fault_,
       "INSERT OR REPLACE INTO faults(id, opened_ns, resolved_ns, body) VALUES(?, ?, ?, ?)"},
      {&replace_mail_,
       "INSERT OR REPLACE INTO mails(id, thread, message_id, subject, created_ns, sender, "
       "recipients, octets) VALUES(?, ?, ?, ?, ?, ?, ?, ?)"},
      {&delete_mail_, "DELETE FROM mails WHERE id = ?"},
      {&replace_notice_, "INSERT OR REPLACE INTO notices(key, body) VALUES(?, ?)"},
      {&delete_notice_, "DELETE FROM notices WHERE key = ?"},
  };
  for (const Prepared& each : statements) {
    Result<Statement> statement = database.prepare(each.sql);
    if (!statement) return fail(statement.error());
    *each.statement = *std::move(statement);
  }
  return {};
}

Status FaultRows::write(Database& database, const FaultNotes& notes) {
  for (const Fault& fault : notes.faults) {
    const std::string body = encode_fault(fault);
    Status status = replace_fault_.bind(1, fault.id)
                        .bind(2, fault.opened.ns)
                        .bind(3, fault.resolved.ns)
                        .bind(4, body)
                        .run();
    if (!status) return status;
  }
  for (const OutgoingMail& mail : notes.mails) {
    const std::string recipients = joined(mail.recipients);
    const std::span<const std::uint8_t> octets{
        reinterpret_cast<const std::uint8_t*>(mail.octets.data()), mail.octets.size()};
    Status status = replace_mail_.bind(1, as_stored(mail.id))
                        .bind(2, mail.thread)
                        .bind(3, mail.message_id)
                        .bind(4, mail.subject)
                        .bind(5, mail.created.ns)
                        .bind(6, mail.from)
                        .bind(7, recipients)
                        .bind(8, octets)
                        .run();
    if (!status) return status;
  }
  for (const std::uint64_t id : notes.mails_gone) {
    if (Status status = delete_mail_.bind(1, as_stored(id)).run(); !status) return status;
  }
  for (const NoticeRow& row : notes.notices) {
    Status status = row.body.empty() ? delete_notice_.bind(1, row.key).run()
                                     : replace_notice_.bind(1, row.key).bind(2, row.body).run();
    if (!status) return status;
  }
  if (notes.faults.empty()) return {};
  return database.execute(
      fmt::format("DELETE FROM faults WHERE resolved_ns > 0 AND id NOT IN (SELECT id FROM faults "
                  "WHERE resolved_ns > 0 ORDER BY resolved_ns DESC LIMIT {})",
                  kFaultsKept));
}

Status restore_faults(Database& database, Restored& restored) {
  Status status =
      read_faults(database, "SELECT body FROM faults WHERE resolved_ns = 0 ORDER BY opened_ns",
                  restored.open_faults);
  if (!status) return status;
  status = read_faults(database,
                       fmt::format("SELECT body FROM faults WHERE resolved_ns > 0 ORDER BY "
                                   "resolved_ns DESC LIMIT {}",
                                   kFaultsRestored),
                       restored.past_faults);
  std::reverse(restored.past_faults.begin(), restored.past_faults.end());
  if (!status) return status;
  if (status) status = read_mails(database, restored.mails);
  if (status) status = read_notices(database, restored.notices);
  return status;
}

}  // namespace linkpilot::collector
