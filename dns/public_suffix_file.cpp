#include "dns/public_suffix_file.hpp"

#include <fcntl.h>

#include <string>

#include "base/file_descriptor.hpp"
#include "dns/list_text.hpp"

namespace culvert::dns {
namespace {

constexpr const char* system_path = "/usr/share/publicsuffix/public_suffix_list.dat";
constexpr std::string_view private_section = "===BEGIN PRIVATE DOMAINS===";
constexpr std::size_t max_file = 4 << 20;
constexpr std::size_t least_rules = 1000;  // fewer are not the list

std::string read_file(const char* path) {
  const base::FileDescriptor file(::open(path, O_RDONLY | O_CLOEXEC));
  std::string text;
  if (!file) return text;
  char piece[16'384];
  for (;;) {
    const ssize_t size = ::read(file.get(), piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 || text.size() > max_file) return {};
    if (size == 0) return text;
    text.append(piece, static_cast<std::size_t>(size));
  }
}

}  // namespace

PublicSuffixFile::Rules PublicSuffixFile::read(std::string_view text) {
  Rules rules;
  Name name;
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    if (line.find(private_section) != std::string_view::npos) break;
    line = take_word(line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    const bool wildcard = line.starts_with("*."), exception = line.starts_with('!');
    line.remove_prefix(wildcard ? 2 : exception ? 1 : 0);
    // Comments are no names; those in other scripts are left to libpsl.
    if (!read_domain(line, name)) continue;
    // All below the parent of a wildcard belongs to strangers too: it is a suffix itself.
    (exception ? rules.exceptions : rules.plain).push_back(line);
    if (wildcard) rules.wildcards.push_back(line);
  }
  return rules;
}

PublicSuffixFile::PublicSuffixFile(std::string_view text) : PublicSuffixFile(read(text)) {}

PublicSuffixFile::PublicSuffixFile(const Rules& rules)
    : size_(rules.plain.size()),
      plain_(rules.plain),
      wildcards_(rules.wildcards),
      exceptions_(rules.exceptions) {}

const PublicSuffixFile* PublicSuffixFile::system() {
  static const std::optional<PublicSuffixFile> file = [] {
    std::optional<PublicSuffixFile> read(read_file(system_path));
    if (read->size_ < least_rules) read.reset();
    return read;
  }();
  return file ? &*file : nullptr;
}

bool PublicSuffixFile::contains(const Name& domain) const noexcept {
  const base::Bytes wire = domain.wire();
  if (plain_.find(wire) >= 0) return true;
  if (domain.is_root()) return false;
  const base::Bytes parent = wire.subspan(1 + std::to_integer<std::size_t>(wire[0]));
  return wildcards_.find(parent) >= 0 && exceptions_.find(wire) < 0;
}

}  // namespace culvert::dns
