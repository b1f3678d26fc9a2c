#include "wg/sender_lines.hpp"

#include "tests/support/catch.hpp"

using culvert::wg::SenderLines;

namespace {
constexpr std::size_t room = 32;
}

TEST_CASE("senders take turns, and what one sent stays in order") {
  SenderLines lines(room);
  CHECK(lines.empty());
  for (SenderLines::Message message = 0; message < 3; ++message) lines.push(7, message, 1);
  for (SenderLines::Message message = 3; message < 5; ++message) lines.push(9, message, 1);
  std::vector<int> order;
  while (!lines.empty()) {
    const std::uint32_t sender = lines.sender();
    order.push_back(lines.front());
    lines.pop();
    if (!lines.empty() && lines.sender() == sender) lines.next_sender();
  }
  CHECK(order == std::vector<int>{0, 3, 1, 4, 2});
}

TEST_CASE("a sender whose line ended stands behind the others again") {
  SenderLines lines(room);
  lines.push(1, 0, 1);
  lines.push(2, 1, 1);
  lines.pop();
  lines.push(1, 0, 1);
  CHECK(lines.sender() == 2);
  lines.pop();
  CHECK(lines.sender() == 1);
  CHECK(lines.front() == 0);
}

TEST_CASE("what is too much is taken from the sender of most work, its oldest first") {
  SenderLines lines(room);
  lines.push(1, 5, 1);
  for (SenderLines::Message message = 10; message < 20; ++message) lines.push(2, message, 1);
  lines.push(1, 6, 1);
  CHECK(lines.pop_heaviest() == 10);
  CHECK(lines.pop_heaviest() == 11);
  CHECK(lines.sender() == 1);
  CHECK(lines.front() == 5);
  lines.push(3, 20, 64);  // one message, but much to do
  CHECK(lines.pop_heaviest() == 20);
  CHECK(lines.pop_heaviest() == 12);
  CHECK(lines.sender() == 1);
}

TEST_CASE("turns go round and round, whoever leaves in between") {
  SenderLines lines(3);
  for (int round = 0; round < 10; ++round) {
    for (SenderLines::Message message = 0; message < 3; ++message)
      lines.push(message, message, message == 1 ? 9 : 1);
    lines.next_sender();
    CHECK(lines.sender() == 1);
    lines.next_sender();
    CHECK(lines.sender() == 2);
    CHECK(lines.pop_heaviest() == 1);  // of the one that stands last
    CHECK(lines.front() == 2);
    lines.pop();
    CHECK(lines.front() == 0);
    lines.pop();
    CHECK(lines.empty());
  }
}

TEST_CASE("as many senders as there is room for have a line each") {
  SenderLines lines(room);
  for (SenderLines::Message message = 0; message < room; ++message)
    lines.push(std::uint32_t(1000 + message), message, 1);
  for (SenderLines::Message message = 0; message < room; ++message) {
    REQUIRE(lines.senders() == room - message);
    CHECK(lines.front() == message);
    lines.pop();
  }
  CHECK(lines.empty());
}
