// Who may pass: tokens, hosts, and the small parts that read what clients send.
#include "control/csv.hpp"
#include "control/json_body.hpp"
#include "control/token_gate.hpp"
#include "control/uri.hpp"
#include "tests/control/support/fake_api.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::control;
using namespace std::chrono_literals;
using culvert::base::IpAddress;
using culvert::base::Time;

namespace {

Request over_tcp(const std::string& target, HeaderFields fields = {},
                 const char* from = "192.0.2.7") {
  Request request = FakeApi::request("GET", target, "", std::move(fields));
  request.door = Door::tcp;
  request.from = *IpAddress::parse(from);
  return request;
}

HeaderFields bearer(const std::string& token) {
  return {{"Authorization", "Bearer " + token}};
}

}  // namespace

TEST_CASE("over TCP the API needs the token, metrics and health do not") {
  FakeApi fake;
  CHECK(fake.ask(over_tcp("/v1/status", bearer(fake.token))).status == 200);
  CHECK(fake.ask(over_tcp("/v1/status", {{"authorization", "bearer " + fake.token}})).status ==
        200);
  const Response none = fake.ask(over_tcp("/v1/status"));
  CHECK(none.status == 401);
  CHECK(none.fields == HeaderFields{{"WWW-Authenticate", "Bearer realm=\"culvert\""}});
  CHECK(fake.ask(over_tcp("/v1/status", bearer("wrong"))).status == 401);
  CHECK(fake.ask(over_tcp("/v1/status", {{"Authorization", "Basic " + fake.token}})).status == 401);
  CHECK(fake.ask(over_tcp("/v1/nothing")).status == 401);
  CHECK(fake.ask(over_tcp("/v1/peers/x")).status == 401);
  for (const char* open : {"/metrics", "/healthz", "/readyz"})
    CHECK(fake.ask(over_tcp(open)).status == 200);
}

TEST_CASE("without a token in the configuration the API over TCP is off") {
  TokenGate gate("", {});
  const auto no = gate.check_token(over_tcp("/v1/status", bearer("")), Time(1h));
  REQUIRE(no);
  CHECK(no->problem.status == 403);
  CHECK(no->problem.detail.find("server.http_token_file") != std::string::npos);
}

TEST_CASE("who tries wrong tokens waits, others do not") {
  TokenGate gate("right", {});
  Time now(1h);
  for (int i = 0; i < TokenGate::burst; ++i)
    CHECK(gate.check_token(over_tcp("/v1/x", bearer("wrong")), now)->problem.status == 401);
  const auto waits = gate.check_token(over_tcp("/v1/x", bearer("right")), now);
  REQUIRE(waits);
  CHECK(waits->problem.status == 429);
  CHECK(waits->fields == HeaderFields{{"Retry-After", "6"}});
  CHECK_FALSE(gate.check_token(over_tcp("/v1/x", bearer("right"), "192.0.2.8"), now));
  now += 6s;
  CHECK_FALSE(gate.check_token(over_tcp("/v1/x", bearer("right")), now));
  CHECK(gate.check_token(over_tcp("/v1/x", bearer("wrong")), now)->problem.status == 401);
  CHECK(gate.check_token(over_tcp("/v1/x", bearer("wrong")), now)->problem.status == 429);
}

TEST_CASE("addresses of one IPv6 network wait together") {
  TokenGate gate("right", {});
  for (int i = 0; i < TokenGate::burst; ++i) {
    const std::string from = "2001:db8::" + std::to_string(i);
    CHECK(gate.check_token(over_tcp("/v1/x", bearer("wrong"), from.c_str()), Time(1h)));
  }
  CHECK(gate.check_token(over_tcp("/v1/x", bearer("right"), "2001:db8::ffff"), Time(1h)));
  CHECK_FALSE(gate.check_token(over_tcp("/v1/x", bearer("right"), "2001:db8:1::1"), Time(1h)));
}

TEST_CASE("over TCP only names that are ours may be asked for") {
  TokenGate gate("right", {"VPN.example"});
  const auto passes = [&](const char* host, HeaderFields fields = {}) {
    Request request = over_tcp("/metrics", std::move(fields));
    request.fields.back().second = host;
    return !gate.check_host(request);
  };
  CHECK(passes("localhost:9586"));
  CHECK(passes("127.0.0.1"));
  CHECK(passes("[::1]:9586"));
  CHECK(passes("vpn.EXAMPLE:9586"));
  CHECK_FALSE(passes("evil.example"));
  CHECK_FALSE(passes("localhost.evil.example"));
  CHECK_FALSE(passes("[::1"));
  CHECK(passes("evil.example", bearer("right")));
}

TEST_CASE("text of a request's target is decoded strictly") {
  CHECK(url_decode("a%2Fb+c") == "a/b+c");
  CHECK(url_decode("%C3%A4") == "\xc3\xa4");
  for (const char* wrong : {"%", "%4", "%zz", "%00", "%0a", "%ff", "%c0%80", "%ed%a0%80", "%c3"})
    CHECK_FALSE(url_decode(wrong));
  CHECK(url_decode(url_encode("a b/\xc3\xa4~")) == "a b/\xc3\xa4~");
}

TEST_CASE("JSON may be as deep as the bound and no deeper") {
  const auto nested = [](int depth) {
    return std::string(std::size_t(depth), '[') + std::string(std::size_t(depth), ']');
  };
  CHECK(parse_json(nested(deepest_json)));
  CHECK_FALSE(parse_json(nested(deepest_json + 1)));
  CHECK_FALSE(parse_json(nested(500'000)));
}

TEST_CASE("a key may come again in another object") {
  CHECK(parse_json(R"([{"a":1},{"a":{"a":2}}])"));
  CHECK_FALSE(parse_json(R"([{"a":1},{"a":{"a":2,"a":3}}])"));
}

TEST_CASE("a problem's text never breaks its JSON") {
  const std::string text = problem_text({400, "A \"title\"", "\xff\n", {{"f", "d"}}});
  CHECK(nlohmann::json::parse(text)["errors"][0]["field"] == "f");
}

TEST_CASE("fields of comma-separated values are quoted where they must be") {
  CHECK(csv_field("plain") == "plain");
  CHECK(csv_field("a,\"b\"") == "\"a,\"\"b\"\"\"");
  CHECK(csv_field("=1+1") == "'=1+1");
}

TEST_CASE("comma-separated values are for who wants them more than JSON") {
  CHECK(prefers_csv("text/csv"));
  CHECK(prefers_csv("text/csv, */*"));
  CHECK(prefers_csv("application/json;q=0.5, text/csv;q=0.9"));
  CHECK_FALSE(prefers_csv("application/json, text/csv"));
  CHECK_FALSE(prefers_csv("*/*"));
  CHECK_FALSE(prefers_csv(""));
  CHECK_FALSE(prefers_csv("text/csv;q=0"));
}
