#include "control/json_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "control/uri.hpp"

namespace culvert::control {
namespace {

using nlohmann::json;

struct Refused {
  FieldProblem problem;
};

// What nlohmann's parser takes but we do not.
class Watch {
 public:
  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    using Event = json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth + 1 > deepest_json)
        throw Refused{{"", fmt::format("is nested deeper than {} levels", deepest_json)}};
      levels_.emplace_back();
    } else if (event == Event::object_end || event == Event::array_end) {
      levels_.pop_back();
    } else if (event == Event::key) {
      on_key(parsed.get_ref<const std::string&>());
    }
    return true;
  }

 private:
  struct Level {
    std::set<std::string, std::less<>> keys;
    std::string current;
  };

  void on_key(const std::string& key) {
    Level& level = levels_.back();
    level.current = key;
    if (level.keys.insert(key).second) return;
    std::string path;
    for (const Level& each : levels_)
      if (!each.current.empty()) path += (path.empty() ? "" : "/") + shown(each.current);
    throw Refused{{path, "the key is given twice"}};
  }

  std::vector<Level> levels_;
};

Problem malformed(std::string_view text, std::size_t byte, std::string_view why) {
  const std::string_view before = text.substr(0, std::min(byte == 0 ? 0 : byte - 1, text.size()));
  const auto line = 1 + std::ranges::count(before, '\n');
  const auto column = before.size() - (before.rfind('\n') + 1) + 1;
  return {400,
          "Malformed JSON",
          fmt::format("line {}, column {} (byte {}): {}", line, column, byte, why),
          {}};
}

// "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error while parsing
// value - invalid literal; last read: 'tru}'" without what is said elsewhere and what was read,
// which may be any bytes.
std::string_view reason(std::string_view what) {
  if (const auto at = what.find(": "); at != what.npos) what.remove_prefix(at + 2);
  if (const auto read = what.find("; last read"); read != what.npos) {
    const auto expected = what.rfind("; expected");
    if (expected != what.npos && expected > read) return what.substr(expected + 2);
    return what.substr(0, read);
  }
  return what;
}

std::string slug(std::string_view title) {
  std::string out;
  for (const char c : title) {
    if (c >= 'A' && c <= 'Z')
      out += char(c + ('a' - 'A'));
    else
      out += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-';
  }
  return out;
}

}  // namespace

Outcome<json> parse_json(std::string_view text) try {
  if (text.find_first_not_of(" \t\r\n") == text.npos)
    return Problem{400, "Malformed JSON", "the body is empty, expected a JSON object", {}};
  return json::parse(text, Watch{});
} catch (const Refused& refused) {
  return Problem{400, "Malformed JSON", refused.problem.detail, {refused.problem}};
} catch (const json::parse_error& error) {
  return malformed(text, error.byte, shown(reason(error.what()), 200));
} catch (const json::exception& error) {
  return Problem{400, "Malformed JSON", shown(reason(error.what()), 200), {}};
}

std::string problem_text(const Problem& problem) {
  nlohmann::ordered_json out{{"type", "urn:culvert:problem:" + slug(problem.title)},
                             {"title", problem.title},
                             {"status", problem.status}};
  if (!problem.detail.empty()) out["detail"] = problem.detail;
  for (const FieldProblem& each : problem.fields)
    out["errors"].push_back({{"field", each.field}, {"detail", each.detail}});
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace culvert::control
