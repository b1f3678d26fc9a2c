// ApiWorld: the API over fakes with two peers and a group. Whatever it answers is held to
// control/openapi.json.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control/uri.hpp"
#include "tests/control/support/fake_api.hpp"
#include "tests/control/support/schema.hpp"
#include "tests/support/catch.hpp"

namespace culvert::control {

using nlohmann::json;

inline const json& description() {
  static const json document = json::parse(openapi_text());
  return document;
}

inline bool fits(const std::string& pattern, const std::string& path) {
  const auto a = *path_segments(pattern),
             b = path_segments(path).value_or(std::vector<std::string>{});
  return std::ranges::equal(
      a, b, [](const auto& x, const auto& y) { return x.starts_with('{') || x == y; });
}

inline const json& resolved(const json& node) {
  if (!node.contains("$ref")) return node;
  return description().at(json::json_pointer(node["$ref"].get<std::string>().substr(1)));
}

// The answer is one that the description has for this route, and its body what it says there.
inline void hold_to_description(const Request& request, const Response& response) {
  for (const auto& [path, item] : description()["paths"].items()) {
    if (!fits(path, request.path)) continue;
    std::string method = request.method;
    for (char& c : method) c = char(std::tolower(c));
    if (!item.contains(method)) return;
    const json& responses = item[method]["responses"];
    INFO(request.method << " " << request.path << " " << response.status << " " << response.body);
    REQUIRE(responses.contains(std::to_string(response.status)));
    const json& described = resolved(responses[std::to_string(response.status)]);
    if (!described.contains("content")) {
      CHECK(response.body.empty());
      return;
    }
    const std::string type = response.content_type.substr(0, response.content_type.find(';'));
    REQUIRE(described["content"].contains(type));
    if (!type.ends_with("json")) return;
    const auto wrong = Schema(description())
                           .check(described["content"][type]["schema"], json::parse(response.body));
    CHECK(fmt::format("{}", fmt::join(wrong, "; ")) == "");
    return;
  }
}

struct ApiWorld : FakeApi {
  ApiWorld() {
    Peer& laptop = server.put("laptop", 1, Source::file);
    laptop.entry.group = "family";
    laptop.connected = true;
    server.counters_[laptop.slot].last_handshake.set(1'796'289'000'000'000'000);
    server.counters_[laptop.slot].rx_bytes.set(77);
    server.counters_[laptop.slot].denials.add(base::Drop::egress_denied, 3);
    server.put("kid/phone", 2, Source::database).definition = R"({"name":"kid/phone"})";
    GroupConfig family;
    family.name = "family";
    family.down = 5'000'000;
    server.groups_.push_back(family);
  }

  struct Got : Response {
    json value() const { return json::parse(body); }
    std::string field(std::size_t i = 0) const { return value()["errors"][i]["field"]; }
  };

  Got send(Request request) {
    Got got{ask(request)};
    hold_to_description(request, got);
    return got;
  }
  Got get(const std::string& target) { return send(request("GET", target)); }
  Got post(const std::string& target, std::string body) {
    return send(request("POST", target, std::move(body)));
  }
};

}  // namespace culvert::control
