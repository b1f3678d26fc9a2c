#include "base/counters.hpp"

namespace culvert::base {

std::string_view to_string(Drop drop) noexcept {
  static constexpr std::array<std::string_view, std::size_t(Drop::count_)> names{
#define CULVERT_DROP_NAME(name) #name,
      CULVERT_DROPS(CULVERT_DROP_NAME)
#undef CULVERT_DROP_NAME
  };
  const auto index = std::size_t(drop);
  return index < names.size() ? names[index] : "unknown";
}

std::uint64_t DropCounters::total() const noexcept {
  std::uint64_t sum = 0;
  for (const Counter& counter : counters_) sum += counter.get();
  return sum;
}

}  // namespace culvert::base
