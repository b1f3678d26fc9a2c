#include "control/csv.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// The text before the next `mark`; takes it and the mark off `rest`.
std::string_view next_part(std::string_view& rest, char mark) {
  const std::size_t end = std::min(rest.find(mark), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return trimmed(part);
}

// "q=0.25" in thousandths.
int weight_of(std::string_view text) {
  if (!text.starts_with("q=") && !text.starts_with("Q=")) return 1000;
  text.remove_prefix(2);
  if (text.empty() || text[0] != '0') return 1000;
  int weight = 0, digit = 100;
  for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
    if (c < '0' || c > '9') break;
    weight += (c - '0') * digit;
    digit /= 10;
  }
  return weight;
}

}  // namespace

std::string csv_field(std::string_view text) {
  std::string out(text);
  if (!out.empty() && std::string_view("=+-@\t").find(out[0]) != std::string_view::npos)
    out.insert(out.begin(), '\'');
  if (out.find_first_of(",\"\r\n") == std::string::npos) return out;
  for (std::size_t at = 0; (at = out.find('"', at)) != std::string::npos; at += 2)
    out.insert(at, 1, '"');
  return '"' + out + '"';
}

bool prefers_csv(std::string_view accept) {
  int csv = 0, json = 0, any = 0;
  while (!accept.empty()) {
    std::string_view range = next_part(accept, ',');
    const std::string_view type = next_part(range, ';');
    int weight = 1000;
    while (!range.empty()) weight = std::min(weight, weight_of(next_part(range, ';')));
    if (type == "text/csv") csv = weight;
    if (type == "text/*") csv = std::max(csv, weight);
    if (type == "application/json" || type == "application/*") json = std::max(json, weight);
    if (type == "*/*") any = weight;
  }
  return csv > std::max(json, any) || (csv > 0 && csv == any && json == 0);
}

}  // namespace culvert::control
