#include "wg/replay_window.hpp"

#include "tests/support/catch.hpp"
#include "tests/support/lossy_wire.hpp"

#include <memory>
#include <set>

using namespace culvert;
using wg::reject_after_messages;
using wg::ReplayWindow;

namespace {
constexpr std::uint64_t size = ReplayWindow::size;
constexpr std::uint64_t limit = reject_after_messages;
}  // namespace

TEST_CASE("directed checks of the replay window, in order", "[wg][replay]") {
  const struct {
    std::uint64_t counter;
    bool accepted;
  } checks[] = {
      {0, true},
      {1, true},
      {1, false},
      {9, true},
      {8, true},
      {7, true},
      {7, false},
      {size, true},
      {size - 1, true},
      {size - 1, false},
      {size - 2, true},
      {2, true},
      {2, false},
      {size + 16, true},
      {3, false},
      {size + 16, false},
      {size * 4, true},
      {size * 4 - (size - 1), true},
      {10, false},
      {size * 4 - size, true},
      {size * 4 - (size + 1), false},
      {size * 4 - (size - 2), true},
      {size * 4 + 1 - size, false},
      {0, false},
      {limit, false},
      {limit - 1, true},
      {limit, false},
      {limit - 1, false},
      {limit - 2, true},
      {limit + 1, false},
      {limit + 2, false},
      {limit - 2, false},
      {limit - 3, true},
      {0, false},
  };
  static_assert(std::size(checks) == 34);
  ReplayWindow window;
  for (std::size_t i = 0; i < std::size(checks); ++i) {
    INFO("check " << i << ", counter " << checks[i].counter);
    CHECK(window.accept(checks[i].counter) == checks[i].accepted);
  }
}

TEST_CASE("exactly 8128 counters behind the newest are remembered", "[wg][replay]") {
  STATIC_REQUIRE(ReplayWindow::size == 8128);
  ReplayWindow window;
  CHECK(window.accept(100'000));
  CHECK(window.accept(100'000 - size));
  CHECK_FALSE(window.accept(100'000 - size - 1));
}

TEST_CASE("sweeps: forwards, then backwards, each counter passes once", "[wg][replay]") {
  const auto sweep = [](std::uint64_t first, std::uint64_t last) {
    ReplayWindow window;
    bool all = true, none = false;
    for (std::uint64_t c = first; c <= last; ++c) all = window.accept(c) && all;
    for (std::uint64_t c = first; c <= last; ++c) none = window.accept(c) || none;
    CHECK(all);
    CHECK_FALSE(none);
  };
  const auto backwards = [](std::uint64_t first, std::uint64_t last) {
    ReplayWindow window;
    bool all = true, none = false;
    for (std::uint64_t c = last + 1; c-- > first;) all = window.accept(c) && all;
    for (std::uint64_t c = last + 1; c-- > first;) none = window.accept(c) || none;
    CHECK(all);
    CHECK_FALSE(none);
  };
  sweep(1, size);
  sweep(0, size - 1);
  sweep(limit - 3 * size, limit - 1);
  backwards(0, size);
  backwards(1, size + 1);
  backwards(limit - 1 - size, limit - 1);
}

TEST_CASE("a backward sweep one longer than the window loses exactly its last", "[wg][replay]") {
  ReplayWindow window;
  for (std::uint64_t c = size + 1; c > 0; --c) CHECK(window.accept(c));
  CHECK_FALSE(window.accept(0));
}

TEST_CASE("any jump forward clears what it passes and nothing within reach", "[wg][replay]") {
  for (const std::uint64_t jump : {1u, 63u, 64u, 65u, 127u, 128u, 8063u, 8064u, 8127u, 8128u, 8129u,
                                   8191u, 8192u, 8193u, 100'000u}) {
    ReplayWindow window;
    const std::uint64_t start = 1'000'003;
    REQUIRE(window.accept(start));
    REQUIRE(window.accept(start + jump));
    CHECK_FALSE(window.accept(start));  // either remembered or too old
    if (jump > 1) CHECK(window.accept(start + jump - 1));
    if (jump > 1 && jump <= size) CHECK(window.accept(start + 1) == (jump != 2));
  }
}

TEST_CASE("a random order gives what a set of all seen counters gives", "[wg][replay]") {
  for (const std::uint64_t spread : {100u, 8'000u, 9'000u, 40'000u}) {
    test::SeededRandom random(spread);
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t newest = 0, base = 0;
    for (int i = 0; i < 40'000; ++i) {
      base += random.next() % 3;
      const std::uint64_t counter = base + random.next() % spread;
      const bool fresh = !seen.contains(counter) && (seen.empty() || counter + size >= newest);
      REQUIRE(window.accept(counter) == fresh);
      if (fresh) seen.insert(counter);
      newest = std::max(newest, seen.empty() ? 0 : *seen.rbegin());
    }
  }
}

TEST_CASE("the counter 2^64-1 does not wrap the window", "[wg][replay][regression]") {
  // A userspace implementation once let it reset the window, and looped over the gap.
  ReplayWindow window;
  CHECK(window.accept(5));
  CHECK_FALSE(window.accept(UINT64_MAX));
  CHECK_FALSE(window.accept(UINT64_MAX - 1));
  CHECK_FALSE(window.accept(5));
  CHECK(window.accept(limit - 1));
  CHECK_FALSE(window.accept(6));
}
