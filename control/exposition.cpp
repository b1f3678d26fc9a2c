#include "control/exposition.hpp"

#include <fmt/format.h>

#include <algorithm>
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

// A large page is some 100,000 lines: each is written with one growth of the text.
char* Exposition::open(std::string_view suffix, std::string_view labels, std::string_view more) {
  const std::size_t before = text_.size();
  text_.resize(before + name_.size() + suffix.size() + labels.size() + more.size() +
               longest_number + 5);
  char* to = text_.data() + before;
  const auto put = [&to](std::string_view part) { to = std::copy(part.begin(), part.end(), to); };
  put(name_), put(suffix);
  if (!labels.empty() || !more.empty()) {
    *to++ = '{';
    put(labels);
    if (!labels.empty() && !more.empty()) *to++ = ',';
    put(more);
    *to++ = '}';
  }
  *to++ = ' ';
  return to;
}

void Exposition::close(char* end) {
  *end++ = '\n';
  text_.resize(std::size_t(end - text_.data()));
}

void Exposition::line(std::string_view suffix, std::string_view labels, std::string_view more,
                      std::uint64_t value) {
  char* to = open(suffix, labels, more);
  close(std::to_chars(to, to + longest_number, value).ptr);
}

void Exposition::line(std::string_view suffix, std::string_view labels, double value) {
  char* to = open(suffix, labels, {});
  close(fmt::format_to_n(to, longest_number, "{}", value).out);
}

void Exposition::histogram(std::string_view labels, const base::Histogram& of) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < base::Histogram::buckets; ++i) {
    below += of.count(i);
    const bool last = i + 1 == base::Histogram::buckets;
    line("_bucket", labels,
         last ? std::string("le=\"+Inf\"")
              : fmt::format("le=\"{}\"", double(base::Histogram::bound(i)) / 1e9),
         below);
  }
  line("_sum", labels, double(of.sum()) / 1e9);
  line("_count", labels, {}, below);
}

}  // namespace culvert::control
