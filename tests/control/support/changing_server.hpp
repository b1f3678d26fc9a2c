// ChangingServer: a FakeServer whose peers come, change and go as the real one's, for tests of the
// API.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/fake_server.hpp"

namespace culvert::control {

inline wg::PublicKey test_key(unsigned char fill) {
  wg::PublicKey key;
  key.bytes.fill(std::byte(fill));
  return key;
}

class ChangingServer : public FakeServer {
 public:
  ChangingServer() {
    info_.version = "1.2.3";
    info_.public_key = test_key(0xaa);
    info_.address = {"10.8.0.1/24"};
    info_.config_file = "culvert.toml";
    info_.mtu = 1420;
    info_.file_limit = 1024;
    workers_ = {{0, 4711, true, "ipsec-mb", "on", "on", "full"}};
  }

  Peer& put(std::string name, unsigned char key, Source source) {
    Peer& peer = add(std::move(name), std::byte(key));
    peer.entry.allowed_ips = {*base::Prefix::parse("10.8.0." + std::to_string(key) + "/32")};
    peer.source = source;
    if (source == Source::file) peer.entry.place = "culvert.toml:12";
    return peer;
  }

  Promise<std::string> add_peer(nlohmann::json definition) override {
    co_await turn();
    if (auto wrong = check(definition)) co_return *wrong;
    if (!definition["public_key"].is_string())
      co_return Problem{422, "Invalid peer", "", {{"public_key", "is missing, expected a key"}}};
    const auto key = wg::PublicKey::parse(definition["public_key"].get<std::string>());
    if (!key)
      co_return Problem{422, "Invalid peer", "", {{"public_key", "expected 44 characters"}}};
    if (find(*key) != nullptr)
      co_return Problem{409, "Peer exists", "another peer has this public_key", {}};
    std::optional<wg::PresharedKey> secret(wg::PresharedKey{});
    if (const auto& text = definition["preshared_key"]; text.is_string())
      secret = wg::parse_secret_key(text.get<std::string>());
    if (!secret)
      co_return Problem{422, "Invalid peer", "", {{"preshared_key", "expected 44 characters"}}};
    const auto& given = definition["name"];
    std::string name = given.is_string() ? given.get<std::string>() : key->to_string();
    Peer& peer = put(name, 1, Source::database);
    peer.entry.public_key = *key;
    peer.entry.preshared_key = std::move(*secret);
    peer.definition = definition.dump();
    co_return name;
  }

  Promise<> change_peer(std::string name, nlohmann::json patch) override {
    co_await turn();
    if (auto wrong = check(patch)) co_return *wrong;
    for (Peer& each : peers_) {
      if (each.entry.name != name) continue;
      if (each.source == Source::file) co_return of_the_file();
      auto definition = nlohmann::json::parse(each.definition.empty() ? "{}" : each.definition);
      definition.merge_patch(patch);
      each.definition = definition.dump();
      each.entry.name = definition.value("name", name);
    }
    co_return Nothing{};
  }

  Promise<> remove_peer(std::string name) override {
    co_await turn();
    if (fails) throw std::runtime_error("the test said so");
    if (find(std::string_view(name))->source == Source::file) co_return of_the_file();
    std::erase_if(peers_, [&](const Peer& each) { return each.entry.name == name; });
    co_return Nothing{};
  }

  Promise<ReloadReport> reload() override {
    co_await turn();
    if (fails)
      co_return Problem{422,
                        "Configuration refused",
                        "the old one goes on",
                        {{"culvert.toml:3", "server.mtu = 1, expected 576 to 65535"}}};
    co_return ReloadReport{{"phone"}, {}, {"laptop"}, {"log.level"}, {"server.listen"}, {}};
  }

  Promise<std::vector<proxy::FlowRecord>> flows(FlowFilter filter) override {
    co_await turn();
    std::vector<proxy::FlowRecord> list;
    for (const auto& each : flows_)
      if ((!filter.peer || *filter.peer == each.peer) && list.size() < filter.limit)
        list.push_back(each);
    co_return list;
  }

  bool fails = false;
  std::vector<proxy::FlowRecord> flows_;

 private:
  // As the real one: an answer never comes at once.
  static boost::asio::awaitable<void> turn() {
    auto executor = co_await boost::asio::this_coro::executor;
    co_await boost::asio::post(executor, boost::asio::use_awaitable);
  }

  static std::optional<Problem> check(const nlohmann::json& definition) {
    Problem problem{422, "Invalid peer", "", {}};
    for (const auto& [key, value] : definition.items()) {
      const bool text = key == "name" || key == "public_key" || key == "preshared_key" ||
                        key == "group" || key == "down" || key == "quota";
      if (!text && key != "allowed_ips")
        problem.fields.push_back({key, "there is no such key"});
      else if (text && !value.is_string() && !value.is_null())
        problem.fields.push_back({key, "expected a text"});
    }
    if (problem.fields.empty()) return std::nullopt;
    return problem;
  }

  static Problem of_the_file() {
    return {409, "Peer of the file", "culvert.toml:12 would bring it back", {}};
  }
};

}  // namespace culvert::control
