#include "wg/udp_batch.hpp"

#include <array>
#include <cstring>
#include <string>

#include "tests/support/catch.hpp"

using namespace culvert;
using namespace culvert::wg;

namespace {

Path path_to(std::uint16_t port) {
  return {{base::IpAddress::v4(0x7f000001), port}, base::IpAddress::v4(0x7f000002), 0};
}

class Batch : public SendBatch {
 public:
  // A datagram that names itself in its first byte.
  bool put(std::uint16_t port, std::size_t size, char name, std::uint8_t tos = 0,
           bool segments = true) {
    const base::MutableBytes room = add(path_to(port), size, tos, segments);
    if (room.empty()) return false;
    room[0] = static_cast<std::byte>(name);
    return true;
  }

  // "port:names of its datagrams" of every message.
  std::string shape() const {
    std::string text;
    for (const Message& message : messages()) {
      if (!text.empty()) text += ' ';
      text += std::to_string(message.path.remote.port) + ":";
      std::array<iovec, max_segments> places;
      const std::size_t n = list(message, places);
      for (std::size_t i = 0; i < n; ++i) text += *static_cast<const char*>(places[i].iov_base);
    }
    return text;
  }
};

}  // namespace

TEST_CASE("datagrams of one path and size become one message, and a shorter one ends it") {
  Batch batch;
  batch.put(1, 100, 'a');
  batch.put(1, 100, 'b');
  batch.put(1, 40, 'c');
  batch.put(1, 40, 'd');
  batch.put(1, 100, 'e');
  CHECK(batch.shape() == "1:abc 1:d 1:e");
  CHECK(batch.messages()[0].bytes == 240);
  CHECK(batch.messages()[0].segment == 100);
}

TEST_CASE("datagrams of several paths may come in turns and still share messages") {
  Batch batch;
  for (char name = 'a'; name < 'g'; ++name) batch.put(name % 2 ? 1 : 2, 100, name);
  CHECK(batch.shape() == "1:ace 2:bdf");
}

TEST_CASE("a datagram never joins an older message than the newest of its path") {
  Batch batch;
  batch.put(1, 100, 'a');
  batch.put(1, 200, 'b');  // too long for the first
  batch.put(1, 100, 'c');  // fits the first, but belongs behind `b`
  batch.put(1, 100, 'd');
  CHECK(batch.shape() == "1:a 1:bc 1:d");
}

TEST_CASE("another traffic class or another local address is another message") {
  Batch batch;
  batch.put(1, 100, 'a');
  batch.put(1, 100, 'b', 0x88);
  batch.put(1, 100, 'c', 0x88);
  batch.put(1, 100, 'd');
  Path other = path_to(1);
  other.local = base::IpAddress::v4(0x7f000003);
  REQUIRE_FALSE(batch.add(other, 100, 0, true).empty());
  CHECK(batch.messages().size() == 4);
  CHECK(batch.messages()[1].tos == 0x88);
  CHECK(batch.messages()[1].count == 2);
}

TEST_CASE("without segmentation every datagram is a message of its own") {
  Batch batch;
  batch.put(1, 100, 'a', 0, false);
  batch.put(1, 100, 'b', 0, false);
  CHECK(batch.shape() == "1:a 1:b");
}

TEST_CASE("a message holds at most 64 datagrams and 65,000 bytes") {
  Batch small, large;
  for (int i = 0; i < 130; ++i) REQUIRE(small.put(1, 32, 'a'));
  REQUIRE(small.messages().size() == 3);
  CHECK(small.messages()[0].count == 64);
  CHECK(small.messages()[2].count == 2);
  for (int i = 0; i < 60; ++i) REQUIRE(large.put(1, 1452, 'a'));
  REQUIRE(large.messages().size() == 2);
  CHECK(large.messages()[0].count == 44);
  CHECK(large.messages()[0].bytes <= 65000);
}

TEST_CASE("what was added last can be taken back, wherever it went") {
  Batch batch;
  batch.put(1, 100, 'a');
  batch.put(2, 100, 'b');
  batch.put(1, 100, 'c');
  batch.cancel_last();
  CHECK(batch.shape() == "1:a 2:b");
  batch.put(1, 60, 'd');
  batch.cancel_last();
  batch.put(1, 100, 'e');  // `d` would have ended the message
  CHECK(batch.shape() == "1:ae 2:b");
  batch.put(3, 100, 'f');
  batch.cancel_last();
  CHECK(batch.shape() == "1:ae 2:b");
  batch.cancel_last();  // only once
  CHECK(batch.shape() == "1:ae 2:b");
}

TEST_CASE("taking back the only datagram leaves an empty batch that can be used again") {
  Batch batch;
  batch.put(1, 100, 'a');
  batch.cancel_last();
  CHECK(batch.empty());
  batch.cancel_last();
  CHECK(batch.empty());
  batch.put(2, 50, 'b');
  CHECK(batch.shape() == "2:b");
}

TEST_CASE("datagrams that lie side by side are gathered as one place") {
  Batch batch;
  for (char name : {'a', 'b', 'c'}) batch.put(1, 100, name);
  batch.put(2, 100, 'x');
  batch.put(1, 70, 'd');
  std::array<iovec, SendBatch::max_segments> places;
  REQUIRE(batch.gather(batch.messages()[0], places) == 2);
  CHECK(places[0].iov_len == 300);
  CHECK(places[1].iov_len == 70);
  CHECK(*static_cast<char*>(places[1].iov_base) == 'd');
}

TEST_CASE("a batch is full when its arena or its list is, and clear() empties both") {
  Batch arena, list;
  std::size_t count = 0;
  while (arena.put(1, 8000, 'a')) ++count;
  CHECK(count == SendBatch::arena_size / 8000);
  CHECK(arena.put(1, SendBatch::arena_size % 8000, 'b'));  // the rest is still there
  arena.clear();
  CHECK(arena.empty());
  CHECK(arena.put(1, 8000, 'c'));

  count = 0;
  while (list.put(std::uint16_t(count), 32, 'a')) ++count;
  CHECK(count == SendBatch::max_datagrams);
}
