// The level of the log after set_up(), for whoever changes it while the process runs.
#pragma once

#include "base/log.hpp"

namespace culvert::base::log {

void set_level(Level level) noexcept;

}  // namespace culvert::base::log
