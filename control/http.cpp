#include "control/http.hpp"

#include <algorithm>

namespace culvert::control {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? char(c + ('a' - 'A')) : c;
}

}  // namespace

std::string_view Request::header(std::string_view name) const noexcept {
  for (const auto& [key, value] : fields)
    if (std::ranges::equal(key, name, [](char a, char b) { return lower(a) == lower(b); }))
      return value;
  return {};
}

bool BodyStream::push(std::string chunk) {
  if (closed_) return false;
  if (waiting_ + chunk.size() > bound) {
    close();
    return false;
  }
  waiting_ += chunk.size();
  chunks_.push_back(std::move(chunk));
  if (wake_) wake_();
  return true;
}

void BodyStream::close() {
  closed_ = true;
  if (wake_) wake_();
}

// All that waits, as one piece.
std::optional<std::string> BodyStream::take() {
  if (chunks_.empty()) return std::nullopt;
  std::string all;
  all.reserve(waiting_);
  for (const std::string& chunk : chunks_) all += chunk;
  chunks_.clear();
  waiting_ = 0;
  return all;
}

}  // namespace culvert::control
