#include "dns/rule_table.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "dns/complex_rule.hpp"
#include "dns/pattern_set.hpp"
#include "dns/rule_file_view.hpp"

namespace culvert::dns {
namespace {

// The hashes of the domains that a name lies in, by the number of their labels. All are computed
// before the first is looked for, so that their slots are on the way while the first ones are read.
class RulePath {
 public:
  RulePath(const RuleFileView& file, const Name& name) noexcept {
    const base::Bytes wire = name.wire();
    const LabelStarts starts(wire);
    labels_ = starts.count();
    DomainHash hash = hash_of_root(file.header().key);
    std::size_t end = wire.size() - 1;
    for (unsigned depth = 1; depth <= labels_; ++depth) {
      const std::size_t start = starts[labels_ - depth];
      hash = hash_below(file.header().key, hash, wire.data() + start, end - start);
      file.prefetch(hash);
      hashes_[depth] = hash;
      end = start;
    }
  }
  unsigned labels() const noexcept { return labels_; }
  DomainHash operator[](unsigned depth) const noexcept { return hashes_[depth]; }

 private:
  unsigned labels_;
  std::array<DomainHash, Name::max_labels + 1> hashes_;
};

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

struct RuleTable::Impl {
  Mapping mapping;
  RuleFileView file;
  PatternSet patterns;
  // Made when first asked for: most never are, and each takes a kilobyte.
  mutable std::vector<std::atomic<const ComplexRule*>> complex;

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

std::size_t RuleTable::find(const Name& name, std::span<Match, max_matches> out) const noexcept {
  struct Hit {
    unsigned labels;
    const RuleSetEntry* set;
  };
  std::array<Hit, Name::max_labels + 1> hits;
  std::size_t count = 0;
  const RuleFileView& file = impl_->file;
  if (const RuleSetEntry* root = file.root_set()) hits[count++] = {0, root};

  const RulePath path(file, name);
  const unsigned labels = path.labels();
  for (unsigned depth = 1; depth <= labels; ++depth) {
    const auto slot = file.find(path[depth]);
    if (!slot) break;
    if (const RuleSetEntry* set = file.set_of(*slot)) hits[count++] = {depth, set};
  }

  std::size_t found = 0;
  while (count > 0 && found < out.size()) {
    const Hit& hit = hits[--count];
    const RuleSetEntry::Face& face = hit.labels == labels ? hit.set->at : hit.set->below;
    if (face.said == 0 && face.complex == 0) continue;
    out[found++] = {hit.labels, face.said == 0 ? nullptr : &file.said(face.said),
                    file.attached(face)};
  }
  return found;
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

bool RuleTable::find_address(const base::IpAddress& address, ListMask& block,
                             ListMask& allow) const noexcept {
  const std::uint32_t number = impl_->file.find_address(address);
  if (number == 0) return false;
  const Said& said = impl_->file.said(number);
  block = said.block;
  allow = said.allow;
  return true;
}

bool RuleTable::has_addresses() const noexcept {
  return impl_->file.has_addresses();
}

}  // namespace culvert::dns
