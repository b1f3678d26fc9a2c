#include "proxy/deadline_wheel.hpp"

#include <vector>

#include "tests/support/catch.hpp"

using namespace culvert;
using namespace std::chrono_literals;

namespace {

base::Time at(base::Duration since) {
  return base::Time(1000s) + since;
}

struct Probe final : proxy::Timed {
  base::Time on_deadline(base::Time now) noexcept override {
    asked.push_back(now);
    return due > now ? due : base::never;
  }
  base::Time due = base::never;
  std::vector<base::Time> asked;
};

// Runs the wheel as a worker does, at its own deadlines, up to `end`.
void run_until(proxy::DeadlineWheel& wheel, base::Time end) {
  while (wheel.next() <= end) wheel.run(wheel.next());
}

}  // namespace

TEST_CASE("a deadline is kept to the second, near or far beyond the wheel's turn") {
  for (const auto far : {500ms, 1000ms, 59000ms, 64000ms, 7440000ms}) {
    proxy::DeadlineWheel wheel;
    Probe probe;
    probe.due = at(far);
    wheel.set(probe, probe.due, at(0s));
    run_until(wheel, at(far + 2s));
    REQUIRE_FALSE(probe.asked.empty());
    CHECK(probe.asked.back() >= probe.due);
    CHECK(probe.asked.back() <= probe.due + 1s);
    CHECK(wheel.next() == base::never);
  }
}

TEST_CASE("a flow that was used meanwhile is asked at most about once a minute") {
  proxy::DeadlineWheel wheel;
  Probe probe;
  probe.due = at(3600s);
  wheel.run(at(0s));
  wheel.set(probe, probe.due, at(0s));
  run_until(wheel, at(3700s));
  CHECK(probe.asked.size() <= 60);
}

TEST_CASE("a wheel that was not run for long loses no one") {
  proxy::DeadlineWheel wheel;
  Probe a, b;
  a.due = at(5s), b.due = at(1000s);
  wheel.set(a, a.due, at(0s));
  wheel.run(at(900s));
  CHECK(a.asked.size() == 1);
  wheel.set(b, b.due, at(900s));
  run_until(wheel, at(1001s));
  CHECK(b.asked.back() >= b.due);
}

TEST_CASE("what is destroyed leaves the wheel") {
  proxy::DeadlineWheel wheel;
  {
    Probe probe;
    wheel.set(probe, at(5s), at(0s));
  }
  CHECK(wheel.next() == base::never);
  wheel.run(at(10s));
}
