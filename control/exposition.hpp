// Exposition: metrics as the text that Prometheus reads (format 0.0.4). A family is opened once and
// followed by all its samples.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/counters.hpp"

namespace culvert::control {

// name="value", with what the format needs escaped.
std::string label(std::string_view name, std::string_view value);

class Exposition {
 public:
  enum class Type { counter, gauge, histogram };

  void reserve(std::size_t bytes) { text_.reserve(bytes); }
  std::size_t size() const noexcept { return text_.size(); }

  void family(std::string_view name, Type type, std::string_view help);
  void counter(std::string_view name, std::string_view help) { family(name, Type::counter, help); }
  void gauge(std::string_view name, std::string_view help) { family(name, Type::gauge, help); }

  // Of the family opened last. `labels`: as label() makes them, with commas between; `more` is put
  // behind them.
  void sample(std::string_view labels, std::integral auto value) {
    line({}, labels, {}, std::uint64_t(value));
  }
  void sample(std::string_view labels, std::string_view more, std::integral auto value) {
    line({}, labels, more, std::uint64_t(value));
  }
  void sample(std::string_view labels, std::floating_point auto value) { line({}, labels, value); }
  void histogram(std::string_view labels, const base::Histogram& of);  // in seconds

  void append(Exposition&& families) {
    const std::string text = std::move(families.text_);  // gone when it is joined
    text_ += text;
  }
  std::string take() { return std::move(text_); }

 private:
  static constexpr std::size_t longest_number = 32;

  char* open(std::string_view suffix, std::string_view labels, std::string_view more);
  void close(char* end);
  void line(std::string_view suffix, std::string_view labels, std::string_view more,
            std::uint64_t value);
  void line(std::string_view suffix, std::string_view labels, double value);

  std::string text_, name_;
};

}  // namespace culvert::control
