#include "upstream.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <strings.h>
#include <array>
#include <cstring>
#include <stdexcept>

namespace culvert::bench {
namespace {

// 203.0.113.7 for an hour, of the name that was asked.
constexpr std::array<unsigned char, 16> answer{0xc0, 12,   0, 1, 0,   1, 0,   0,
                                               0x0e, 0x10, 0, 4, 203, 0, 113, 7};

// The question's octets; 0: there is none to answer.
std::size_t question_size(const unsigned char* message, std::size_t size) {
  std::size_t at = 12;
  while (at < size && message[at] != 0) at += message[at] + 1u;
  return at + 5 <= size ? at + 5 - 12 : 0;
}

}  // namespace

void serve_upstream(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in here{};
  here.sin_family = AF_INET;
  here.sin_port = htons(port);
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
    throw std::runtime_error("the upstream's port is taken");
  for (;;) {
    std::array<unsigned char, 4096> message;
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(fd, message.data(), message.size() - answer.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 12) continue;
    const std::size_t asked = question_size(message.data(), std::size_t(got));
    const char* const name = reinterpret_cast<const char*>(&message[13]);
    if (asked == 0 || ::strncasecmp(name, "silent", 6) == 0) continue;
    message[2] = 0x81, message[3] = 0x80;
    message[6] = 0, message[7] = 1;
    std::memset(&message[8], 0, 4);
    std::memcpy(&message[12 + asked], answer.data(), answer.size());
    ::sendto(fd, message.data(), 12 + asked + answer.size(), 0,
             reinterpret_cast<const sockaddr*>(&from), length);
  }
}

}  // namespace culvert::bench
