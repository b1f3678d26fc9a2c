#include "control/list_verdict.hpp"

#include <nlohmann/json.hpp>

#include "control/list_index.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using culvert::dns::LineFault;
using culvert::dns::ListReport;

namespace {

ListReport report(std::uint64_t rules, std::uint64_t strange = 0,
                  LineFault fault = LineFault::not_understood) {
  ListReport made;
  made.rules = rules;
  made.lines = rules + strange;
  made.faults[std::size_t(fault)] = strange;
  made.first[std::size_t(fault)] = strange > 0 ? 7 : 0;
  return made;
}

}  // namespace

TEST_CASE("a list is refused if nearly none of its lines is a rule") {
  CHECK(refuse_list(report(10, 90), {}, true) == "");
  CHECK(refuse_list(report(9, 91), {}, true).starts_with("this is no list: of 100 lines 9"));
  CHECK(refuse_list(report(0, 1), {}, false).find("(first: line 7)") != std::string::npos);
  CHECK(refuse_list(report(0), {}, true) == "");
}

TEST_CASE("lines that are of another kind of list, or not allowed, do not make it none") {
  for (const LineFault fault :
       {LineFault::cosmetic, LineFault::not_trusted, LineFault::unknown_modifier})
    CHECK(refuse_list(report(1, 1000, fault), {}, true) == "");
}

TEST_CASE("half of the rules may go, and of a short file of ours all") {
  CHECK(refuse_list(report(50), 100, true) == "");
  CHECK(refuse_list(report(49), 100, true) != "");
  CHECK(refuse_list(report(51), 101, true) == "");
  CHECK(refuse_list(report(0), 1, true) != "");
  CHECK(refuse_list(report(1), guarded_file - 1, false) == "");
  CHECK(refuse_list(report(1), guarded_file, false) != "");
}

TEST_CASE("what is known of lists is read as it was written") {
  ListIndex index;
  ListRecord& record = index.lists["ads \"and\" more"];
  record.from = "https://lists.example/ads?token=1";
  record.etag = "W/\"1\"";
  record.last_modified = "Fri, 20 Nov 2026 10:00:00 GMT";
  record.copy = {1, 2, 3};
  record.source = {4, 5, -6};
  record.digest = "00ff";
  record.bytes = 1;
  record.report = report(12, 3);
  record.checked = culvert::base::WallTime(std::chrono::nanoseconds(1'796'289'302'000'000'001));
  record.failures = 2;
  record.error = "HTTP status 404";
  index.compiled = {{"a\tb"}, 0xffff'ffff'ffff'ffff, 12, 4096};
  const ListIndex read = read_index(write_index(index));
  REQUIRE(read.lists.contains("ads \"and\" more"));
  const ListRecord& got = read.lists.at("ads \"and\" more");
  CHECK(got.from == record.from);
  CHECK(got.etag == record.etag);
  CHECK(got.last_modified == record.last_modified);
  CHECK(got.copy == record.copy);
  CHECK(got.source == record.source);
  CHECK(got.digest == record.digest);
  CHECK(got.report.rules == 12);
  CHECK(got.report.faults == record.report.faults);
  CHECK(got.report.first == record.report.first);
  CHECK(got.checked == record.checked);
  CHECK(got.failures == 2);
  CHECK(got.error == record.error);
  CHECK(read.compiled.made_of == index.compiled.made_of);
  CHECK(read.compiled.generation == index.compiled.generation);
}

TEST_CASE("of an index cut off anywhere nothing is believed, of a wrong one what is right") {
  ListIndex index;
  index.lists["good"].from = "x";
  index.lists["bad"].from = "y";
  const std::string text = write_index(index);
  for (std::size_t size = 0; size + 2 < text.size(); ++size)
    CHECK(read_index(text.substr(0, size)).lists.empty());
  auto whole = nlohmann::json::parse(text);
  whole["lists"]["bad"]["copy"] = "none";
  whole["compiled"]["made_of"] = 3;
  const ListIndex read = read_index(whole.dump());
  CHECK(read.lists.size() == 1);
  CHECK(read.lists.contains("good"));
  CHECK(read.compiled.made_of.empty());
}
