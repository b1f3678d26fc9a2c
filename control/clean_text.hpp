// Text from outside on its way to a log, an event or a status: bounded, without control characters.
#pragma once

#include <cstddef>
#include <string>

namespace culvert::control {

// Control characters (also those that UTF-8 writes as C2 80 to C2 9F) become spaces; what is longer
// than `longest` bytes ends in "...".
std::string clean_text(std::string text, std::size_t longest = 4096);

// As a JSON string (RFC 8259 section 7), quotes included; what is not UTF-8 is replaced.
std::string json_string(const std::string& text);

}  // namespace culvert::control
