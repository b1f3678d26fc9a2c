// Any bytes at a door of the HTTP server: it answers in HTTP or not at all, and once the client has
// said its last the connection ends without waiting for a timer.
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "control/http_server.hpp"
#include "tests/control/support/fake_api.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert::control;
  if (size == 0) return 0;
  FakeApi fake;
  fake.server.put("laptop", 1, Source::file);
  fake.server.put("phone", 2, Source::database);
  boost::asio::io_context io;
  HttpServer server(io, fake.api);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return 0;
  server.adopt(pair[1], data[0] % 2 == 0 ? Door::local : Door::tcp);
  (void)!::send(pair[0], data + 1, size - 1, MSG_NOSIGNAL);
  ::shutdown(pair[0], SHUT_WR);
  std::string got;
  char room[65536];
  for (int turn = 0; server.connections() > 0; ++turn) {
    if (turn == 100'000) __builtin_trap();  // it waits for what never comes
    io.poll();
    io.restart();
    for (ssize_t n; (n = ::recv(pair[0], room, sizeof room, 0)) > 0;)
      got.append(room, std::size_t(n));
  }
  ::close(pair[0]);
  if (!got.empty() && !got.starts_with("HTTP/1.1 ")) __builtin_trap();
  if (fake.server.find("laptop") == nullptr) __builtin_trap();  // the file's, whatever was asked
  return 0;
}
