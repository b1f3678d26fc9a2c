// PatternSet: regular expressions that are searched in a name all at once, in linear time. They
// are put together in groups, each one automaton of bounded size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace culvert::dns {

class PatternSet {
 public:
  // What the patterns of a group may weigh together, and all of them.
  static constexpr unsigned max_group_weight = 1 << 16, max_weight = 1 << 19;
  // 0: RE2 does not take it, or it is too large.
  static unsigned weight_of(const std::string& pattern);

  PatternSet();
  ~PatternSet();
  PatternSet(PatternSet&&) noexcept;
  PatternSet& operator=(PatternSet&&) noexcept;

  // Of a group after the other; false if RE2 does not take it.
  bool add(std::uint32_t group, const std::string& pattern, std::uint32_t index);
  bool compile();  // after the last; false: a group is too large
  // Appends the indices of the patterns that are found, in order.
  void find(const std::string& text, std::vector<std::uint32_t>& out) const;
  bool empty() const noexcept { return groups_.empty(); }

 private:
  struct Group;
  std::vector<std::unique_ptr<Group>> groups_;
};

}  // namespace culvert::dns
