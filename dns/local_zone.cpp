#include "dns/local_zone.hpp"

#include <algorithm>
#include <map>

#include "dns/local_answer.hpp"
#include "dns/peer_labels.hpp"
#include "dns/record_text.hpp"
#include "dns/special_names.hpp"

namespace culvert::dns {
namespace {

using Apex = LocalNode::Apex;
using Kind = LocalZone::Kind;
using Addresses = std::vector<base::IpAddress>;
using Found = LocalFound;

constexpr std::uint32_t special_ttl = 3600;
constexpr unsigned max_chain = 16;
const char gateway[] = "gateway";

base::Bytes bytes_of(std::string_view text) noexcept {
  return std::as_bytes(std::span(text));
}

struct Pattern {
  Name name;
  bool below = false;  // it began with "*."
};

std::optional<Pattern> parse_pattern(std::string_view text) {
  Pattern out;
  out.below = text.starts_with("*.");
  if (out.below) text.remove_prefix(2);
  const auto name = Name::parse(text);
  // Anywhere else '*' is a character as any other (RFC 4592 section 2.1.3), and not what is meant.
  if (!name || name->is_root() || text.find('*') != text.npos) return std::nullopt;
  out.name = *name;
  return out;
}

base::IpAddress address_of(base::Bytes rdata) {
  return rdata.size() == 4 ? base::IpAddress::v4(rdata.first<4>())
                           : base::IpAddress::v6(rdata.first<16>());
}

struct Peer {
  Addresses addresses;
  std::string label;  // "" = none yet
};

void add_reverse(Found& found, const ReverseMap::Found& reverse) noexcept {
  found.pointers = reverse.pointers;
  found.exists = reverse.exists;
}

}  // namespace

struct LocalZone::Impl {
  std::optional<Name> zone;
  Settings settings;
  LocalTree tree;
  ReverseMap reverse;
  std::map<std::string, Peer> peers;
  Peer own;
  PeerLabels labels;

  void rebuild();
  void insert_special();
  void insert(const LocalRecord& record);
  std::optional<Name> name_of(const Peer& peer) const;
  void show(Peer& peer);
  void hide(Peer& peer);
  void settle();

