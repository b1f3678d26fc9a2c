// The commands that ask a running server, against one that answers what the test says.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/app/command.hpp"
#include "tests/app/fake_server.hpp"

using namespace culvert::test;
using nlohmann::json;

namespace {

constexpr const char* private_key = "QGrqY9/5cI8gVFG4wQBu9fMbHjlRk3YjC8oF6oZpWVs=";
constexpr const char* public_key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string status(const std::string& config_file) {
  return json{{"interface", "culvert0"},
              {"public_key", public_key},
              {"listen", {"0.0.0.0:4444"}},
              {"address", {"10.8.0.1/24"}},
              {"mtu", 1400},
              {"config_file", config_file.empty() ? json() : json(config_file)}}
      .dump();
}

std::string peer(const std::string& name, const std::string& source) {
  return json{{"name", name},     {"public_key", public_key}, {"allowed_ips", {"10.8.0.7/32"}},
              {"source", source}, {"stopped", "none"},        {"connected", true},
              {"group", nullptr}}
      .dump();
}

std::string configuration(const Folder& folder) {
  return folder.write("culvert.toml", "[server]\nprivate_key = \"" + std::string(private_key) +
                                          "\"\naddress = \"10.8.0.1/24\"\nstate_dir = \"s\"\n"
                                          "endpoint = \"vpn.example.org:4444\"\n"
                                          "control_socket = \"c.sock\"\n\n[[peer]]\nname = "
                                          "\"phone\"\npublic_key = \"" +
                                          public_key + "\"\nallowed_ips = [\"10.8.0.2/32\"]\n");
}

}  // namespace

TEST_CASE("without a server the commands say so and end with 1") {
  const Folder folder;
  const std::string none = folder / "none.sock";
  for (const char* name : {"show", "flows", "usage", "reload", "events", "top"}) {
    const Said said = command({name, "--control", none});
    INFO(name << said.error);
    CHECK(said.code == 1);
    CHECK(has(said.error, none));
    CHECK(said.out.empty());
  }
  CHECK(command({"peer", "list", "--control", none}).code == 1);
}

TEST_CASE("show asks for the server and its peers, or for one peer") {
  const Folder folder;
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request& request) {
    if (request.line == "GET /v1/status") return std::pair(200, status(""));
    if (request.line == "GET /v1/peers")
      return std::pair(200, "{\"peers\": [" + peer("phone", "file") + "]}");
    if (request.line == "GET /v1/peers/a%2Fb%3D") return std::pair(200, peer("x", "database"));
    return std::pair(404, std::string(R"({"title": "Peer not found", "status": 404,
      "detail": "there is no \"nobody\""})"));
  });
  const Said all = command({"show", "--control", folder / "c.sock"});
  INFO(all.error);
  CHECK(all.code == 0);
  CHECK(has(all.out, "interface: culvert0\n"));
  CHECK(has(all.out, "  listening port: 4444\n"));
  CHECK(has(all.out, "\npeer: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n  name: phone\n"));
  const json parsed = json::parse(command({"show", "--json", "--control", folder / "c.sock"}).out);
  CHECK(parsed.at("status").at("mtu") == 1400);
  CHECK(parsed.at("peers").at(0).at("name") == "phone");
  CHECK(has(command({"show", "a/b=", "--control", folder / "c.sock"}).out, "name: x"));
  const Said nobody = command({"show", "nobody", "--control", folder / "c.sock"});
  CHECK(nobody.code == 1);
  CHECK(nobody.error == "culvert: Peer not found: there is no \"nobody\"\n");
}

TEST_CASE("the socket is found through the file, even one with mistakes") {
  const Folder folder;
  const std::string toml = folder.write(
      "culvert.toml", "[server]\nprivate_key = \"no key\"\ncontrol_socket = \"c.sock\"\n");
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request&) {
    return std::pair(422, std::string(R"({"title": "Configuration refused", "status": 422,
      "errors": [{"field": "culvert.toml:2", "detail": "server.private_key is not a key"}]})"));
  });
  const Said said = command({"reload", "--config", toml});
  CHECK(said.code == 1);
  CHECK(said.out.empty());
  CHECK(said.error ==
        "culvert.toml:2: server.private_key is not a key\n"
        "culvert: not reloaded, the server goes on as before: Configuration refused\n");
}

