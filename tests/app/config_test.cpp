// Every mistake of a configuration is named at its place; three sources make the same Config.
#include "app/config.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "app/config_edit.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::app;
using culvert::base::Prefix;

namespace {

constexpr const char* private_key = "QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=";
constexpr const char* key_a = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
constexpr const char* key_b = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";

// Five lines that are good; `rest` starts at line 6.
std::string server(const std::string& rest = "", const std::string& line5 = "") {
  return "[server]\nprivate_key = \"" + std::string(private_key) +
         "\"\naddress = [\"10.8.0.1/24\", \"fd08::1/64\"]\nstate_dir = \"\"\n" + line5 + "\n" +
         rest;
}

std::string peer(const std::string& name, const std::string& key, const std::string& ips,
                 const std::string& more = "") {
  return "[[peer]]\nname = \"" + name + "\"\npublic_key = \"" + key + "\"\nallowed_ips = [\"" +
         ips + "\"]\n" + more;
}

std::string all(const Loaded& loaded) {
  std::string text;
  for (const Finding& finding : loaded.findings) text += finding.to_string() + "\n";
  return text;
}

struct Bad {
  std::string text, place, says;
};

}  // namespace

TEST_CASE("a good configuration has no finding") {
  const Loaded loaded = load_config_text(server(peer("a", key_a, "10.8.0.2/32")), "f", {});
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.findings.empty());
  CHECK(loaded.config->listen.size() == 2);
  CHECK(loaded.config->peers[0].line == 6);
  CHECK(loaded.config->peers[0].last_line == 9);
}

TEST_CASE("every mistake is named with its place and what was expected") {
  const std::vector<Bad> table = {
      {server("", "mtuu = 9"), "f:5", "unknown key server.mtuu, expected server.mtu"},
      {server("", "mtu = 9"), "f:5", "server.mtu = 9, expected a whole number from 576 to 65535"},
      {server("", "mtu = \"1420\""), "f:5", "server.mtu = \"1420\", expected a whole number"},
      {server("", "mtu = 1279"), "f:5", "server.mtu = 1279, expected at least 1280"},
      {server("", "listen_port = 0"), "f:5",
       "server.listen_port = 0, expected a whole number from 1"},
      {server("", "listen = [\"0.0.0.0:1\", \"127.0.0.1:2\"]"), "f:5",
       "at most one address of each family"},
      {server("", "workers = 0"), "f:5",
       "server.workers = 0, expected a whole number from 1 to 255"},
      {server("", "aead = \"rot13\""), "f:5", "expected one of auto, ipsec-mb, openssl, libsodium"},
      {server("[server2]\n"), "f:6", "unknown key server2, expected server"},
      {server("", "x = = 1"), "f:5", "not TOML"},
      {"[server]\naddress = \"10.8.0.1/24\"\n", "f:1", "server.private_key_file is missing"},
      {"[server]\nprivate_key = \"AAA\"\naddress = \"10.8.0.1/24\"\n", "f:2",
       "server.private_key is not a key"},
      {server("[limits]\ntcp_flows = 0\n"), "f:7",
       "limits.tcp_flows = 0, expected a whole number from 1"},
      {server("[limits]\ntcp_idle = \"2 weeks\"\n"), "f:7", "expected a duration"},
      {server("[group.g]\nlimits = { tcp_idle = \"1h\" }\n"), "f:7",
       "unknown key group.g.limits.tcp_idle"},
      {server("[group.g]\ndown = \"50mb\"\n"), "f:7", "group.g.down = \"50mb\", expected a rate"},
      {server("[group.g]\nquota = \"200GB\"\n"), "f:7",
       "expected at least 1MB per day, week or month"},
      {server("[egress]\nallow = [\"10.0.0.0/99\"]\n"), "f:7",
       "egress.allow = \"10.0.0.0/99\", expected a prefix"},
      {server("[egress]\nsource_address = \"me\"\n"), "f:7", "expected an address of this host"},
      {server(peer("a", key_a, "10.8.0.2/24")), "f:9", "bits behind the prefix length are set"},
      {server(peer("a", key_a, "10.8.0.1/32")), "f:6", "has the server's own address 10.8.0.1"},
      {server(peer("a", "AAAA", "10.8.0.2/32")), "f:8",
       "peer.public_key = \"AAAA\", expected a key"},
      {server(peer("a", key_a, "10.8.0.2/32", "group = \"g\"\n")), "f:10",
       "expected a section [group.g]"},
      {server(peer("a", key_a, "10.8.0.2/32") + peer("a", key_b, "10.8.0.3/32")), "f:10",
       "the first is at f:6"},
      {server(peer("a", key_a, "10.8.0.2/32") + peer("b", key_a, "10.8.0.3/32")), "f:10",
       "public key of peer \"a\" at f:6"},
      {server(peer("a", key_a, "10.8.0.2/32") + peer("b", key_b, "10.8.0.2/32")), "f:10",
       "allowed IP 10.8.0.2/32 of peer \"a\" at f:6"},
      {server("[[forward]]\nlisten = \"0.0.0.0:80\"\nto = \"10.8.0.9:80\"\n"), "f:6",
       "an address of no peer"},
  };
  for (const Bad& bad : table) {
    const Loaded loaded = load_config_text(bad.text, "f", {});
    INFO(bad.text << "\n" << all(loaded));
    CHECK(loaded.config == nullptr);
    bool found = false;
    for (const Finding& finding : loaded.findings)
      found = found || (finding.fatal && finding.place == bad.place &&
                        finding.text.find(bad.says) != std::string::npos);
    CHECK(found);
  }
}

