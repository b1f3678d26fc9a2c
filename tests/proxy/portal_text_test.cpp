#include "proxy/portal_dns.hpp"
#include "proxy/portal_http.hpp"
#include "proxy/portal_page.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/tcp_client.hpp"

using namespace culvert;
using namespace culvert::proxy;
using culvert::test::bytes_of;
using culvert::test::ip;

TEST_CASE("bytes and times are written for people") {
  CHECK(bytes_text(0) == "0 bytes");
  CHECK(bytes_text(999) == "999 bytes");
  CHECK(bytes_text(1000) == "1.00 kB");
  CHECK(bytes_text(999'999) == "1.00 MB");
  CHECK(bytes_text(200'000'000'000) == "200.00 GB");
  CHECK(bytes_text(~0ull) == "18.45 EB");
  CHECK(time_text(0, 0) == "1970-01-01 00:00 (UTC+00:00)");
  CHECK(time_text(1'796'083'200, -12'600) == "2026-11-30 20:30 (UTC-03:30)");
}

TEST_CASE("a page says why, and shows a name as text only") {
  PageFacts facts{.name = "<b>&\"laptop\x01", .quota = 10};
  const std::string open = page(facts);
  CHECK(open.find("&lt;b&gt;&amp;&quot;laptop<") != std::string::npos);
  for (const auto& [stop, words] : {std::pair{base::Stop::quota, "quota is used up"},
                                    {base::Stop::expired, "expired"},
                                    {base::Stop::hours, "at this hour"},
                                    {base::Stop::admission, "not admitted"}}) {
    facts.stop = stop;
    CHECK(page(facts).find(words) != std::string::npos);
  }
  facts.stop = base::Stop::none, facts.slowed = true;
  CHECK(page(facts).find("slowed down") != std::string::npos);
}

TEST_CASE("an HTTP request is done when its header is, whatever its body") {
  HttpRequest request;
  CHECK(parse_http("", request) == HttpParsed::more);
  CHECK(parse_http("GET / HTTP/1.1\r\nHost: a", request) == HttpParsed::more);
  CHECK(parse_http("POST / HTTP/1.1\r\nHost: a.b\r\nContent-Length: 99999999\r\n\r\nx", request) ==
        HttpParsed::done);
  CHECK(request.method == "POST");
  CHECK(request.host == "a.b");
  CHECK(parse_http("GET / HTTP/1.0\r\n\r\n", request) == HttpParsed::done);
  CHECK(request.host.empty());
  CHECK(parse_http("hello\r\n\r\n", request) == HttpParsed::malformed);
  const std::string large = "GET / HTTP/1.1\r\nA: " + std::string(largest_request, 'a');
  CHECK(parse_http(std::string_view(large).substr(0, largest_request), request) ==
        HttpParsed::too_large);
}

TEST_CASE("the tunnel address in Host is ours with and without its port") {
  PageFacts stopped;
  stopped.stop = base::Stop::quota;
  for (const char* host : {"10.8.0.1", "10.8.0.1:80", ""})
    CHECK(respond({"GET", host}, stopped, ip("10.8.0.1")).starts_with("HTTP/1.1 200 "));
  CHECK(respond({"GET", "[fd08::1]:80"}, stopped, ip("fd08::1")).starts_with("HTTP/1.1 200 "));
  CHECK(respond({"GET", "10.8.0.11"}, stopped, ip("10.8.0.1")).starts_with("HTTP/1.1 302 "));
  CHECK(respond({"GET", "anything"}, {}, ip("10.8.0.1")).starts_with("HTTP/1.1 200 "));
}

TEST_CASE("a DNS message that is no query gets no answer, a broken one an error") {
  DnsNotice dns(ip("10.8.0.1"), {});
  const auto ask = [&](std::string text) { return dns.answer(bytes_of(text)); };
  const auto code = [](base::Bytes answer) { return std::to_integer<int>(answer[3]) & 0xf; };
  using namespace std::string_literals;
  CHECK(ask("").empty());
  CHECK(ask("\0\1\0\0\0\1\0\0\0\0\0"s).empty());
  CHECK(ask("\0\1\x80\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"s).empty());      // a response
  CHECK(code(ask("\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0"s)) == 1);       // cut off
  CHECK(code(ask("\0\1\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"s)) == 1);  // a pointer
  CHECK(code(ask("\0\1\0\0\0\2\0\0\0\0\0\0\1a\0\0\1\0\1"s)) == 1);     // two questions
  CHECK(code(ask("\0\1\x28\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"s)) == 4);   // an update
  CHECK(base::load_be16(&ask("\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\x1c\0\1"s)[6]) == 0);  // no IPv6 here
  CHECK(base::load_be16(&ask("\0\1\0\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\3"s)[6]) == 0);    // class CHAOS
  std::string longest = "\0\1\0\0\0\1\0\0\0\0\0\0"s;
  for (int i = 0; i < 3; ++i) longest += "\x3f" + std::string(63, 'l');
  longest += "\x3d" + std::string(61, 'l');
  CHECK(code(ask(longest + "\0\0\1\0\1"s)) == 0);
  CHECK(code(ask(longest + "\1x\0\0\1\0\1"s)) == 1);
}
