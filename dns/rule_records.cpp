#include "dns/rule_records.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

namespace culvert::dns {

void RuleRecords::add(DomainHash domain, std::uint32_t set) {
  const std::uint32_t home = domain.home();
  const std::uint64_t print = domain.fingerprint();
  Partition& part = parts_[home >> 24];
  const std::size_t within = part.size % block_size;
  if (within == 0) part.blocks.push_back(std::make_unique_for_overwrite<Block>());
  (*part.blocks.back())[within] = {home << 8 | static_cast<std::uint32_t>(print >> 40),
                                   static_cast<std::uint32_t>(print >> 8),
                                   static_cast<std::uint32_t>(print) << 24 | set};
  ++part.size;
  ++size_;
}

template <class Take>
void RuleRecords::each(const Partition& part, Take take) {
  std::size_t left = part.size;
  for (const auto& block : part.blocks) {
    const std::size_t count = std::min(left, block_size);
    for (const Record& record : std::span(*block).first(count)) take(record);
    left -= count;
  }
}

std::span<const RuleRecords::Record> RuleRecords::look(unsigned partition) {
  const Partition& part = parts_[partition];
  buffer_.clear();
  buffer_.reserve(part.size);
  each(part, [this](const Record& record) { buffer_.push_back(record); });
  return buffer_;
}

std::span<const RuleRecords::Record> RuleRecords::take(unsigned partition) {
  look(partition);
  size_ -= parts_[partition].size;
  parts_[partition] = {};
  return buffer_;
}

void RuleRecords::put_back(Partition& part, std::size_t size) {
  for (std::size_t at = 0; at < size; at += block_size)
    std::copy_n(buffer_.begin() + std::ptrdiff_t(at), std::min(block_size, size - at),
                part.blocks[at / block_size]->begin());
  part.blocks.resize((size + block_size - 1) / block_size);
  size_ -= part.size - size;
  part.size = size;
}

// Hashes are spread evenly: where their first bits say that they lie in order, each is at its place
// or near it, and the rest is done by moving it there.
void RuleRecords::look_sorted(const Partition& part) {
  const int bits = std::clamp(int(std::bit_width(part.size)), 1, 24);
  const auto place_of = [&](const Record& record) { return record.high >> (32 - bits); };
  places_.assign((std::size_t{1} << bits) + 1, 0);
  each(part, [&](const Record& record) { ++places_[place_of(record) + 1]; });
  std::partial_sum(places_.begin(), places_.end(), places_.begin());
  buffer_.resize(part.size);
  each(part, [&](const Record& record) { buffer_[places_[place_of(record)]++] = record; });
  for (std::size_t i = 1; i < buffer_.size(); ++i) {
    const Record record = buffer_[i];
    std::size_t at = i;
    for (; at > 0 && record.is_before(buffer_[at - 1]); --at) buffer_[at] = buffer_[at - 1];
    buffer_[at] = record;
  }
}

void RuleRecords::merge(const Unite& unite) {
  for (unsigned i = 0; i < partitions; ++i) {
    look_sorted(parts_[i]);
    std::size_t kept = 0;
    for (const Record& record : buffer_) {
      if (kept > 0 && buffer_[kept - 1].same_domain(record))
        buffer_[kept - 1].set(unite(buffer_[kept - 1].set(), record.set()));
      else
        buffer_[kept++] = record;
    }
    put_back(parts_[i], kept);
  }
}

}  // namespace culvert::dns