TEST_CASE("all mistakes are reported at once, in the order of the file") {
  const Loaded loaded = load_config_text(server("[limits]\ntcp_flows = 0\n", "mtu = 9"), "f", {});
  REQUIRE(loaded.findings.size() == 2);
  CHECK(loaded.findings[0].place == "f:5");
  CHECK(loaded.findings[1].place == "f:7");
}

TEST_CASE("a mistake in one peer does not hide a clash with another") {
  const Loaded loaded = load_config_text(
      server(peer("a", "abc", "10.8.0.2/32") + peer("a", key_b, "10.8.0.2/32")), "f", {});
  INFO(all(loaded));
  REQUIRE(loaded.findings.size() == 3);
  CHECK(loaded.findings[0].place == "f:8");
  CHECK(loaded.findings[1].text.find("a second peer with the name") == 0);
  CHECK(loaded.findings[2].text.find("allowed IP 10.8.0.2/32 of peer \"a\" at f:6") !=
        std::string::npos);
}

TEST_CASE("longer prefixes inside another peer's are legal") {
  CHECK(load_config_text(server(peer("a", key_a, "10.8.0.0/25") + peer("b", key_b, "10.8.0.3/32")),
                         "f", {})
            .config);
}

TEST_CASE("--set overrides any key and takes bare texts") {
  const Loaded loaded = load_config_text(server(), "f",
                                         {{"server.listen_port", "4000"},
                                          {"group.family.down", "50mbit"},
                                          {"server.mtu", "1300"},
                                          {"limits.tcp_idle", "1h"},
                                          {"server.listen", "127.0.0.1:5000,[::1]:5000"}});
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.config->mtu == 1300);
  CHECK(loaded.config->limits.tcp_idle == std::chrono::hours(1));
  CHECK(loaded.config->groups.at("family").down == 50'000'000);
  CHECK(loaded.config->listen[1].port == 5000);
  const Loaded wrong = load_config_text(server(), "f", {{"server.mtuu", "1300"}});
  CHECK(wrong.config == nullptr);
  CHECK(all(wrong).find("--set server.mtuu: unknown key") != std::string::npos);
}

TEST_CASE("a peer inherits its group's limits and overrides them") {
  const Loaded loaded = load_config_text(
      server("[group.g]\nlimits = { tcp_flows = 7, udp_mappings = 8 }\n" +
             peer("a", key_a, "10.8.0.2/32", "group = \"g\"\nlimits = { udp_mappings = 9 }\n")),
      "f", {});
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.config->peers[0].policy.limits.tcp_flows == 7);
  CHECK(loaded.config->peers[0].policy.limits.udp_mappings == 9);
}

TEST_CASE("what a peer itself sets is what the proxy gets") {
  const Loaded loaded = load_config_text(
      server("[limits]\ntcp_dials = 5\n"
             "[group.g]\nfull_cone = false\nlimits = { tcp_flows = 7 }\n"
             "egress = { allow = [\"10.1.0.0/16\"], deny = [\"192.0.2.0/24\"] }\n" +
             peer("a", key_a, "10.8.0.2/32",
                  "group = \"g\"\nfull_cone = true\nlimits = { udp_mappings = 9 }\n"
                  "egress = { allow = [\"10.2.0.0/16\"] }\n") +
             peer("b", key_b, "10.8.0.3/32")),
      "f", {});
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  const auto& a = loaded.config->peers[0].policy;
  CHECK(a.limits.tcp_dials == 5);
  CHECK(a.limits.tcp_flows == 7);
  CHECK(a.limits.udp_mappings == 9);
  CHECK(a.full_cone);
  REQUIRE(a.egress != nullptr);
  REQUIRE(a.egress->allow.size() == 1);
  CHECK(a.egress->allow[0].prefix == *Prefix::parse("10.2.0.0/16"));
  CHECK(a.egress->deny.size() == 1);
  const auto& b = loaded.config->peers[1].policy;
  CHECK(b.limits.tcp_dials == 5);
  CHECK(b.limits.tcp_flows == culvert::proxy::Limits{}.tcp_flows);
  CHECK(b.egress == nullptr);
  CHECK(!b.full_cone);
}

