#include "control/outcome.hpp"

#include "tests/support/catch.hpp"

using namespace culvert::control;

TEST_CASE("a problem in one line names every field") {
  const Problem problem{
      400, "Invalid peer", "", {{"allowed_ips/0", "expected a prefix"}, {"", "x"}}};
  CHECK(problem.to_line() == "Invalid peer; allowed_ips/0: expected a prefix; x");
}
