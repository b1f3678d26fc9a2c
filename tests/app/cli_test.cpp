// init makes what run takes and changes nothing the second time; a QR code is printed.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/client_file.hpp"
#include "app/command_line.hpp"
#include "tests/support/catch.hpp"

using namespace culvert::app;

namespace {

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int command(std::vector<const char*> line) {
  line.insert(line.begin(), "culvert");
  return run_command_line(static_cast<int>(line.size()), line.data(),
                          [](std::unique_ptr<Config>) { return 7; });
}

}  // namespace

TEST_CASE("init is complete, private and changes nothing when run again") {
  char base[] = "/tmp/culvert-init-XXXXXX";
  REQUIRE(::mkdtemp(base) != nullptr);
  const std::string dir = std::string(base) + "/d", toml = dir + "/culvert.toml",
                    client = dir + "/clients/phone.conf";
  REQUIRE(command({"init", dir.c_str(), "--endpoint", "vpn.example.org"}) == 0);
  const std::string config = content(toml), key = content(dir + "/server.key"),
                    file = content(client);
  CHECK(file.find("Endpoint = vpn.example.org:51820\n") != std::string::npos);
  for (const std::string& path : {toml, client, dir + "/server.key"}) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
  CHECK(command({"init", dir.c_str()}) == 0);
  CHECK(content(toml) == config);
  CHECK(content(dir + "/server.key") == key);
  CHECK(content(client) == file);
  CHECK(command({"check", "--config", toml.c_str()}) == 0);
  CHECK(command({"run", "--config", toml.c_str()}) == 7);

  CHECK(command({"peer", "add", "tablet", "--config", toml.c_str()}) == 0);
  CHECK(content(toml) != config);
  CHECK(content(dir + "/clients/tablet.conf").find("Address = 10.8.0.3/32, fd08::3/128") !=
        std::string::npos);
  CHECK(command({"peer", "add", "tablet", "--config", toml.c_str()}) == 1);
  CHECK(command({"peer", "config", "tablet", "--qr", "--config", toml.c_str()}) == 0);
  CHECK(command({"peer", "remove", "tablet", "--config", toml.c_str()}) == 0);
  CHECK(content(toml) == config);
  CHECK(command({"peer", "add", "x", "--group", "none", "--config", toml.c_str()}) == 2);
  CHECK(content(toml) == config);
  std::filesystem::remove_all(base);
}

TEST_CASE("init refuses a directory that holds something else") {
  char base[] = "/tmp/culvert-init-XXXXXX";
  REQUIRE(::mkdtemp(base) != nullptr);
  std::ofstream(std::string(base) + "/letter.txt") << "dear\n";
  CHECK(command({"init", base}) == 1);
  CHECK(!std::filesystem::exists(std::string(base) + "/server.key"));
  std::filesystem::remove_all(base);
}

TEST_CASE("a command that does not exist is a usage error") {
  CHECK(command({"frobnicate"}) == 2);
  CHECK(command({}) == 2);
  CHECK(command({"run", "--config", "/nonexistent/culvert.toml"}) == 2);
}

TEST_CASE("a QR code has a quiet zone and one row for two modules") {
  const std::string code = qr_code("hello", false);
  CHECK(std::count(code.begin(), code.end(), '\n') == 15);  // (21 + 8) modules, two a row
  CHECK(code.compare(0, 6, "██") == 0);
  CHECK(qr_code(std::string(5000, 'x'), false).empty());
}
