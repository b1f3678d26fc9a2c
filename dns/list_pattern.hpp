// What RE2 says of a list's expression. They are searched in the name, lower-cased and without its
// last dot.
#pragma once

#include <cstdint>
#include <string>

namespace culvert::dns {

enum class PatternCheck : std::uint8_t {
  good,
  bad,            // RE2 does not know it, or its program would be too large
  of_everything,  // it fits any name, at least of a top-level domain
};
PatternCheck check_pattern(const std::string& expression);

// Of a pattern that check_pattern took, for people: slow, compiles it.
bool pattern_fits(const std::string& expression, const std::string& name);

}  // namespace culvert::dns