TEST_CASE("an MTU under 1280 goes with IPv4 alone, also where no address is written") {
  const std::string v4 = "[server]\nprivate_key = \"" + std::string(private_key) +
                         "\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"\"\nmtu = 576\n";
  CHECK(load_config_text(v4, "f", {}).config != nullptr);
  CHECK(load_config_text(v4, "f", {{"server.address", "fd08::1/64"}}).config == nullptr);
  const std::string quick = "[Interface]\nPrivateKey = " + std::string(private_key) + "\nMTU = ";
  CHECK(load_config_text(quick + "1000\n", "w", {}).config->address.size() == 1);
  CHECK(load_config_text(quick + "1280\n", "w", {}).config->address.size() == 2);
}

TEST_CASE("a second address of a family is refused in TOML and named in a wg-quick file") {
  const Loaded toml =
      load_config_text(server(), "f", {{"server.address", "[\"10.8.0.1/24\", \"10.9.0.1/24\"]"}});
  CHECK(toml.config == nullptr);
  CHECK(all(toml).find("server.address = \"10.9.0.1/24\", expected one address of each family, and "
                       "10.8.0.1 is there already") != std::string::npos);
  const Loaded quick = load_config_text("[Interface]\nPrivateKey = " + std::string(private_key) +
                                            "\nAddress = 10.8.0.1/24\nAddress = 10.9.0.1/24\n",
                                        "w", {});
  REQUIRE(quick.config != nullptr);
  REQUIRE(quick.config->address.size() == 1);
  CHECK(all(quick) ==
        "w:4: warning: server.address 10.9.0.1 is not answered: 10.8.0.1 is the "
        "server's, and it has one of each family\n");
}

TEST_CASE("a server of IPv6 alone is a server") {
  const Loaded loaded = load_config_text(
      "[server]\nprivate_key = \"" + std::string(private_key) +
          "\"\nlisten = \"[::]:51820\"\naddress = \"fd08::1/64\"\nstate_dir = \"\"\n" +
          peer("a", key_a, "fd08::2/128"),
      "f", {});
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  CHECK(loaded.findings.empty());
  REQUIRE(free_addresses(*loaded.config));
  CHECK(free_addresses(*loaded.config)->at(0).to_string() == "fd08::3/128");
}

TEST_CASE("a wg-quick file is taken as it is") {
  const std::string text =
      "[interface]\nprivatekey = " + std::string(private_key) +
      "\nAddress = 10.8.0.1/24, fd08::1/64\nListenPort = 4444\nPostUp = rm -rf x\n"
      "[Peer]\n# friendly_name = my laptop\nPublicKey = " +
      key_a + "\nAllowedIPs = 10.8.0.2/32\nAllowedIPs = fd08::2/128\nPersistentKeepalive = off\n";
  const Loaded loaded = load_config_text(text, "wg.conf", {});
  INFO(all(loaded));
  REQUIRE(loaded.config != nullptr);
  REQUIRE(loaded.findings.size() == 1);
  CHECK(loaded.findings[0].to_string().find("wg.conf:5: warning: PostUp is ignored") == 0);
  CHECK(loaded.config->listen[0].port == 4444);
  CHECK(loaded.config->peers[0].name == "my laptop");
  CHECK(loaded.config->peers[0].allowed_ips.size() == 2);
  const Loaded wrong = load_config_text(text + "AllowedIP = 10.0.0.0/8\n", "wg.conf", {});
  CHECK(all(wrong).find("wg.conf:12: unknown key AllowedIP, expected AllowedIPs") !=
        std::string::npos);
}

