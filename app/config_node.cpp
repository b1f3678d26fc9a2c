#include "app/config_node.hpp"

#include <algorithm>
#include <cctype>

#include "base/secret.hpp"

namespace culvert::app {
namespace {

// True if one edit turns `a` into `b`; a.size() <= b.size().
bool one_edit_apart(std::string_view a, std::string_view b) {
  std::size_t i = 0;
  while (i < a.size() && a[i] == b[i]) ++i;
  if (a.size() + 1 == b.size()) return a.substr(i) == b.substr(i + 1);
  if (a.size() != b.size() || i == a.size()) return false;
  if (a.substr(i + 1) == b.substr(i + 1)) return true;
  return i + 1 < a.size() && a[i] == b[i + 1] && a[i + 1] == b[i] &&
         a.substr(i + 2) == b.substr(i + 2);
}

}  // namespace

Node::Node() = default;
Node::Node(const Node&) = default;
Node::Node(Node&&) noexcept = default;
Node& Node::operator=(const Node&) = default;
Node& Node::operator=(Node&&) noexcept = default;
Node::~Node() = default;

Node* Node::find(std::string_view key) {
  const auto found =
      std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.first == key; });
  return found == entries.end() ? nullptr : &found->second;
}

Node& Node::add(std::string key, Node child) {
  if (child.line != 0) last_line = std::max({last_line, line, child.last_line});
  return entries.emplace_back(std::move(key), std::move(child)).second;
}

void Node::erase(std::string_view key) {
  std::erase_if(entries, [&](const auto& e) { return e.first == key; });
}

void Node::wipe() {
  base::wipe(std::as_writable_bytes(std::span(text)));
}

Node Node::table(std::string place) {
  Node node;
  node.place = std::move(place);
  return node;
}

Node Node::string(std::string text, std::string place, bool bare) {
  Node node = table(std::move(place));
  node.kind = Kind::string;
  node.text = std::move(text);
  node.bare = bare;
  return node;
}

Node Node::array(std::string place) {
  Node node = table(std::move(place));
  node.kind = Kind::array;
  return node;
}

std::string Finding::to_string() const {
  return (place.empty() ? "" : place + ": ") + (fatal ? "" : "warning: ") + text;
}

void Findings::error(std::string place, std::string text) {
  list_.push_back({std::move(place), std::move(text), true});
}

void Findings::warn(std::string place, std::string text) {
  list_.push_back({std::move(place), std::move(text), false});
}

bool Findings::fatal() const {
  return std::any_of(list_.begin(), list_.end(), [](const Finding& f) { return f.fatal; });
}

std::string_view nearest(std::string_view wrong, const std::vector<std::string>& known) {
  for (const std::string& name : known) {
    const bool shorter = wrong.size() <= name.size();
    if (one_edit_apart(shorter ? wrong : std::string_view(name),
                       shorter ? std::string_view(name) : wrong))
      return name;
  }
  return {};
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  if (trim(text).empty()) return parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t comma = std::min(text.find(',', from), text.size());
    parts.emplace_back(trim(text.substr(from, comma - from)));
    from = comma + 1;
  }
  return parts;
}

}  // namespace culvert::app
