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

  explicit Exposition(std::size_t expected) { text_.reserve(expected); }

  void family(std::string_view name, Type type, std::string_view help);
  void counter(std::string_view name, std::string_view help) { family(name, Type::counter, help); }
  void gauge(std::string_view name, std::string_view help) { family(name, Type::gauge, help); }

  // Of the family opened last. `labels`: as label() makes them, with commas between; `more` is put
  // behind them.
  void sample(std::string_view labels, std::integral auto value) {
    sample(labels, {}, std::uint64_t(value));
  }
  void sample(std::string_view labels, std::string_view more, std::uint64_t value);
  void sample(std::string_view labels, std::floating_point auto value) { real(labels, value); }
  void histogram(std::string_view labels, const base::Histogram& of);  // in seconds

  std::string take() { return std::move(text_); }

 private:
  void real(std::string_view labels, double value);
  void open(std::string_view suffix, std::string_view labels, std::string_view more);
  void number(std::uint64_t value);
  void number(double value);

  std::string text_, name_;
};

}  // namespace culvert::control
