#include "base/packet.hpp"

#include <vector>

#include "tests/support/catch.hpp"

using namespace culvert::base;

TEST_CASE("a pool gives no more than its bound and takes packets back") {
  PacketPool pool(2048, 3);
  std::vector<Packet> held;
  for (int i = 0; i < 3; ++i) held.push_back(pool.allocate());
  CHECK(pool.in_use() == 3);
  CHECK_FALSE(pool.allocate());
  held.pop_back();
  CHECK(pool.allocate());
  held.clear();
  CHECK(pool.in_use() == 0);
}

TEST_CASE("a packet is moved, not shared") {
  PacketPool pool(64, 2);
  Packet a = pool.allocate();
  a.resize(5);
  Packet b = std::move(a);
  CHECK_FALSE(a);
  CHECK(b.size() == 5);
  b = pool.allocate();
  CHECK(pool.in_use() == 1);
}

TEST_CASE("a released packet comes back by adopt") {
  PacketPool pool(64, 1);
  Packet packet = pool.allocate();
  packet.resize(7);
  void* raw = packet.release();
  CHECK(pool.in_use() == 1);
  Packet again = Packet::adopt(raw);
  CHECK(again.size() == 7);
  again.reset();
  CHECK(pool.in_use() == 0);
}

TEST_CASE("pieces count their bytes and refuse one too many") {
  const std::byte byte{1};
  Pieces pieces;
  for (std::size_t i = 0; i < Pieces::max_count; ++i) CHECK(pieces.add({&byte, 1}));
  CHECK_FALSE(pieces.add({&byte, 1}));
  CHECK(pieces.size() == Pieces::max_count);
  std::array<std::byte, 10> out;
  CHECK(pieces.copy_to(out) == 10);
}
