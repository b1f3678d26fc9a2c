#include "proxy/down_buffer.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace culvert;
using proxy::ChunkPool;
using proxy::DownBuffer;

namespace {

struct Pair {
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) == 0); }
  ~Pair() { ::close(fd[0]), ::close(fd[1]); }
  void write(const std::string& text) {
    REQUIRE(::send(fd[0], text.data(), text.size(), 0) == ssize_t(text.size()));
  }
  int fd[2];
};

std::string text(base::Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("bytes stay where they were read until they are released, and then nothing is owned") {
  Pair pair;
  ChunkPool pool;
  DownBuffer buffer(pool);
  std::vector<std::pair<base::Bytes, std::string>> parts;
  std::size_t total = 0;
  for (const std::size_t size : {1, 100, 3000, 20000, 60000, 1, 5}) {
    const std::string sent(size, char('a' + parts.size()));
    pair.write(sent);
    base::Bytes fresh;
    REQUIRE(buffer.read(pair.fd[1], ChunkPool::largest, fresh) == ssize_t(size));
    parts.emplace_back(fresh, sent);
    total += size;
  }
  for (const auto& [bytes, sent] : parts) CHECK(text(bytes) == sent);
  buffer.release(50000);
  CHECK(text(parts.back().first) == parts.back().second);
  CHECK_FALSE(buffer.empty());
  buffer.release(total - 50000);
  CHECK(buffer.empty());
  CHECK(pool.bytes_in_use() == 0);
}

TEST_CASE("little data takes little memory") {
  Pair pair;
  ChunkPool pool;
  DownBuffer buffer(pool);
  for (int i = 0; i < 1000; ++i) {
    pair.write("x");
    base::Bytes fresh;
    REQUIRE(buffer.read(pair.fd[1], ChunkPool::largest, fresh) == 1);
  }
  CHECK(pool.bytes_in_use() <= 2048);
}

TEST_CASE("a read never takes more than it may, and a dry socket costs nothing") {
  Pair pair;
  ChunkPool pool;
  DownBuffer buffer(pool);
  base::Bytes fresh;
  CHECK(buffer.read(pair.fd[1], 100, fresh) == -1);
  CHECK(errno == EAGAIN);
  CHECK(pool.bytes_in_use() == 0);
  pair.write(std::string(1000, 'y'));
  CHECK(buffer.read(pair.fd[1], 100, fresh) == 100);
  ::shutdown(pair.fd[0], SHUT_WR);
  CHECK(buffer.read(pair.fd[1], 2000, fresh) == 900);
  CHECK(buffer.read(pair.fd[1], 2000, fresh) == 0);
}
