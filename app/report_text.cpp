#include "app/report_text.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/human.hpp"
#include "app/show_text.hpp"

namespace culvert::app {
namespace {

using human::member;
using human::number_of;
using human::text_of;
using nlohmann::json;

std::string age(const json& flow, base::WallTime now) {
  const auto start = human::time(text_of(flow, "started"));
  if (!start) return "";
  return human::short_span(std::chrono::duration_cast<std::chrono::seconds>(now - *start));
}

std::vector<std::string> usage_cells(std::string key, const json& usage) {
  const std::uint64_t up = number_of(usage, "up_bytes"), down = number_of(usage, "down_bytes");
  return {std::move(key),
          human::bytes(down),
          human::bytes(up),
          human::bytes(down + up),
          fmt::format("{}", number_of(usage, "flows")),
          fmt::format("{}", number_of(usage, "denied"))};
}

// With the name that the client asked for, where it is known.
std::string server_of(const json& flow) {
  const std::string server = text_of(flow, "server"), domain = text_of(flow, "domain");
  return domain.empty() ? server : fmt::format("{} ({})", server, domain);
}

}  // namespace

std::string flows_text(const json& list, base::WallTime now) {
  human::Table table({{"PEER"},
                      {"PROTOCOL"},
                      {"CLIENT"},
                      {"SERVER"},
                      {"STATE"},
                      {"AGE", true},
                      {"DOWN", true},
                      {"UP", true}});
  for (const json& flow : member(list, "flows"))
    table.add({text_of(flow, "peer"), text_of(flow, "protocol"), text_of(flow, "client"),
               server_of(flow), text_of(flow, "state"), age(flow, now),
               human::bytes(number_of(member(flow, "down"), "bytes")),
               human::bytes(number_of(member(flow, "up"), "bytes"))});
  const bool more = member(list, "truncated") == json(true);
  return table.to_string() + (more ? "and more: --limit shows them\n" : "");
}

std::string usage_text(const json& report) {
  const std::string by = text_of(report, "by");
  human::Table table({{by.empty() ? "KEY" : by},
                      {"DOWN", true},
                      {"UP", true},
                      {"TOTAL", true},
                      {"FLOWS", true},
                      {"DENIED", true}});
  for (const json& row : member(report, "rows")) {
    const std::string start = human::local_time(text_of(row, "start"));
    table.add(usage_cells(start.empty() ? text_of(row, "key") : start, row));
  }
  table.add(usage_cells("total", member(report, "total")));
  return fmt::format("from {} to {}\n{}", human::local_time(text_of(report, "since")),
                     human::local_time(text_of(report, "until")), table.to_string());
}

std::string reload_text(const json& report) {
  std::string text;
  const auto line = [&](const char* key, const char* name) {
    if (const auto list = human::joined(member(report, key)); !list.empty())
      text += fmt::format("{}: {}\n", name, list);
  };
  line("added", "peers added");
  line("removed", "peers removed");
  line("changed", "peers changed");
  line("applied", "keys that hold now");
  line("need_restart", "keys that wait for a restart");
  return text.empty() ? "nothing changed\n" : text;
}

std::string event_text(std::string_view data) {
  const json event = json::parse(data, nullptr, false);
  const std::string peer = text_of(event, "peer"), detail = text_of(event, "detail");
  return fmt::format("{} {}{}{}{}{}\n", human::local_time(text_of(event, "time")),
                     text_of(event, "type"), peer.empty() ? "" : " ", peer,
                     detail.empty() ? "" : ": ", detail);
}

std::string peer_list_text(const json& peers) {
  human::Table table({{"NAME"}, {"PUBLIC KEY"}, {"ALLOWED IPS"}, {"GROUP"}, {"SOURCE"}, {"STATE"}});
  for (const json& peer : peers)
    table.add({text_of(peer, "name"), text_of(peer, "public_key"),
               human::joined(member(peer, "allowed_ips")), text_of(peer, "group"),
               text_of(peer, "source"), state_text(peer)});
  return table.to_string();
}

}  // namespace culvert::app
