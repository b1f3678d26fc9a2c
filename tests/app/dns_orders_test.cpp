// What the supervisor tells its workers of DNS, and what it finds out for them.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "app/dns_fields.hpp"
#include "app/host_resolvers.hpp"
#include "app/order.hpp"
#include "app/table_socket.hpp"
#include "tests/support/catch.hpp"

using namespace culvert;
using app::parse_resolv_conf;
using Texts = std::vector<std::string>;

namespace {

template <class T>
T sent(T what) {
  std::string line = to_line(app::Order{7, std::move(what)});
  REQUIRE(line.find('\n') == line.size() - 1);
  auto back = app::parse_order(line);
  REQUIRE(back.has_value());
  CHECK(back->number == 7);
  REQUIRE(std::holds_alternative<T>(back->what));
  return std::get<T>(std::move(back->what));
}

// Every field gets a value that is not its default: one that is left out of a line shows.
struct Filler {
  int count = 0;
  void fill(bool& value) { value = !value; }
  void fill(std::uint64_t& value) { value += std::uint64_t(++count); }
  void fill(std::string& text) { text = "text \"" + std::to_string(++count) + "\" \xc3\xa9"; }
  void fill(base::IpAddress& address) {
    address = base::IpAddress::v4(0x0a000000u + std::uint32_t(++count));
  }
  void fill(base::Prefix& prefix) { prefix = *base::Prefix::parse("fd00::/8"), ++count; }
  void fill(std::optional<bool>& value) { value = false, ++count; }
  void fill(dns::AnswerMode& mode) { mode = dns::AnswerMode::refused, ++count; }
  void fill(dns::LogPrivacy& log) { log = dns::LogPrivacy::full, ++count; }
  void fill(dns::EchPolicy& ech) { ech = dns::EchPolicy::drop, ++count; }
  void fill(dns::ListSettings::Format& format) { format = dns::ListSettings::Format::rpz, ++count; }
  template <class Rep, class Period>
  void fill(std::chrono::duration<Rep, Period>& time) {
    time += std::chrono::duration<Rep, Period>(++count);
  }
  template <class T>
  void fill(std::vector<T>& values) {
    for (int i = 0; i < 2; ++i) fill(values.emplace_back());
  }
  template <class T>
  void fill(T& object) {
    app::each_field(object, [this](const char*, auto& field) { fill(field); });
  }
};

dns::Settings filled() {
  dns::Settings settings;
  Filler().fill(settings);
  return settings;
}

}  // namespace

TEST_CASE("settings and policies of DNS survive their lines, every field of them") {
  const dns::Settings settings = filled();
  CHECK_FALSE(settings.policy.schedules.empty());
  CHECK(sent(app::SetDns{settings}).settings == settings);
  CHECK(sent(app::SetDns{}).settings == dns::Settings{});
  const auto set = sent(app::SetDnsPolicy{12, settings.policy});
  CHECK(set.number == 12);
  CHECK(set.policy == settings.policy);
  CHECK(sent(app::SetDnsPolicy{}).policy == dns::Policy{});
  CHECK(sent(app::ForgetDnsPolicies{{3, UINT64_MAX}}).numbers ==
        std::vector<std::uint64_t>{3, UINT64_MAX});
}

TEST_CASE("names of peers, tables and the cache have their orders") {
  const app::SetDnsNames names{{"old", "quoted \"name\""},
                               {{"new", {*base::IpAddress::parse("10.8.0.2")}}, {"bare", {}}}};
  const auto is = sent(names);
  CHECK(is.removed == names.removed);
  CHECK(is.added == names.added);
  CHECK(sent(app::UseRules{true}).any);
  CHECK_FALSE(sent(app::UseRules{false}).any);
  sent(app::FlushDnsCache{});
  CHECK(sent(app::SetTrust{"-----BEGIN\n"}).authorities == "-----BEGIN\n");
}

TEST_CASE("a line about DNS that lacks a part is no order") {
  for (const char* text :
       {R"({"do":"set_dns","order":1})", R"({"do":"set_dns","settings":{},"order":1})",
        R"({"do":"set_dns_policy","number":1,"policy":[],"order":1})",
        R"({"do":"set_dns_names","removed":[1],"added":[],"order":1})",
        R"({"do":"set_dns_names","removed":[],"added":[{"name":"a","addresses":["x"]}],"order":1})",
        R"({"do":"use_rules","any":1,"order":1})",
        R"({"do":"forget_dns_policies","numbers":[-1],"order":1})"}) {
    std::string line = text;
    CHECK_FALSE(app::parse_order(line));
  }
}

TEST_CASE("a rule table goes to another process as its descriptor") {
  const auto [ours, theirs] = app::make_table_sockets();
  CHECK_FALSE(app::receive_table(theirs.get()));
  const base::FileDescriptor file(::memfd_create("table", MFD_CLOEXEC));
  REQUIRE(::ftruncate(file.get(), 4321) == 0);
  REQUIRE(app::send_table(ours.get(), file.get()));
  const base::FileDescriptor got = app::receive_table(theirs.get());
  REQUIRE(got);
  CHECK(got.get() != file.get());
  CHECK((::fcntl(got.get(), F_GETFD) & FD_CLOEXEC) != 0);
  struct stat info {};
  REQUIRE(::fstat(got.get(), &info) == 0);
  CHECK(info.st_size == 4321);
  CHECK_FALSE(app::receive_table(theirs.get()));
  CHECK_FALSE(app::send_table(ours.get(), -1));
  // Who never takes any is not waited for.
  int taken = 0;
  while (taken < 100'000 && app::send_table(ours.get(), file.get())) ++taken;
  CHECK(taken < 100'000);
}

TEST_CASE("the host's resolvers are those of resolv.conf") {
  CHECK(parse_resolv_conf("nameserver 192.0.2.1\n") == Texts{"192.0.2.1:53"});
  CHECK(parse_resolv_conf("# nameserver 192.0.2.9\r\n  nameserver\t2001:db8::1 # ours\r\n"
                          "search example.com\nnameserver 127.0.0.53") ==
        Texts{"[2001:db8::1]:53", "127.0.0.53:53"});
  CHECK(parse_resolv_conf("nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 2.2.2.2\n"
                          "nameserver 3.3.3.3\nnameserver 4.4.4.4\n") ==
        Texts{"1.1.1.1:53", "2.2.2.2:53", "3.3.3.3:53"});
  CHECK(parse_resolv_conf("nameserver fe80::1%eth0\nnameserver x\nnameserver\nnameserver 0.0.0.0\n"
                          "nameserversx 1.1.1.1\n\n;nameserver 1.1.1.1\n")
            .empty());
  CHECK(parse_resolv_conf(std::string(1 << 16, '\n')).empty());
  CHECK(parse_resolv_conf(std::string_view("nameserver \0 1.1.1.1", 20)).empty());
  CHECK(app::host_resolvers("/nonexistent/resolv.conf").empty());
}
