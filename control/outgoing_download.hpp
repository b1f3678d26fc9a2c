// A GET whose body goes to a file: redirects are followed, what is known already is not sent again
// (RFC 9110 section 13), what is packed is unpacked, and all of it is bounded.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "control/outgoing_http.hpp"

namespace culvert::control {

class HttpConnector;

inline constexpr unsigned most_redirects = 5;

// Never throws.
boost::asio::awaitable<DownloadReply> download(HttpConnector& connector, DownloadRequest request);

}  // namespace culvert::control