TEST_CASE("the environment gives the same peers in both forms, and refuses the rest") {
  using Map = std::map<std::string, std::string>;
  const auto load = [](const Map& variables) {
    return load_environment(
        [&](const char* name) -> const char* {
          const auto found = variables.find(name);
          return found == variables.end() ? nullptr : found->second.c_str();
        },
        {{"server.state_dir", ""}});
  };
  Map indexed = {{"WG_PRIVATE_KEY", private_key},
                 {"WG_PEERS", "1"},
                 {"WG_PEER_1_PUBLIC_KEY", key_a},
                 {"WG_PEER_1_ALLOWED_IPS", "10.0.0.2/32,10.0.0.3/32"},
                 {"WG_PEER_1_KEEPALIVE", "25"}};
  const Map inlined = {{"WG_PRIVATE_KEY", private_key},
                       {"WG_PEERS", "public_key=" + std::string(key_a) +
                                        ",allowed_ips=10.0.0.2/32,10.0.0.3/32,keepalive=25"}};
  for (const Map& variables : {indexed, inlined}) {
    const Loaded loaded = load(variables);
    INFO(all(loaded));
    REQUIRE(loaded.config != nullptr);
    REQUIRE(loaded.config->peers.size() == 1);
    CHECK(loaded.config->peers[0].public_key.to_string() == key_a);
    CHECK(loaded.config->peers[0].allowed_ips.size() == 2);
    CHECK(loaded.config->peers[0].persistent_keepalive == std::chrono::seconds(25));
    CHECK(loaded.config->mtu == 1380);
  }
  indexed["WG_MTU"] = "big";
  CHECK(all(load(indexed)).find("environment WG_MTU: server.mtu = \"big\", expected") !=
        std::string::npos);
  indexed.erase("WG_MTU");
  indexed["WG_PEER_5_PUBLIC_KEY"] = key_b;
  CHECK(all(load(indexed)).find("WG_PEERS does not name 5") != std::string::npos);
  CHECK(load({{"WG_PRIVATE_KEY", private_key}}).config == nullptr);
  CHECK(load({{"WG_PRIVATE_KEY", private_key}, {"WG_PEERS", "allowed_ips=10.0.0.2/32"}}).config ==
        nullptr);
}

TEST_CASE("a key file that others can read is refused") {
  char directory[] = "/tmp/culvert-config-XXXXXX";
  REQUIRE(::mkdtemp(directory) != nullptr);
  const std::string path = std::string(directory) + "/k";
  std::ofstream(path) << private_key << "\n";
  const std::string text =
      "[server]\nprivate_key_file = \"k\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"\"\n";
  const auto load = [&] { return load_config_text(text, std::string(directory) + "/c.toml", {}); };
  ::chmod(path.c_str(), 0640);
  CHECK(all(load()).find("c.toml:2: server.private_key_file: " + path +
                         ": the key file has mode 0640, expected 0600") != std::string::npos);
  ::chmod(path.c_str(), 0600);
  CHECK(load().config != nullptr);
  std::filesystem::remove_all(directory);
  CHECK(load().config == nullptr);
}

TEST_CASE("a peer added and cut again leaves every other byte") {
  for (const std::string& before :
       {"# top\n" +
            server(peer("a", key_a, "10.8.0.2/32") + "# tail\n\n[limits]\ntcp_flows = 5 # five\n"),
        "[Interface]\nPrivateKey = " + std::string(private_key) +
            "\nAddress=10.8.0.1/24 # mine\n\n[Peer]\nPublicKey=" + key_a +
            "\nAllowedIPs = 10.8.0.2/32\n"}) {
    const std::string after = add_peer_block(before, {"b", key_b, "", "", {"10.8.0.3/32"}});
    INFO(after);
    CHECK(after.substr(0, before.size()) == before);
    CHECK(only_peer_differs(before, after, "f", "b"));
    const Loaded loaded = load_config_text(after, "f", {});
    REQUIRE(loaded.config != nullptr);
    const PeerEntry& added = loaded.config->peers.back();
    CHECK(added.name == "b");
    CHECK(cut_lines(after, added.line, added.last_line) == before);
    CHECK(!only_peer_differs(before, add_peer_block(before, {"b", key_a, "", "", {"10.8.0.3/32"}}),
                             "f", "b"));
  }
}

TEST_CASE("the next free addresses skip the server, the peers and the broadcast") {
  const Loaded loaded = load_config_text(
      server(peer("a", key_a, "10.8.0.2/32") + peer("b", key_b, "fd08::2/128")), "f", {});
  REQUIRE(loaded.config != nullptr);
  const auto free = free_addresses(*loaded.config);
  REQUIRE(free);
  CHECK((*free)[0].to_string() == "10.8.0.3/32");
  CHECK((*free)[1].to_string() == "fd08::3/128");
}
