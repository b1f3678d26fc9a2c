#include "app/peer_definition.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/config_node.hpp"

namespace culvert::app {
namespace {

using control::FieldProblem;
using control::Problem;
using nlohmann::json;

// A level of nesting that no key has.
constexpr unsigned deepest = 8;

// "~" and "/" in a key (RFC 6901 section 3).
std::string escaped(const std::string& key) {
  std::string out;
  for (const char c : key) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

std::string below(const std::string& pointer, const std::string& key) {
  return pointer.empty() ? escaped(key) : pointer + "/" + escaped(key);
}

Node node_of(const json& value, const std::string& pointer, unsigned depth) {
  Node node = Node::table(pointer);
  if (depth > deepest) {
    node.kind = Node::Kind::other;
  } else if (value.is_object()) {
    for (const auto& [key, each] : value.items())
      node.add(key, node_of(each, below(pointer, key), depth + 1));
  } else if (value.is_array()) {
    node.kind = Node::Kind::array;
    for (std::size_t i = 0; i < value.size(); ++i)
      node.items.push_back(node_of(value[i], below(pointer, std::to_string(i)), depth + 1));
  } else if (value.is_string()) {
    node.kind = Node::Kind::string;
    node.text = value.get<std::string>();
  } else {
    node.text = value.dump();
    node.kind = Node::Kind::other;
    if (value.is_boolean()) node.kind = Node::Kind::boolean, node.boolean = value.get<bool>();
    if (value.is_number_float()) node.kind = Node::Kind::real;
    // A number beyond the range of the reader's own stays "other", and wrong for every key.
    const bool fits = !value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX;
    if (value.is_number_integer() && fits)
      node.kind = Node::Kind::integer, node.integer = value.get<std::int64_t>();
  }
  return node;
}

Problem bad(int status, std::string title, std::vector<FieldProblem> fields) {
  return {status, std::move(title), {}, std::move(fields)};
}

// What a file may say and a client of the API may not.
std::vector<FieldProblem> not_here(const json& definition) {
  std::vector<FieldProblem> found;
  if (!definition.contains("public_key"))
    found.push_back({"public_key", "is missing, expected the client's public key"});
  if (definition.contains("preshared_key_file"))
    found.push_back({"preshared_key_file",
                     "is read for the configuration file only, expected "
                     "preshared_key"});
  const auto endpoint = definition.find("endpoint");
  if (endpoint != definition.end() && endpoint->is_string()) {
    const auto& text = endpoint->get_ref<const std::string&>();
    if (!text.empty() && !base::Endpoint::parse(text))
      found.push_back({"endpoint",
                       "expected an address and a port, such as \"192.0.2.1:51820\": "
                       "names are looked up for the configuration file only"});
  }
  return found;
}

// What only shows beside the server's own keys and addresses.
std::vector<FieldProblem> senseless(const PeerEntry& entry, const Config& config) {
  std::vector<FieldProblem> found;
  if (entry.public_key == wg::public_key_of(config.private_key))
    found.push_back({"public_key", "is the server's own, expected the client's"});
  for (std::size_t i = 0; i < entry.allowed_ips.size(); ++i)
    for (const Config::Address& own : config.address)
      if (entry.allowed_ips[i] == base::Prefix(own.address, own.address.bits()))
        found.push_back({fmt::format("allowed_ips/{}", i),
                         fmt::format("{} is the server's own address, expected another one of {}",
                                     own.address.to_string(), own.network.to_string())});
  return found;
}

}  // namespace

control::Outcome<PeerEntry> read_definition(const json& definition, const Config& config) {
  constexpr const char* malformed = "Malformed peer definition";
  if (!definition.is_object())
    return bad(400, malformed, {{"", "expected an object with the keys of a peer"}});
  if (auto wrong = not_here(definition); !wrong.empty())
    return bad(422, "Invalid peer definition", std::move(wrong));

  Node node = node_of(definition, "", 0);
  std::vector<Finding> found;
  Findings findings(found);
  PeerEntry entry = read_peer(node, config, findings);
  check_peer_dns(entry, config, findings);
  if (findings.fatal()) {
    std::vector<FieldProblem> fields;
    for (Finding& finding : found)
      if (finding.fatal) fields.push_back({std::move(finding.place), std::move(finding.text)});
    return bad(422, "Invalid peer definition", std::move(fields));
  }
  if (auto wrong = senseless(entry, config); !wrong.empty())
    return bad(422, "Invalid peer definition", std::move(wrong));
  return entry;
}

void wipe_definition(json& definition) noexcept {
  if (!definition.is_object()) return;
  const auto key = definition.find("preshared_key");
  if (key == definition.end() || !key->is_string()) return;
  auto& text = key->get_ref<std::string&>();
  base::wipe(std::as_writable_bytes(std::span(text)));
}

}  // namespace culvert::app
