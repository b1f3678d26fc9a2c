// JSON of a request, read strictly (RFC 8259, I-JSON's rule on keys): UTF-8, no key twice in an
// object, a bound on nesting. What is wrong is named with its line and column.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "control/outcome.hpp"

namespace culvert::control {

inline constexpr int deepest_json = 32;

Outcome<nlohmann::json> parse_json(std::string_view text);

// RFC 9457. The kind of problem is its title: {"type": "urn:culvert:problem:peer-not-found", ...}
std::string problem_text(const Problem& problem);

}  // namespace culvert::control
