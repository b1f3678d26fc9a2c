#include "dns/list_pattern.hpp"

#include "dns/pattern_options.hpp"

namespace culvert::dns {
namespace {

// RE2's bound for the program and its automata; some thousand instructions.
constexpr std::int64_t max_memory = 1 << 18;
constexpr int max_program = 2000;

// Names that no list means, of shapes that have little in common.
constexpr const char* tlds[] = {"com", "net", "org", "de", "io", "co.uk", "ru", "info"};
constexpr const char* unlikely[] = {"zq0jx.", "0.quux--probe.", "qwvk-x.plugh-xyzzy."};

bool fits_everything(const RE2& pattern) {
  for (const char* tld : tlds) {
    bool all = true;
    for (const char* name : unlikely)
      all = all && RE2::PartialMatch(std::string(name) + tld, pattern);
    if (all) return true;
  }
  return false;
}

}  // namespace

PatternCheck check_pattern(const std::string& expression) {
  const RE2 pattern(expression, pattern_options(max_memory));
  if (expression.empty() || !pattern.ok() || pattern.ProgramSize() > max_program)
    return PatternCheck::bad;
  return fits_everything(pattern) ? PatternCheck::of_everything : PatternCheck::good;
}

bool pattern_fits(const std::string& expression, const std::string& name) {
  const RE2 pattern(expression, pattern_options(max_memory));
  return pattern.ok() && RE2::PartialMatch(name, pattern);
}

}  // namespace culvert::dns
