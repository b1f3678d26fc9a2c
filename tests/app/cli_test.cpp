// init makes what run takes and changes nothing the second time; a QR code is printed.
#include <sys/stat.h>

#include <algorithm>

#include "app/client_file.hpp"
#include "tests/app/command.hpp"

using namespace culvert::app;
using namespace culvert::test;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("init is complete, private and changes nothing when run again") {
  const Folder base;
  const std::string dir = base / "d", toml = dir + "/culvert.toml",
                    client = dir + "/clients/phone.conf";
  REQUIRE(command({"init", dir, "--endpoint", "vpn.example.org"}).code == 0);
  const std::string config = content(toml), key = content(dir + "/server.key"),
                    file = content(client);
  CHECK(has(file, "Endpoint = vpn.example.org:51820\n"));
  for (const std::string& path : {toml, client, dir + "/server.key"}) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
  const Said again = command({"init", dir, "--endpoint", "other.example.org"});
  CHECK(again.code == 0);
  CHECK(has(again.out, file));
  CHECK(has(again.error, "--endpoint is not used"));
  CHECK(content(toml) == config);
  CHECK(content(dir + "/server.key") == key);
  CHECK(content(client) == file);
  CHECK(command({"check", "--config", toml}).code == 0);
  CHECK(command({"run", "--config", toml}).code == served);

  CHECK(command({"peer", "add", "tablet", "--config", toml}).code == 0);
  CHECK(content(toml) != config);
  CHECK(has(content(dir + "/clients/tablet.conf"), "Address = 10.8.0.3/32, fd08::3/128"));
  CHECK(command({"peer", "add", "tablet", "--config", toml}).code == 1);
  CHECK(command({"peer", "config", "tablet", "--qr", "--config", toml}).code == 0);
  CHECK(command({"peer", "remove", "tablet", "--config", toml}).code == 0);
  CHECK(content(toml) == config);
  CHECK(command({"peer", "add", "x", "--group", "none", "--config", toml}).code == 2);
  CHECK(content(toml) == config);
}

TEST_CASE("init refuses a directory that holds something else") {
  const Folder base;
  base.write("letter.txt", "dear\n");
  CHECK(command({"init", base.path()}).code == 1);
  CHECK(!std::filesystem::exists(base / "server.key"));
}

TEST_CASE("a command that does not exist is a usage error that names the word") {
  const Said unknown = command({"frobnicate"});
  CHECK(unknown.code == 2);
  CHECK(has(unknown.error, "unknown command \"frobnicate\", expected one of init, run"));
  CHECK(command({"chek"}).error == "culvert: unknown command \"chek\", expected check\n");
  const Said absent = command({"doctor", "--json"});
  CHECK(absent.code == 2);
  CHECK(absent.error == "culvert: `culvert doctor` is not in this version\n");
  CHECK(command({}).code == 2);
  CHECK(command({"--help"}).code == 0);
  CHECK(command({"run", "--frobnicate"}).code == 2);
  CHECK(command({"run", "--config", "/nonexistent/culvert.toml"}).code == 2);
}

TEST_CASE("a QR code has a quiet zone and one row for two modules") {
  const std::string code = qr_code("hello", false);
  CHECK(std::count(code.begin(), code.end(), '\n') == 15);  // (21 + 8) modules, two a row
  CHECK(code.compare(0, 6, "██") == 0);
  CHECK(qr_code(std::string(5000, 'x'), false).empty());
}