  Found find(const Name& name) const noexcept;
};

// --- what is known ---

void LocalZone::Impl::rebuild() {
  tree.clear();
  reverse.clear();
  labels.clear();
  labels.reserve(gateway);
  zone = settings.zone.empty() ? std::nullopt : Name::parse(settings.zone);
  if (zone && zone->is_root()) zone.reset();
  if (zone) tree.add(*zone).apex = Apex::own;
  for (const LocalRecord& record : settings.records) insert(record);
  for (const Route& route : settings.routes) {
    const auto domain = Name::parse(route.domain);
    if (domain && !domain->is_root()) tree.add(*domain).routed = true;
  }
  insert_special();
  own.label = gateway;
  show(own);
  for (auto& [name, peer] : peers) {
    peer.label.clear();
    labels.add(name);
  }
  settle();
}

// After the records: these may say something else of such a name.
void LocalZone::Impl::insert_special() {
  for (const std::string_view text : special_zones()) {
    LocalNode& node = tree.add(*Name::parse(text));
    if (node.apex == Apex::none) node.apex = Apex::special;
  }
  for (const SpecialRecord& record : special_records()) {
    const auto pattern = parse_pattern(record.name);
    LocalNode& node = tree.add(pattern->name);
    if (!node.special && !(node.records.empty() && node.below.empty())) continue;
    node.special = true;
    const std::uint16_t type = *parse_type(record.type);
    (pattern->below ? node.below : node.records)
        .push_back({type, special_ttl, *parse_rdata(type, record.value)});
  }
}

void LocalZone::Impl::insert(const LocalRecord& record) {
  const auto pattern = parse_pattern(record.name);
  const auto type = parse_type(record.type);
  if (!pattern || !type) return;
  auto rdata = parse_rdata(*type, record.value);
  if (!rdata) return;
  const auto ttl =
      static_cast<std::uint32_t>(std::clamp<std::int64_t>(record.ttl.count(), 0, 0x7fffffff));
  const bool is_address = *type == type::a || *type == type::aaaa;
  if (is_address && !pattern->below) reverse.add(address_of(*rdata), pattern->name, ttl);
  LocalNode& node = tree.add(pattern->name);
  (pattern->below ? node.below : node.records).push_back({*type, ttl, std::move(*rdata)});
}

std::optional<Name> LocalZone::Impl::name_of(const Peer& peer) const {
  Name name;
  if (!zone || peer.label.empty() || !name.append(bytes_of(peer.label)) ||
      !name.append_labels(zone->wire().first(zone->size() - 1)))
    return std::nullopt;
  return name;
}

void LocalZone::Impl::show(Peer& peer) {
  const auto name = name_of(peer);
  if (!name) return;
  tree.add(*name).addresses = &peer.addresses;
  for (const base::IpAddress& address : peer.addresses) reverse.add(address, *name, peer_ttl);
}

void LocalZone::Impl::hide(Peer& peer) {
  const auto name = name_of(peer);
  if (!name) return;
  tree.add(*name).addresses = nullptr;
  tree.drop(*name);
  for (const base::IpAddress& address : peer.addresses) reverse.remove(address, *name);
}

void LocalZone::Impl::settle() {
  labels.settle(
      [this](const std::string& name, const std::string&) {
        const auto peer = peers.find(name);
        if (peer == peers.end()) return;
        hide(peer->second);
        peer->second.label.clear();
      },
      [this](const std::string& name, const std::string& label) {
        const auto peer = peers.find(name);
        if (peer == peers.end()) return;
        peer->second.label = label;
        show(peer->second);
      });
}

// --- what is asked ---

Found LocalZone::Impl::find(const Name& name) const noexcept {
  Found found;
  bool routed = false;
  Apex governs = Apex::none;
  const LocalNode *exact = nullptr, *above = nullptr;
  LocalTree::Walk walk(tree, name);
  while (const LocalNode* const node = walk.step()) {
    if (node->routed) {
      routed = true;
      governs = Apex::none;
      above = nullptr;
    }
    if (node->apex == Apex::own ||
        (node->apex == Apex::special && !routed && governs != Apex::own)) {
      governs = node->apex;
      found.zone = walk.domain();
    }
    if (walk.is_whole())
      exact = node;
    else if (!node->below.empty() && !(node->special && routed))
      above = node;
  }
  if (governs == Apex::none) found.zone = {};
  if (governs != Apex::none) found.kind = governs == Apex::own ? Kind::record : Kind::special;
  const LocalNode* const says =
      exact != nullptr && !exact->records.empty() && !(exact->special && routed) ? exact : nullptr;
  if (says != nullptr)
    found.records = &says->records;
  else if (exact != nullptr && exact->addresses != nullptr)
    found.addresses = exact->addresses;
  else
    add_reverse(found, reverse.find(name));
  if (!found.records && !found.addresses && !found.pointers && above) found.records = &above->below;
  if (found.records || found.addresses || found.pointers) {
    const LocalNode* const from = says != nullptr ? says : found.records ? above : nullptr;
    found.kind = from != nullptr && from->special ? Kind::special : Kind::record;
    found.exists = true;
  }
  found.exists |= (exact != nullptr && exact->children != 0) || found.zone.size() == name.size();
  return found;
}

LocalZone::LocalZone(const Settings& settings, const std::vector<base::IpAddress>& own)
    : impl_(std::make_unique<Impl>()) {
  impl_->settings = settings;
  impl_->own.addresses = own;
  impl_->rebuild();
}

LocalZone::~LocalZone() = default;

void LocalZone::set_settings(const Settings& settings) {
  const Settings& old = impl_->settings;
  const bool same =
      old.zone == settings.zone && old.records == settings.records && old.routes == settings.routes;
  impl_->settings = settings;
  if (!same) impl_->rebuild();
}

void LocalZone::set_peer(const std::string& name, const std::vector<base::IpAddress>& addresses) {
  const auto [place, is_new] = impl_->peers.try_emplace(name);
  Peer& peer = place->second;
  if (peer.addresses == addresses && !is_new) return;
  impl_->hide(peer);
  peer.addresses = addresses;
  impl_->show(peer);
  if (is_new) impl_->labels.add(name);
}

void LocalZone::remove_peer(const std::string& name) {
  const auto place = impl_->peers.find(name);
  if (place == impl_->peers.end()) return;
  impl_->hide(place->second);
  impl_->peers.erase(place);
  impl_->labels.remove(name);
}

Kind LocalZone::holds(const Name& name) const noexcept {
  if (!impl_->labels.is_settled()) impl_->settle();
  return impl_->find(name).kind;
}

void LocalZone::answer(AnswerWriter& writer, const Name& name, std::uint16_t type,
                       Name& outside) const {
  if (!impl_->labels.is_settled()) impl_->settle();
  outside.clear();
  writer.set_authoritative();
  Name at = name;
  for (unsigned i = 0; i < max_chain; ++i) {
    const Found found = impl_->find(at);
    if (found.kind == Kind::no) {
      outside = at;
      return;
    }
    if (write_records(writer, at, type, found)) return;
    if (const LocalRdata* const cname = find_cname(found)) {
      writer.add(Record::Section::answer, at, type::cname, cname->ttl, cname->rdata);
      Name::read(cname->rdata, at);
      continue;
    }
    // Not for long: a peer may come whose name or address it is.
    if (!write_apex(writer, at, type, found, peer_ttl)) write_nothing(writer, at, found, peer_ttl);
    return;
  }
  writer.set_rcode(rcode::servfail);  // they lead in a circle
}

std::string LocalZone::check(const LocalRecord& record) {
  const auto type = parse_type(record.type);
  if (!parse_pattern(record.name))
    return "name " + shown(record.name) + " is no domain name, nor one behind \"*.\"";
  if (!type)
    return "type " + shown(record.type) + " is not known; TYPE and its number name any other";
  if (record.ttl.count() < 0 || record.ttl.count() > 0x7fffffff)
    return "ttl has to be from 0 to 2147483647 seconds";
  const auto rdata = parse_rdata(*type, record.value);
  return rdata ? std::string() : "value of " + type_text(*type) + ": " + rdata.error();
}

}  // namespace culvert::dns
