// WipedText: characters that may hold keys. Whatever memory it had is wiped before it is given
// back, also when it grows. A vector, because a short std::string keeps its characters in itself.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/secret.hpp"

namespace culvert::control {

template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) noexcept {}

  T* allocate(std::size_t n) { return std::allocator<T>().allocate(n); }
  void deallocate(T* memory, std::size_t n) noexcept {
    base::wipe(std::as_writable_bytes(std::span(memory, n)));
    std::allocator<T>().deallocate(memory, n);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

using WipedText = std::vector<char, WipingAllocator<char>>;

inline std::string_view view(const WipedText& text) noexcept {
  return {text.data(), text.size()};
}

}  // namespace culvert::control
