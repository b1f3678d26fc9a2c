// Comma-separated values (RFC 4180), and whether a client asks for them.
#pragma once

#include <string>
#include <string_view>

namespace culvert::control {

// Quoted where it has to be. A text that a spreadsheet would take for a formula gets a ' before it.
std::string csv_field(std::string_view text);

// The field Accept (RFC 9110 section 12.5.1): does it want text/csv more than application/json?
bool prefers_csv(std::string_view accept);

}  // namespace culvert::control
