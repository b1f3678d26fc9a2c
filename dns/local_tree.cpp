#include "dns/local_tree.hpp"

#include <cstring>

namespace culvert::dns {
namespace {

std::size_t length_at(std::string_view wire, std::size_t at) noexcept {
  return static_cast<unsigned char>(wire[at]);
}

std::size_t mix(std::size_t hash, std::uint64_t word) noexcept {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ hash >> 29;
}

// Of a domain, given its parent's hash and its first label.
std::size_t hash_label(std::size_t parent, const char* label, std::size_t size) noexcept {
  std::size_t hash = mix(parent, size);
  std::uint64_t word = 0;
  for (; size > 8; label += 8, size -= 8) {
    std::memcpy(&word, label, 8);
    hash = mix(hash, word);
  }
  word = 0;
  std::memcpy(&word, label, size);
  return mix(hash, word);
}

std::string_view text_of(base::Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Where each label starts; how many there are, without the root's.
std::size_t find_labels(std::string_view wire,
                        std::array<std::uint8_t, Name::max_labels>& labels) noexcept {
  std::size_t count = 0;
  for (std::size_t at = 0; length_at(wire, at) != 0; at += 1 + length_at(wire, at))
    labels[count++] = static_cast<std::uint8_t>(at);
  return count;
}

}  // namespace

std::size_t LocalTree::Hash::operator()(const std::string& wire) const {
  std::array<std::uint8_t, Name::max_labels> labels;
  std::size_t hash = 0;
  for (std::size_t i = find_labels(wire, labels); i-- > 0;)
    hash = hash_label(hash, wire.data() + labels[i] + 1, length_at(wire, labels[i]));
  return hash;
}

LocalNode& LocalTree::add(const Name& name) {
  const auto [place, is_new] = nodes_.try_emplace(std::string(text_of(name.wire())));
  LocalNode& node = place->second;  // stays where it is
  if (is_new && !name.is_root()) {
    const Name parent = name.parent();
    if (!parent.is_root()) ++add(parent).children;
  }
  return node;
}

void LocalTree::drop(const Name& name) {
  Name at = name;
  while (!at.is_root()) {
    const auto place = nodes_.find(std::string(text_of(at.wire())));
    if (place == nodes_.end() || !place->second.says_nothing()) return;
    nodes_.erase(place);
    at = at.parent();
    const auto parent = nodes_.find(std::string(text_of(at.wire())));
    if (parent != nodes_.end()) --parent->second.children;
  }
}

LocalTree::Walk::Walk(const LocalTree& tree, const Name& name) noexcept
    : tree_(tree), name_(name), left_(find_labels(text_of(name.wire()), labels_)) {}

const LocalNode* LocalTree::Walk::step() noexcept {
  if (left_ == 0) return nullptr;
  const std::string_view wire = text_of(name_.wire());
  const std::size_t at = labels_[left_ - 1];
  hash_ = hash_label(hash_, wire.data() + at + 1, length_at(wire, at));
  const auto place = tree_.nodes_.find(Key{wire.substr(at), hash_});
  if (place == tree_.nodes_.end()) return nullptr;
  start_ = at;
  --left_;
  return &place->second;
}

}  // namespace culvert::dns