TEST_CASE("reload prints what changed, and warnings apart") {
  const Folder folder;
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request&) {
    return std::pair(200, std::string(R"({"added": ["tablet"], "removed": [], "changed": [],
      "applied": [], "need_restart": [], "warnings": ["f:1: x"]})"));
  });
  const Said said = command({"reload", "--control", folder / "c.sock"});
  CHECK(said.code == 0);
  CHECK(said.out == "peers added: tablet\n");
  CHECK(said.error == "warning: f:1: x\n");
  CHECK(server.asked().at(0).line == "POST /v1/config/reload");
}

TEST_CASE("usage asks for what was meant: a day begins at midnight and ends with the day") {
  const Folder folder;
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request& request) {
    return has(request.line, "csv") ? std::pair(200, std::string("key,start\r\n"))
                                    : std::pair(200, std::string("{\"rows\": []}"));
  });
  const std::string socket = folder / "c.sock";
  CHECK(command({"usage", "--control", socket, "--since", "2026-11-01", "--until", "2026-11-30",
                 "--by", "day", "--peer", "my phone"})
            .code == 0);
  CHECK(command({"usage", "--control", socket, "--since", "7d", "--csv"}).out == "key,start\r\n");
  const auto asked = server.asked();
  CHECK(asked.at(0).line ==
        "GET /v1/usage?by=day&since=2026-11-01&until=2026-11-30&peer=my%20phone&"
        "format=json");
  CHECK(asked.at(1).line == "GET /v1/usage?by=peer&since=7d&format=csv");
  CHECK(command({"usage", "--by", "year", "--control", socket}).code == 2);
}

TEST_CASE("events end when the remembered ones have come") {
  const Folder folder;
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request&) {
    return std::pair(200, std::string("id: 1\nevent: connect\ndata: {\"type\":\"connect\","
                                      "\"peer\":\"phone\"}\n\n"));
  });
  const Said said =
      command({"events", "--json", "--type", "connect", "--control", folder / "c.sock"});
  CHECK(said.code == 0);
  CHECK(said.out == "{\"type\":\"connect\",\"peer\":\"phone\"}\n");
  CHECK(server.asked().at(0).line == "GET /v1/events?types=connect");
}

TEST_CASE("a wrong value is a usage error that names the field") {
  const Folder folder;
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request&) {
    return std::pair(400, std::string(R"({"title": "Wrong query", "status": 400,
      "errors": [{"field": "since", "detail": "\"x\", expected a time"}]})"));
  });
  const Said said = command({"usage", "--since", "x", "--control", folder / "c.sock"});
  CHECK(said.code == 2);
  CHECK(said.error == "culvert: Wrong query\n  since: \"x\", expected a time\n");
}

TEST_CASE("top without a terminal prints so many looks") {
  const Folder folder;
  const FakeServer server(folder / "c.sock", [](const FakeServer::Request&) {
    return std::pair(200, "{\"peers\": [" + peer("phone", "file") + "]}");
  });
  const Said said =
      command({"top", "--count", "2", "--interval", "0.1", "--control", folder / "c.sock"});
  CHECK(said.code == 0);
  CHECK(has(said.out, " phone: 0 bit/s down"));
  CHECK(server.asked().size() == 2);
}

