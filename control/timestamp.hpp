// Times as text, UTC: RFC 3339 with milliseconds for lines, a sortable stamp for file names.
#pragma once

#include <string>

#include "base/time.hpp"

namespace culvert::control {

std::string timestamp(base::WallTime when);   // 2026-12-31T23:59:59.999Z
std::string file_stamp(base::WallTime when);  // 20261231T235959.999Z

}  // namespace culvert::control
