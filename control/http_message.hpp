// The bytes of an HTTP answer, and what a request line's target is made of.
#pragma once

#include <string>
#include <string_view>

#include "control/http.hpp"
#include "control/http_server.hpp"

namespace culvert::control {

// Origin form ("/path?query") or absolute form ("http://host/path?query", RFC 9112 section 3.2.2);
// the path stays empty for anything else.
void split_target(std::string_view target, Request& request);

// Status line, fields and body; of a stream what comes before it.
std::string response_text(const Response& response, bool head_only, bool keep_alive, bool streams);

std::string too_long_text(const HttpBounds& bounds);

}  // namespace culvert::control