TEST_CASE("a peer added to a running server takes effect there; only the client gets its key") {
  const Folder folder;
  const std::string toml = configuration(folder), before = content(toml);
  const FakeServer server(folder / "c.sock", [&](const FakeServer::Request& request) {
    if (request.line == "GET /v1/status") return std::pair(200, status(toml));
    return std::pair(201, peer("tablet", "database"));
  });
  const Said said = command({"peer", "add", "tablet", "--config", toml, "--group", "family"});
  INFO(said.error);
  CHECK(said.code == 0);
  const json sent = json::parse(server.asked().at(1).body);
  CHECK(server.asked().at(1).line == "POST /v1/peers");
  CHECK(sent.at("name") == "tablet");
  CHECK(sent.at("group") == "family");
  CHECK(sent.at("public_key").get<std::string>().size() == 44);
  CHECK_FALSE(sent.contains("allowed_ips"));
  CHECK_FALSE(sent.contains("private_key"));
  CHECK(has(said.out, "\nAddress = 10.8.0.7/32\n"));
  CHECK(has(said.out, "\nMTU = 1400\n"));
  CHECK(has(said.out, "\nPublicKey = " + std::string(public_key) + "\n"));
  CHECK(has(said.out, "\nEndpoint = vpn.example.org:4444\n"));
  CHECK(has(said.out, "PresharedKey = " + sent.at("preshared_key").get<std::string>()));
  CHECK(content(folder / "clients/tablet.conf") == said.out);
  CHECK(content(toml) == before);
  CHECK(command({"peer", "add", "tablet", "--config", toml}).code == 1);
}

TEST_CASE("a server that runs another file, and --file, leave the server alone") {
  const Folder folder;
  const std::string toml = configuration(folder);
  const FakeServer server(folder / "c.sock", [&](const FakeServer::Request&) {
    return std::pair(200, status("/elsewhere/culvert.toml"));
  });
  CHECK(command({"peer", "add", "one", "--config", toml}).code == 0);
  CHECK(server.asked().size() == 1);
  CHECK(command({"peer", "add", "two", "--config", toml, "--file"}).code == 0);
  CHECK(server.asked().size() == 1);
  CHECK(has(content(toml), "name = \"one\""));
  CHECK(has(content(toml), "name = \"two\""));
}

TEST_CASE("peers are removed where they are: of the database there, of the file from the file") {
  const Folder folder;
  const std::string toml = configuration(folder);
  const FakeServer server(folder / "c.sock", [&](const FakeServer::Request& request) {
    if (request.line == "GET /v1/status") return std::pair(200, status(toml));
    if (request.line == "GET /v1/peers/phone") return std::pair(200, peer("phone", "file"));
    if (request.line == "GET /v1/peers/tablet") return std::pair(200, peer("tablet", "database"));
    if (request.line == "DELETE /v1/peers/tablet") return std::pair(204, std::string());
    return std::pair(200, std::string("{}"));
  });
  const Said tablet = command({"peer", "remove", "tablet", "--config", toml});
  INFO(tablet.error);
  CHECK(tablet.code == 0);
  CHECK(server.asked().back().line == "DELETE /v1/peers/tablet");
  CHECK(has(content(toml), "phone"));
  CHECK(command({"peer", "remove", "phone", "--config", toml}).code == 0);
  CHECK(server.asked().back().line == "POST /v1/config/reload");
  CHECK_FALSE(has(content(toml), "phone"));
}

TEST_CASE("peers of a running server are listed with their source, and refusals are told") {
  const Folder folder;
  const std::string toml = configuration(folder);
  const FakeServer server(folder / "c.sock", [&](const FakeServer::Request& request) {
    if (request.line == "GET /v1/status") return std::pair(200, status(toml));
    if (request.line == "GET /v1/peers")
      return std::pair(200, "{\"peers\": [" + peer("tablet", "database") + "]}");
    return std::pair(422, std::string(R"({"title": "Invalid peer definition", "status": 422,
      "errors": [{"field": "group", "detail": "expected a section [group.x]"}]})"));
  });
  const Said listed = command({"peer", "list", "--config", toml});
  CHECK(has(listed.out, "tablet  xTIB"));
  CHECK(has(listed.out, "database"));
  const Said added = command({"peer", "add", "x", "--group", "x", "--config", toml});
  CHECK(added.code == 2);
  CHECK(added.error == "culvert: Invalid peer definition\n  group: expected a section [group.x]\n");
  CHECK_FALSE(std::filesystem::exists(folder / "clients/x.conf"));
}
