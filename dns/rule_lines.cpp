// Which lines of a list reach a name: by reading the list again, as the compiler does. The table
// keeps neither lines nor text, so this is for people who ask, not for questions.
#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "base/file_descriptor.hpp"
#include "dns/list_line.hpp"
#include "dns/list_pattern.hpp"
#include "dns/name_text.hpp"
#include "dns/rule_compiler.hpp"

namespace culvert::dns {
namespace {

constexpr std::size_t max_text = 500;

bool reaches(const Rule& rule, const Name& name, const std::string& text) {
  if (!rule.answer_prefixes.empty()) return false;
  for (const Name& other : rule.deny_allow)
    if (name.is_within(other)) return false;
  if (!rule.pattern.empty()) return !text.empty() && pattern_fits(rule.pattern, text);
  switch (rule.reach) {
    case Rule::Reach::exact:
      return name == rule.domain;
    case Rule::Reach::subdomains:
      return name.is_within(rule.domain);
    case Rule::Reach::below:
      return name.is_within(rule.domain) && !(name == rule.domain);
  }
  return false;
}

// Calls `take` with pieces of the file until it returns false.
void read_pieces(const std::string& path, const std::function<bool(std::string_view)>& take) {
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return;
  std::vector<char> piece(65'536);
  for (;;) {
    const ssize_t size = ::read(file.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || !take({piece.data(), static_cast<std::size_t>(size)})) return;
  }
}

std::vector<std::uint32_t> find_numbers(const ListSource& list, const Name& name,
                                        std::size_t most) {
  NameText buffer;
  const std::string text(write_plain(name, buffer));
  std::vector<std::uint32_t> lines;
  ListParser parser(list.settings, [&](const Rule& rule, bool badfilter) {
    const bool told = !lines.empty() && lines.back() == rule.line;
    if (!badfilter && !told && lines.size() < most && reaches(rule, name, text))
      lines.push_back(rule.line);
  });
  read_pieces(list.file, [&](std::string_view piece) {
    parser.feed(piece);
    return lines.size() < most;
  });
  parser.finish();
  return lines;
}

// Without control characters, also those that UTF-8 writes as C2 80 to C2 9F.
std::string clean(std::string_view line) {
  std::string out;
  for (std::size_t i = 0; i < line.size() && out.size() < max_text; ++i) {
    const auto c = static_cast<unsigned char>(line[i]);
    if (c < 0x20 || c == 0x7f) continue;
    const auto next = i + 1 < line.size() ? static_cast<unsigned char>(line[i + 1]) : 0u;
    if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
      ++i;
      continue;
    }
    out += line[i];
  }
  return out;
}

}  // namespace

std::vector<RuleLine> find_lines(const ListSource& list, const Name& name, std::size_t most) {
  std::vector<std::uint32_t> wanted = find_numbers(list, name, most);
  std::sort(wanted.begin(), wanted.end());
  std::vector<RuleLine> out;
  std::uint32_t number = 0;
  LineSplitter lines;
  const auto on_line = [&](std::string_view line, bool) {
    if (out.size() == wanted.size() || ++number != wanted[out.size()]) return;
    out.push_back({number, clean(line)});
  };
  if (!wanted.empty())
    read_pieces(list.file, [&](std::string_view piece) {
      lines.feed(piece, on_line);
      return out.size() < wanted.size();
    });
  lines.finish(on_line);
  return out;
}

}  // namespace culvert::dns
