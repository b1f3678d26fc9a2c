#include "dns/rule_table.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "dns/complex_rule.hpp"
#include "dns/pattern_set.hpp"
#include "dns/rule_file_view.hpp"

namespace culvert::dns {
namespace {

constexpr unsigned most_prefetched = 3;  // domains of one name

// A prefix that a list rewrites, and the index of the rule.
struct AddressRewrite {
  std::uint16_t list;
  base::Prefix prefix;
  std::uint32_t complex;

  friend bool operator<(const AddressRewrite& a, const AddressRewrite& b) noexcept {
    return std::tie(a.list, a.prefix) < std::tie(b.list, b.prefix);
  }
};

std::vector<AddressRewrite> address_rewrites_of(const RuleFileView& file) {
  std::vector<AddressRewrite> all;
  if (!file.has_addresses()) return all;
  for (std::uint32_t i = 0; i < file.complex_count(); ++i) {
    const auto complex = decode(file.complex(i));
    if (!complex) continue;
    for (const base::Prefix& prefix : complex->rule.answer_prefixes)
      all.push_back({complex->list, prefix, i});
  }
  std::sort(all.begin(), all.end());
  return all;
}

// Read-only memory of a file.
class Mapping {
 public:
  static base::Result<Mapping> of(int fd) {
    struct stat status {};
    if (::fstat(fd, &status) != 0)
      return base::Error{std::string("the rule table cannot be read: ") + std::strerror(errno)};
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size < sizeof(RuleFileHeader))
      return base::Error{"the rule table is damaged: " + std::to_string(size) +
                         " octets, its header alone has " + std::to_string(sizeof(RuleFileHeader))};
    void* const at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
      return base::Error{std::string("the rule table cannot be mapped: ") + std::strerror(errno)};
    ::madvise(at, size, MADV_HUGEPAGE);  // where the file system has them
    return Mapping({static_cast<const std::byte*>(at), size});
  }
  Mapping() = default;
  Mapping(Mapping&& other) noexcept : octets_(std::exchange(other.octets_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(octets_, other.octets_);
    return *this;
  }
  ~Mapping() {
    if (!octets_.empty()) ::munmap(const_cast<std::byte*>(octets_.data()), octets_.size());
  }
  base::Bytes octets() const noexcept { return octets_; }

 private:
  explicit Mapping(base::Bytes octets) noexcept : octets_(octets) {}
  base::Bytes octets_;
};

}  // namespace

RuleAction RuleTable::Said::action_of(std::uint16_t list) const noexcept {
  for (std::size_t i = 0; i < how.size(); ++i)
    if (how[i][list]) return RuleAction(std::size_t(RuleAction::nxdomain) + i);
  return RuleAction::block;
}

void RuleTable::Said::set_action(std::uint16_t list, RuleAction action) noexcept {
  if (action >= RuleAction::nxdomain && action <= RuleAction::rewrite)
    how[std::size_t(action) - std::size_t(RuleAction::nxdomain)].set(list);
}

struct RuleTable::Impl {
  Mapping mapping;
  RuleFileView file;
  PatternSet patterns;
  // Made when first asked for: most never are, and each takes a kilobyte.
  mutable std::vector<std::atomic<const ComplexRule*>> complex;
  std::vector<AddressRewrite> address_rewrites;  // in order

