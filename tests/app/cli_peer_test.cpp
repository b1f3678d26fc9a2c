// The commands that edit a wg-quick file, and key files that must be refused.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/app/command.hpp"

using namespace culvert::test;

namespace {

constexpr const char* private_key = "QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=";
constexpr const char* public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

std::string wg_quick(const std::string& more = "") {
  return "# mine\n[Interface]\nPrivateKey = " + std::string(private_key) +
         "\nAddress = 10.9.0.1/24 # inside\nListenPort = 4444\nMTU = 1380\n\n[Peer]\n"
         "# friendly_name = old one\nPublicKey = " +
         public_key + "\nAllowedIPs = 10.9.0.2/32\n" + more;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("peers of a wg-quick file come and go by command, and leave every other byte") {
  const Folder folder;
  const std::string before = wg_quick(), conf = folder.write("wg0.conf", before);
  const Said added =
      command({"peer", "add", "tablet", "--config", conf, "--endpoint", "192.0.2.1"});
  INFO(added.error);
  REQUIRE(added.code == 0);
  const std::string after = content(conf);
  CHECK(after.substr(0, before.size()) == before);
  CHECK(has(after, "\n\n[Peer]\n# friendly_name = tablet\nPublicKey = "));
  CHECK(has(after, "\nAllowedIPs = 10.9.0.3/32\n"));
  struct stat status {};
  REQUIRE(::stat(conf.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  const std::string client = content(folder / "clients/tablet.conf");
  CHECK(has(client, "\nAddress = 10.9.0.3/32\n"));
  CHECK(has(client, "\nMTU = 1380\n"));
  CHECK(has(client, "\nEndpoint = 192.0.2.1:4444\n"));
  CHECK(command({"peer", "config", "tablet", "--config", conf}).out == client);
  CHECK(has(command({"peer", "list", "--config", conf}).out, "old one"));
  CHECK(has(command({"peer", "show", "tablet", "--config", conf}).out, "allowed ips: 10.9.0.3/32"));

  REQUIRE(command({"peer", "remove", "tablet", "--config", conf}).code == 0);
  CHECK(content(conf) == before);
  CHECK(content(folder / "clients/tablet.conf.removed") == client);
  REQUIRE(command({"peer", "remove", "old one", "--config", conf}).code == 0);
  CHECK(content(conf) == before.substr(0, before.find("\n[Peer]")));
}

TEST_CASE("a peer command that cannot be done leaves the file and says why") {
  const Folder folder;
  const std::string before = wg_quick(), conf = folder.write("wg0.conf", before);
  const auto refused = [&](std::vector<std::string> words, int code, const std::string& why) {
    words.insert(words.end(), {"--config", conf});
    const Said said = command(words);
    INFO(said.error);
    CHECK(said.code == code);
    CHECK(has(said.error, why));
    CHECK(content(conf) == before);
    CHECK(!std::filesystem::exists(folder / "clients/x.conf"));
  };
  refused({"peer", "add", "x", "--group", "g"}, 2, "a wg-quick file has no groups");
  refused({"peer", "add", "../x"}, 2, "expected letters, digits");
  refused({"peer", "add", "x", "--public-key", public_key}, 2, "has the public key of peer");
  refused({"peer", "add", "x", "--public-key", "abc"}, 2, "expected 44 characters of base64");
  refused({"peer", "add", "x", "--allowed-ips", "10.9.0.2/32"}, 2, "of peer \"old one\"");
  refused({"peer", "remove", "x"}, 1, "no peer \"x\"");
  refused({"peer", "frobnicate"}, 2, "unknown command \"peer frobnicate\"");
}

TEST_CASE("host names in a file are not looked up to edit or to print it") {
  const Folder folder;
  const std::string conf = folder.write("wg0.conf", wg_quick("Endpoint = culvert.invalid:51820\n"));
  CHECK(has(command({"peer", "show", "old one", "--config", conf}).out,
            "endpoint: culvert.invalid:51820"));
  CHECK(command({"peer", "add", "x", "--config", conf, "--endpoint", "192.0.2.1"}).code == 0);
  const Said run = command({"run", "--config", conf});
  CHECK(run.code == 2);
  CHECK(has(run.error,
            "peer.endpoint = \"culvert.invalid:51820\", expected a name that can be "
            "looked up now"));
}

TEST_CASE("a host name in an endpoint is looked up in a family that the server has") {
  const Folder folder;
  const std::string conf = folder.write("wg0.conf", wg_quick("Endpoint = localhost:51820\n"));
  for (const auto& [listen, mine] : {std::pair("127.0.0.1:4444", "127.0.0.1:51820")}) {
    const auto loaded =
        culvert::app::load_config(conf, {{"server.listen", listen}, {"server.state_dir", ""}});
    REQUIRE(loaded.config != nullptr);
    CHECK(loaded.config->peers[0].endpoint->to_string() == mine);
  }
  const auto six =
      culvert::app::load_config_text(wg_quick("Endpoint = 192.0.2.7:51820\n"), "f",
                                     {{"server.listen", "[::]:4444"}, {"server.state_dir", ""}});
  REQUIRE(six.config != nullptr);
  REQUIRE(six.findings.size() == 1);
  CHECK(has(six.findings[0].text, "server.listen no address of that family"));
}

TEST_CASE("key files: links are followed, other owners refused, credentials of systemd taken") {
  const Folder folder;
  const std::string key = folder.write("real.key", std::string(private_key) + "\n");
  const std::string text =
      "[server]\nprivate_key_file = \"server.key\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"\"\n";
  const std::string toml = folder.write("culvert.toml", text);
  std::filesystem::create_symlink("real.key", folder / "server.key");
  CHECK(command({"check", "--config", toml}).code == 0);

  ::chmod(key.c_str(), 0440);
  CHECK(has(command({"check", "--config", toml}).error, "has mode 0440, expected 0600"));
  ::setenv("CREDENTIALS_DIRECTORY", folder.path().c_str(), 1);
  CHECK(command({"check", "--config", toml}).code == 0);
  ::chmod(key.c_str(), 0444);
  CHECK(command({"check", "--config", toml}).code == 2);
  ::unsetenv("CREDENTIALS_DIRECTORY");

  ::chmod(key.c_str(), 0600);
  if (::geteuid() == 0) {
    REQUIRE(::chown(key.c_str(), 12345, 12345) == 0);
    const Said said = command({"check", "--config", toml});
    CHECK(said.code == 2);
    CHECK(has(said.error, "belongs to user 12345, expected user 0"));
  }
}
