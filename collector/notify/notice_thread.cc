#include "collector/notify/notice_thread.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "collector/notify/mail_settings.h"

namespace linkpilot::collector {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kStoredMembersMax = 4'096;
constexpr std::size_t kFaultIdMax = 64;

std::optional<NoticeReason> reason_named(std::string_view text) {
  for (const NoticeReason reason :
       {NoticeReason::opened, NoticeReason::updated, NoticeReason::repeated,
        NoticeReason::escalated, NoticeReason::resolved}) {
    if (text == to_string(reason)) return reason;
  }
  return std::nullopt;
}

std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t integer_at(const Json& object, const char* key, std::int64_t max) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return 0;
  const auto value = found->get<std::int64_t>();
  return value < 0 || value > max ? 0 : value;
}

}  // namespace

std::size_t NoticeThread::pending() const {
  return static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(),
                    [](const auto& each) { return each.second.pending.has_value(); }));
}

bool NoticeThread::over() const {
  return std::none_of(members.begin(), members.end(),
                      [](const auto& each) { return each.second.fault.open(); });
}

void NoticeThread::add_people(const std::vector<Mailbox>& people) {
  for (const Mailbox& each : people) {
    const bool there = std::any_of(
        to.begin(), to.end(), [&](const Mailbox& other) { return other.address == each.address; });
    if (!there && to.size() < kMailRecipientsMax) to.push_back(each);
  }
}

void NoticeThread::remove(const std::string& fault) {
  members.erase(fault);
  std::erase(order, fault);
}

std::string encode_thread(const NoticeThread& thread) {
  Json to = Json::array();
  for (const Mailbox& each : thread.to) to.push_back({each.name, each.address});
  Json members = Json::array();
  for (const std::string& id : thread.order) {
    const ThreadMember& member = thread.members.at(id);
    members.push_back({{"fault", id},
                       {"told", member.told},
                       {"pending", member.pending ? to_string(*member.pending) : ""}});
  }
  const Json json = {{"mails", thread.mails},
                     {"told_ns", thread.told_at.ns},
                     {"stem", thread.stem},
                     {"to", to},
                     {"members", members}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<StoredThread> decode_thread(std::string_view text) {
  if (text.size() > kThreadTextMax) return fail(ErrorCode::limit_exceeded, "a thread too large");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::corrupt, "a thread that is no JSON object");
  StoredThread thread;
  thread.mails = static_cast<std::uint32_t>(integer_at(json, "mails", 0xFFFFFFFF));
  thread.told_at = {integer_at(json, "told_ns", std::numeric_limits<std::int64_t>::max())};
  thread.stem = clean_line(text_at(json, "stem"));
  if (const auto to = json.find("to"); to != json.end() && to->is_array()) {
    for (const Json& each : *to) {
      if (!each.is_array() || each.size() != 2 || !each[0].is_string() || !each[1].is_string()) {
        continue;
      }
      Result<Mailbox> mailbox = parse_mailbox(each[1].get<std::string>());
      if (!mailbox || thread.to.size() >= kMailRecipientsMax) continue;
      mailbox->name = clean_line(each[0].get<std::string>());
      thread.to.push_back(*std::move(mailbox));
    }
  }
  if (const auto members = json.find("members"); members != json.end() && members->is_array()) {
    for (const Json& each : *members) {
      if (!each.is_object() || thread.members.size() >= kStoredMembersMax) continue;
      StoredThread::Member member;
      member.fault = text_at(each, "fault");
      if (member.fault.empty() || member.fault.size() > kFaultIdMax) continue;
      const auto told = each.find("told");
      member.told = told != each.end() && told->is_boolean() && told->get<bool>();
      member.pending = reason_named(text_at(each, "pending"));
      thread.members.push_back(std::move(member));
    }
  }
  return thread;
}

}  // namespace linkpilot::collector