  ~Impl() {
    for (const auto& each : complex) delete each.load(std::memory_order_relaxed);
  }
};

RuleTable::RuleTable(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
RuleTable::~RuleTable() = default;

base::Result<std::shared_ptr<const RuleTable>> RuleTable::map(int fd, bool seen) {
  auto mapping = Mapping::of(fd);
  if (!mapping) return base::Error{mapping.error()};
  auto file = RuleFileView::of(mapping->octets(), seen);
  if (!file) return base::Error{"the rule table is damaged: " + file.error()};
  auto impl = std::make_unique<Impl>();
  impl->mapping = std::move(*mapping);
  impl->file = std::move(*file);
  impl->complex = std::vector<std::atomic<const ComplexRule*>>(impl->file.complex_count());
  impl->address_rewrites = address_rewrites_of(impl->file);
  for (const PatternEntry& entry : impl->file.patterns()) {
    const auto rule = decode(impl->file.complex(entry.complex));
    if (!rule || !impl->patterns.add(entry.group, rule->rule.pattern, entry.complex))
      return base::Error{"the rule table is damaged: a pattern is no regular expression"};
  }
  if (!impl->patterns.compile())
    return base::Error{"the rule table is damaged: its patterns are too large"};
  return std::shared_ptr<const RuleTable>(new RuleTable(std::move(impl)));
}

const std::vector<std::string>& RuleTable::lists() const noexcept {
  return impl_->file.lists();
}
std::uint64_t RuleTable::generation() const noexcept {
  return impl_->file.header().generation;
}
std::uint64_t RuleTable::rules() const noexcept {
  return impl_->file.header().rules;
}
std::size_t RuleTable::bytes() const noexcept {
  return impl_->mapping.octets().size();
}

const NameKey& RuleTable::key() const noexcept {
  return impl_->file.header().key;
}

void RuleTable::prefetch(const NamePath& path) const noexcept {
  const RuleFileView& file = impl_->file;
  const unsigned deepest = std::min(path.labels(), rule_filter::least_labels + most_prefetched - 1);
  for (unsigned depth = rule_filter::least_labels; depth <= deepest; ++depth) {
    file.prefetch_filter(path[depth]);
    if (file.has_depth(depth)) file.prefetch(path[depth]);
  }
}

bool RuleTable::may_match(const NamePath& path) const noexcept {
  const RuleFileView& file = impl_->file;
  return path.labels() < rule_filter::least_labels ||
         file.may_have_below(path[rule_filter::least_labels]) || file.has_depth(1) ||
         file.root_set() != nullptr;
}

std::size_t RuleTable::find(const NamePath& path,
                            std::span<Match, max_matches> out) const noexcept {
  const RuleFileView& file = impl_->file;
  const unsigned labels = path.labels();
  unsigned deepest = labels;
  if (labels >= rule_filter::least_labels && !file.may_have_below(path[rule_filter::least_labels]))
    deepest = rule_filter::least_labels - 1;

  std::size_t found = 0;
  const auto take = [&](unsigned depth, const RuleSetEntry& set) {
    const RuleSetEntry::Face& face = depth == labels ? set.at : set.below;
    if (face.said == 0 && face.complex == 0) return;
    out[found++] = {depth, face.said == 0 ? nullptr : &file.said(face.said), file.attached(face)};
  };
  for (unsigned depth = deepest; depth > 0 && found < out.size(); --depth) {
    if (!file.has_depth(depth)) continue;
    if (depth >= rule_filter::least_labels && !file.may_have(path[depth])) continue;
    const auto slot = file.find(path[depth]);
    if (!slot) continue;
    if (const RuleSetEntry* set = file.set_of(*slot)) take(depth, *set);
  }
  const RuleSetEntry* const root = file.root_set();
  if (root != nullptr && found < out.size()) take(0, *root);
  return found;
}

std::size_t RuleTable::find(const Name& name, std::span<Match, max_matches> out) const noexcept {
  const NamePath path(key(), name);
  prefetch(path);
  return find(path, out);
}

const RuleTable::ComplexRule& RuleTable::complex(std::uint32_t index) const noexcept {
  static const ComplexRule nothing;
  if (index >= impl_->complex.size()) return nothing;
  std::atomic<const ComplexRule*>& place = impl_->complex[index];
  if (const ComplexRule* known = place.load(std::memory_order_acquire)) return *known;
  auto read = decode(impl_->file.complex(index));
  if (!read) return nothing;  // it was read when the file was mapped
  const ComplexRule* expected = nullptr;
  auto made = std::make_unique<const ComplexRule>(std::move(*read));
  if (place.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel))
    return *made.release();
  return *expected;
}

void RuleTable::find_patterns(const Name& name, std::vector<std::uint32_t>& out) const {
  if (impl_->patterns.empty()) return;
  std::string text = name.to_string();
  const std::size_t before = out.size();
  impl_->patterns.find(text, out);
  // A pattern may have an anchor: it holds for names there only.
  const auto is_elsewhere = [&](std::uint32_t index) {
    const Rule& rule = complex(index).rule;
    if (rule.reach == Rule::Reach::exact) return !rule.domain.is_root() && name != rule.domain;
    return !name.is_within(rule.domain) ||
           (rule.reach == Rule::Reach::below && name == rule.domain);
  };
  out.erase(std::remove_if(out.begin() + std::ptrdiff_t(before), out.end(), is_elsewhere),
            out.end());
}

bool RuleTable::has_patterns() const noexcept {
  return !impl_->patterns.empty();
}

const RuleTable::Said* RuleTable::find_address(const base::IpAddress& address) const noexcept {
  const std::uint32_t number = impl_->file.find_address(address);
  return number == 0 ? nullptr : &impl_->file.said(number);
}

const Rule* RuleTable::find_address_rewrite(std::uint16_t list,
                                            const base::IpAddress& address) const noexcept {
  const std::vector<AddressRewrite>& all = impl_->address_rewrites;
  for (unsigned length = address.bits() + 1; length-- > 0;) {
    const AddressRewrite wanted{list, base::Prefix(address, length), 0};
    const auto found = std::lower_bound(all.begin(), all.end(), wanted);
    if (found != all.end() && !(wanted < *found)) return &complex(found->complex).rule;
  }
  return nullptr;
}

bool RuleTable::has_addresses() const noexcept {
  return impl_->file.has_addresses();
}

}  // namespace culvert::dns
