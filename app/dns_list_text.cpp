#include "app/dns_list_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/human.hpp"

namespace culvert::app {
namespace {

using human::member;
using human::number_of;
using human::text_of;
using nlohmann::json;

bool is_true(const json& object, const char* key) {
  return member(object, key) == json(true);
}

std::string ago(const json& object, const char* key, base::WallTime now) {
  const auto when = human::time(text_of(object, key));
  if (!when) return "never";
  const auto age =
      std::max(std::chrono::floor<std::chrono::seconds>(now - *when), std::chrono::seconds(0));
  return human::short_span(age) + " ago";
}

std::string state_of(const json& list) {
  if (is_true(list, "updating")) return "updating";
  const bool failed = !text_of(list, "error").empty();
  if (is_true(list, "in_force")) return failed ? "in force, not renewed" : "in force";
  return failed ? "failed" : "waiting";
}

std::string source_of(const json& list) {
  const std::string url = text_of(list, "url");
  return url.empty() ? text_of(list, "path") : url;
}

// How lines that are refused on purpose are taken after all, or why they cannot be.
std::string_view remedy(std::string_view fault) {
  if (fault == "public_suffix") return "; force = true takes them";
  if (fault == "not_trusted") return "; trusted = true takes them";
  if (fault == "name_servers")
    return "; rpz-nsdname and rpz-nsip are about servers that a forwarder does not see";
  return "";
}

// What is to be said of a list below the table.
std::string remarks_on(const json& list) {
  std::string text;
  const std::string name = text_of(list, "name");
  if (const std::string error = text_of(list, "error"); !error.empty())
    text += fmt::format("{}: {}\n", name, error);
  for (const json& each : member(list, "faults"))
    text += fmt::format("{}: {} lines: {}, the first is line {}{}\n", name,
                        number_of(each, "lines"), text_of(each, "fault"),
                        number_of(each, "first_line"), remedy(text_of(each, "fault")));
  return text;
}

}  // namespace

std::string dns_lists_text(const json& lists, base::WallTime now) {
  human::Table table({{"list"},
                      {"kind"},
                      {"rules", true},
                      {"size", true},
                      {"changed", true},
                      {"checked", true},
                      {"state"},
                      {"read as"},
                      {"from"}});
  std::string remarks;
  for (const json& list : member(lists, "lists")) {
    table.add({text_of(list, "name"), text_of(list, "kind"),
               std::to_string(number_of(list, "rules")), human::bytes(number_of(list, "bytes")),
               ago(list, "changed", now), ago(list, "checked", now), state_of(list),
               text_of(list, "taken_as"), source_of(list)});
    remarks += remarks_on(list);
  }
  if (member(lists, "lists").empty()) return "there is no [[dns.list]]\n";
  std::string text = table.to_string();
  text += fmt::format("{} rules in force, {}\n", number_of(lists, "rules"),
                      human::bytes(number_of(lists, "bytes")));
  for (const json& name : member(lists, "awaited"))
    text += fmt::format("{}: no rules yet, clients that have it get SERVFAIL until then\n",
                        name.get<std::string>());
  if (const std::string error = text_of(lists, "error"); !error.empty())
    text += "what changed could not be compiled: " + error + "\n";
  if (const std::string trouble = text_of(lists, "trouble"); !trouble.empty())
    text += trouble + "\n";
  return remarks.empty() ? text : text + "\n" + remarks;
}

std::string dns_update_text(const json& updated) {
  std::string text;
  for (const json& each : member(updated, "results")) {
    const std::string error = text_of(each, "error");
    text += fmt::format("{}: {}, {} rules{}{}\n", text_of(each, "name"), text_of(each, "outcome"),
                        number_of(each, "rules"), error.empty() ? "" : ": ", error);
  }
  return text.empty() ? "there is no [[dns.list]]\n" : text;
}

std::string dns_explain_text(const json& explained) {
  std::string text = text_of(explained, "why") + "\n";
  // Nobody is asked for an explanation, so what the answer would lead to is not known.
  if (text_of(explained, "verdict") == "pass" && text_of(explained, "reason") == "none")
    text +=
        "  (its answer is looked at too: aliases and addresses; `culvert dns log` has what came of "
        "it)\n";
  for (const json& heard : member(explained, "heard"))
    text += fmt::format("  {} {}: {} says {}\n", is_true(heard, "decides") ? "*" : " ",
                        text_of(heard, "list"), text_of(heard, "domain"), text_of(heard, "says"));
  for (const json& line : member(explained, "lines"))
    text += fmt::format("    {}:{}: {}\n", text_of(line, "list"), number_of(line, "line"),
                        text_of(line, "text"));
  if (const std::string error = text_of(explained, "lines_error"); !error.empty())
    text += "the lines are not known: " + error + "\n";
  return text;
}

}  // namespace culvert::app
