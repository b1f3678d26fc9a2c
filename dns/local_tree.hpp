// LocalTree: the domains that LocalZone knows, each with all domains above it, so that a look-up
// walks a name from its last label and ends at the first that is unknown: at the first or second
// for almost every name. For LocalZone.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ip.hpp"
#include "dns/name.hpp"

namespace culvert::dns {

struct LocalRdata {
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::vector<std::byte> rdata;
};
using LocalRdatas = std::vector<LocalRdata>;

struct LocalNode {
  LocalRdatas records;
  LocalRdatas below;     // of "*." and this name
  bool special = false;  // `records` and `below` are of special_records()
  enum class Apex : std::uint8_t { none, special, own } apex = Apex::none;
  bool routed = false;                                      // of a [[dns.route]]
  const std::vector<base::IpAddress>* addresses = nullptr;  // of a peer
  std::uint32_t children = 0;

  bool says_nothing() const noexcept {
    return records.empty() && below.empty() && apex == Apex::none && !routed &&
           addresses == nullptr && children == 0;
  }
};

class LocalTree {
 public:
  void clear() { nodes_.clear(); }
  // Valid until the node is dropped.
  LocalNode& add(const Name& name);
  // Takes a node away that says nothing any more, and those above it that were there for it.
  void drop(const Name& name);

  // The known domains of a name from the shortest on: step() gives the next, null = it ends.
  class Walk {
   public:
    Walk(const LocalTree& tree, const Name& name) noexcept;
    const LocalNode* step() noexcept;
    base::Bytes domain() const noexcept { return name_.wire().subspan(start_); }  // of the last one
    bool is_whole() const noexcept { return left_ == 0; }  // that was the name itself

   private:
    const LocalTree& tree_;
    const Name& name_;
    std::size_t left_ = 0, start_ = 0, hash_ = 0;
    std::array<std::uint8_t, Name::max_labels> labels_;  // where they start
  };

 private:
  // A domain in wire form with its hash: made of its parent's and its first label. Only the
  // administrator chooses what is in the table, so nobody can aim at a bucket.
  struct Key {
    std::string_view wire;
    std::size_t hash;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(const Key& key) const noexcept { return key.hash; }
    // It could be noexcept, but then libstdc++ would not keep the hashes in the nodes.
    std::size_t operator()(const std::string& wire) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Key& a, const std::string& b) const noexcept { return a.wire == b; }
    bool operator()(const std::string& a, const Key& b) const noexcept { return a == b.wire; }
    bool operator()(const std::string& a, const std::string& b) const noexcept { return a == b; }
  };

  std::unordered_map<std::string, LocalNode, Hash, Equal> nodes_;
};

}  // namespace culvert::dns
