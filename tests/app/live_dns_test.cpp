// DNS of a server that runs: rule tables, names and settings reach its workers.
#include <signal.h>
#include <sys/mman.h>

#include "dns/rule_compiler.hpp"
#include "tests/app/live_world.hpp"

using namespace culvert;
using namespace culvert::test;

namespace {

base::FileDescriptor some_file(std::string_view text) {
  base::FileDescriptor file(::memfd_create("table", MFD_CLOEXEC));
  REQUIRE(::write(file.get(), text.data(), text.size()) == ssize_t(text.size()));
  return file;
}
base::FileDescriptor new_table() {
  base::FileDescriptor file(::memfd_create("table", MFD_CLOEXEC));
  base::SystemRandom random;
  REQUIRE(dns::compile_rules({}, file.get(), random));
  return file;
}
std::vector<std::uint64_t> generations(const World& world) {
  std::vector<std::uint64_t> all;
  for (unsigned worker = 0; worker < world.runtime.workers; ++worker)
    all.push_back(world.server.dns_counters(worker).table_generation.get());
  return all;
}

}  // namespace

TEST_CASE("a rule table reaches every worker, and the next one of each") {
  World world;
  REQUIRE(world.get(world.server.use_rules(new_table())));
  const auto first = generations(world);
  CHECK(first[0] != 0);
  CHECK(first[0] == first[1]);
  REQUIRE(world.get(world.server.use_rules(new_table())));
  const auto second = generations(world);
  CHECK(second[0] != first[0]);
  CHECK(second[0] == second[1]);

  const int before = world.server.workers()[0].pid;
  ::kill(before, SIGKILL);
  REQUIRE(world.until([&] {
    const auto now = world.server.workers()[0];
    return now.ready && now.pid != before;
  }));
  CHECK(generations(world) == second);
  REQUIRE(world.get(world.server.use_rules({})));
  CHECK(generations(world) == std::vector<std::uint64_t>{0, 0});
}

TEST_CASE("what is no rule table is refused, and the one in force stays") {
  World world;
  REQUIRE(world.get(world.server.use_rules(new_table())));
  const auto before = generations(world);
  for (const std::string& text :
       {std::string(), std::string("no table"), std::string(1 << 16, 'x')}) {
    const auto refused = world.get(world.server.use_rules(some_file(text)));
    REQUIRE_FALSE(refused);
    CHECK(refused.problem().status == 422);
  }
  CHECK(generations(world) == before);
  REQUIRE(world.get(world.server.flush_dns_cache()));
}

TEST_CASE("a reload tells the workers of new settings and policies of DNS, without a restart") {
  World world;
  const auto pid = world.server.workers()[0].pid;
  const auto keys = [&] {
    std::vector<wg::PublicKey> all;
    for (const auto* peer : world.server.peers()) all.push_back(peer->entry.public_key);
    return all;
  }();
  auto policy = std::make_shared<dns::Policy>();
  policy->block = {"bad.example"};
  world.load = [&] {
    app::Loaded loaded;
    std::vector<app::PeerEntry> peers;
    for (int i = 0; i < 2; ++i) {
      peers.push_back(file_peer(i + 2));
      peers.back().public_key = keys[std::size_t(i)];
      peers.back().policy.dns = policy;
    }
    loaded.config = configuration(std::move(peers));
    loaded.config->dns.records = {{"nas.example", "A", "10.8.0.9", 60s}};
    loaded.config->dns.upstream = {"192.0.2.1"};
    return loaded;
  };
  const auto report = world.get(world.server.reload());
  REQUIRE(report);
  CHECK(report->changed == std::vector<std::string>{"file-2", "file-3"});
  CHECK(report->need_restart.empty());
  CHECK(std::ranges::count(report->applied, "dns.record") == 1);
  CHECK(std::ranges::count(report->applied, "dns.upstream") == 1);
  CHECK(std::ranges::count(report->applied, "dns.list") == 0);
  CHECK(world.server.dns_settings().records.size() == 1);
  CHECK(world.server.workers()[0].pid == pid);
  const auto again = world.get(world.server.reload());
  REQUIRE(again);
  CHECK(again->changed.empty());
  CHECK(again->applied.empty());
}
