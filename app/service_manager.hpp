// Tells systemd (or whoever set NOTIFY_SOCKET) how the service is: sd_notify(3) without its
// library.
#pragma once

#include <string_view>

namespace culvert::app {

// "READY=1", "STOPPING=1"; nothing happens where nobody asked for it.
void notify_service_manager(std::string_view state) noexcept;

}  // namespace culvert::app
