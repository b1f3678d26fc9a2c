// How culvert signs what it posts, and how a receiver checks it:
//
//   Culvert-Timestamp: 1798761599                 seconds since the Unix epoch, of this attempt
//   Culvert-Signature: sha256=HEX                 HMAC-SHA256 (RFC 2104) under the shared secret of
//                                                 TIMESTAMP "." BODY, the body's bytes as received
//
// A receiver computes the same, compares in constant time, and refuses a timestamp that is more
// than some minutes off, so that nothing recorded can be sent again.
#pragma once

#include <string>
#include <string_view>

namespace culvert::control {

// "sha256=" and 64 lower-case hexadecimal digits.
std::string hook_signature(std::string_view secret, std::string_view timestamp,
                           std::string_view body);

}  // namespace culvert::control
