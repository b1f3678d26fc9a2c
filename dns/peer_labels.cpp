#include "dns/peer_labels.hpp"

#include <vector>

#include "dns/name.hpp"

namespace culvert::dns {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// "laptop" of "laptop-2"; nothing of others.
std::string without_number(const std::string& label) {
  std::size_t end = label.size();
  while (end > 0 && is_digit(label[end - 1])) --end;
  const bool numbered = end != label.size() && end > 1 && label[end - 1] == '-';
  return numbered ? label.substr(0, end - 1) : std::string();
}

std::string numbered(const std::string& base, unsigned number) {
  const std::string suffix = "-" + std::to_string(number);
  return base.substr(0, Name::max_label - suffix.size()) + suffix;
}

}  // namespace

std::string PeerLabels::label_of(const std::string& name) {
  std::string label;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool stays = is_digit(c) || (c >= 'a' && c <= 'z');
    const char becomes = upper ? char(c - 'A' + 'a') : stays ? c : '-';
    if (becomes == '-' && label.empty()) continue;
    if (label.size() < Name::max_label) label += becomes;
  }
  while (label.ends_with('-')) label.pop_back();
  return label.empty() ? "peer" : label;
}

// A label that begins or ceases to be some peer's own may have been another's with a number.
void PeerLabels::touch(const std::string& base, bool comes_or_goes) {
  unsettled_.insert(base);
  const std::string other = comes_or_goes ? without_number(base) : std::string();
  if (!other.empty()) unsettled_.insert(other);
}

void PeerLabels::add(const std::string& name) {
  const std::string base = label_of(name);
  Names& names = groups_[base];
  const bool comes = names.empty();
  if (names.insert(name).second) touch(base, comes);
}

void PeerLabels::remove(const std::string& name) {
  const std::string base = label_of(name);
  const auto group = groups_.find(base);
  if (group == groups_.end() || group->second.erase(name) == 0) return;
  if (labels_.contains(name)) gone_.insert(name);
  touch(base, group->second.empty());
  if (group->second.empty()) groups_.erase(group);
}

void PeerLabels::reserve(const std::string& label) {
  reserved_.insert(label);
}

void PeerLabels::clear() {
  *this = PeerLabels();
}

bool PeerLabels::is_taken(const std::string& label, const std::string& base) const {
  if (reserved_.contains(label)) return true;
  if (label == base) return false;
  if (groups_.contains(label)) return true;
  const auto owner = owners_.find(label);
  return owner != owners_.end() && label_of(owner->second) != base;
}

void PeerLabels::settle_group(const std::string& base, const Tell& loses, const Tell& gets) {
  const auto group = groups_.find(base);
  if (group == groups_.end()) return;
  std::vector<std::pair<std::string, std::string>> changed;  // name, new label
  unsigned number = 1;
  for (const std::string& name : group->second) {
    std::string label = number == 1 ? base : numbered(base, number);
    while (is_taken(label, base)) label = numbered(base, ++number);
    ++number;
    const auto old = labels_.find(name);
    if (old == labels_.end() || old->second != label) changed.emplace_back(name, std::move(label));
  }
  for (const auto& [name, label] : changed) release(name, loses);
  for (const auto& [name, label] : changed) {
    // A base that is cut for its number may have met another group's.
    if (const auto owner = owners_.find(label); owner != owners_.end()) {
      unsettled_.insert(label_of(owner->second));
      release(std::string(owner->second), loses);
    }
    labels_[name] = label;
    owners_[label] = name;
    gets(name, label);
  }
}

void PeerLabels::release(const std::string& name, const Tell& loses) {
  const auto at = labels_.find(name);
  if (at == labels_.end()) return;
  loses(name, at->second);
  owners_.erase(at->second);
  labels_.erase(at);
}

void PeerLabels::settle(const Tell& loses, const Tell& gets) {
  for (const std::string& name : gone_) release(name, loses);
  gone_.clear();
  while (!unsettled_.empty()) {
    const std::string base = *unsettled_.begin();
    unsettled_.erase(unsettled_.begin());
    settle_group(base, loses, gets);
  }
}

}  // namespace culvert::dns
