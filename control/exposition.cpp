#include "control/exposition.hpp"

#include <fmt/format.h>

#include <charconv>

namespace culvert::control {

std::string label(std::string_view name, std::string_view value) {
  std::string text(name);
  text += "=\"";
  for (const char c : value) {
    if (c == '\n')
      text += "\\n";
    else if (c == '"' || c == '\\')
      (text += '\\') += c;
    else
      text += c;
  }
  return text += '"';
}

void Exposition::family(std::string_view name, Type type, std::string_view help) {
  const char* word = type == Type::counter ? "counter"
                     : type == Type::gauge ? "gauge"
                                           : "histogram";
  name_ = name;
  fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, word);
}

void Exposition::open(std::string_view suffix, std::string_view labels, std::string_view more) {
  text_.append(name_).append(suffix);
  if (!labels.empty() || !more.empty()) {
    text_.append(1, '{').append(labels);
    if (!labels.empty() && !more.empty()) text_ += ',';
    text_.append(more).append(1, '}');
  }
  text_ += ' ';
}

void Exposition::number(std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  text_.append(digits, end).append(1, '\n');
}

void Exposition::number(double value) {
  fmt::format_to(std::back_inserter(text_), "{}\n", value);
}

void Exposition::sample(std::string_view labels, std::string_view more, std::uint64_t value) {
  open({}, labels, more);
  number(value);
}

void Exposition::real(std::string_view labels, double value) {
  open({}, labels, {});
  number(value);
}

void Exposition::histogram(std::string_view labels, const base::Histogram& of) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < base::Histogram::buckets; ++i) {
    below += of.count(i);
    const bool last = i + 1 == base::Histogram::buckets;
    open("_bucket", labels,
         last ? std::string("le=\"+Inf\"")
              : fmt::format("le=\"{}\"", double(base::Histogram::bound(i)) / 1e9));
    number(below);
  }
  open("_sum", labels, {});
  number(double(of.sum()) / 1e9);
  open("_count", labels, {});
  number(below);
}

}  // namespace culvert::control
