// PeerLabels: which label each peer's name becomes, each label for one peer. What it says depends
// on the set of names alone: workers that heard of them in different orders agree. For LocalZone.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

namespace culvert::dns {

class PeerLabels {
 public:
  void add(const std::string& name);
  void remove(const std::string& name);
  void reserve(const std::string& label);  // no peer gets it
  void clear();

  bool is_settled() const noexcept { return unsettled_.empty() && gone_.empty(); }
  // Calls for every peer whose label is another now, first with the old ones, then with the new
  // ones. Many changes are settled at once, so that thousands of equal names cost little.
  using Tell = std::function<void(const std::string& name, const std::string& label)>;
  void settle(const Tell& loses, const Tell& gets);

  // "Anna's Phone" becomes "anna-s-phone"; "peer" if nothing is left.
  static std::string label_of(const std::string& name);

 private:
  using Names = std::set<std::string>;
  bool is_taken(const std::string& label, const std::string& base) const;
  void touch(const std::string& base, bool comes_or_goes);
  void settle_group(const std::string& base, const Tell& loses, const Tell& gets);
  void release(const std::string& name, const Tell& loses);

  std::map<std::string, Names> groups_;        // by what label_of() says
  std::map<std::string, std::string> labels_;  // by name
  std::map<std::string, std::string> owners_;  // by label
  std::set<std::string> reserved_;
  Names gone_;                       // that still have a label
  std::set<std::string> unsettled_;  // groups
};

}  // namespace culvert::dns
