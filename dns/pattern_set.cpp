#include "dns/pattern_set.hpp"

#include <re2/set.h>

#include <algorithm>

#include "dns/pattern_options.hpp"

namespace culvert::dns {
namespace {

constexpr std::int64_t max_memory = 8 << 20;  // of a group, its automaton's states included

}  // namespace

struct PatternSet::Group {
  std::uint32_t number = 0;
  RE2::Set set{pattern_options(max_memory), RE2::UNANCHORED};
  std::vector<std::string> patterns;
  std::vector<std::uint32_t> indices;  // by the set's number

  void find(const std::string& text, std::vector<std::uint32_t>& out) const;
};

PatternSet::PatternSet() = default;
PatternSet::~PatternSet() = default;
PatternSet::PatternSet(PatternSet&&) noexcept = default;
PatternSet& PatternSet::operator=(PatternSet&&) noexcept = default;

unsigned PatternSet::weight_of(const std::string& pattern) {
  const RE2 compiled(pattern, pattern_options(max_memory));
  const int size = compiled.ok() ? compiled.ProgramSize() : 0;
  return size > 0 && unsigned(size) <= max_group_weight ? unsigned(size) : 0;
}

bool PatternSet::add(std::uint32_t group, const std::string& pattern, std::uint32_t index) {
  if (groups_.empty() || groups_.back()->number != group) {
    groups_.push_back(std::make_unique<Group>());
    groups_.back()->number = group;
  }
  Group& to = *groups_.back();
  if (to.set.Add(pattern, nullptr) < 0) return false;
  to.patterns.push_back(pattern);
  to.indices.push_back(index);
  return true;
}

bool PatternSet::compile() {
  return std::ranges::all_of(groups_, [](const auto& group) { return group->set.Compile(); });
}

void PatternSet::Group::find(const std::string& text, std::vector<std::uint32_t>& out) const {
  std::vector<int> hits;
  RE2::Set::ErrorInfo error{RE2::Set::kNoError};
  if (set.Match(text, &hits, &error)) {
    for (const int hit : hits) out.push_back(indices[std::size_t(hit)]);
  } else if (error.kind != RE2::Set::kNoError) {
    // The states of all at once need more memory than they may have: one by one they do not.
    for (std::size_t i = 0; i < patterns.size(); ++i)
      if (RE2::PartialMatch(text, RE2(patterns[i], pattern_options(max_memory))))
        out.push_back(indices[i]);
  }
}

void PatternSet::find(const std::string& text, std::vector<std::uint32_t>& out) const {
  const auto before = std::ptrdiff_t(out.size());
  for (const auto& group : groups_) group->find(text, out);
  std::sort(out.begin() + before, out.end());
}

}  // namespace culvert::dns
